"""Noise under clips, white or recorded."""

import torch
from torch import Tensor, nn

from mixkit.audio.augment.loudness import Decibels, amplitude, in_order
from mixkit.audio.augment.recordings import read_folder
from mixkit.draw import Draw
from mixkit.registry import augmentation
from mixkit.values import Location, Share


@augmentation("noise", on="waveform", scales=("rate",))
class Noise(nn.Module):
    """Additive noise: put hiss, or the recordings of a folder, under some clips, softer than the clip by a drawn
    amount.

    Hiss is white; its samples are evenly distributed, which a spectrogram cannot tell from Gaussian ones. Of a folder,
    any recording may be drawn and begins anywhere; one that is shorter than the clip is repeated. Recordings are read
    once, 256 MiB of them at most. Digital silence does not count for the level of clip or noise, so padding does not
    lower it, and a silent clip stays silent.

    Shape: b s -> b s

    Args:
        sample_rate: of the waveforms, in Hz.
        rate: probability that a clip gets noise.
        low_db: least ratio of the clip's power to the noise's, in decibels.
        high_db: greatest ratio, in decibels; every one between is as likely.
        folder: recordings of noise, in it and below; `~` is your home, and a relative path begins at the working
            folder. None for hiss. What is in it should not be part of the data set: nothing looks for leaks here.

    Raises:
        SettingError: the least ratio is the greater one, or there is no such folder.
        DataError: one of its recordings cannot be used; it is named.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        rate: Share = 0.5,
        low_db: Decibels = 10.0,
        high_db: Decibels = 40.0,
        folder: Location | None = None,
    ):
        super().__init__()
        self.rate = rate
        self.low_db, self.high_db = in_order(low_db, high_db)
        self.recordings = None if folder is None else read_folder(folder, "folder", sample_rate)

    def forward(self, x: Tensor, target: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Add drawn noise at a drawn ratio."""
        if not self.training:
            return x, target
        choice, place = draw.uniform(2).split(1, dim=1)
        noise = self._drawn(x, draw)
        level = _power(x).sqrt() / amplitude(self.low_db + (self.high_db - self.low_db) * place)
        return x + torch.where(choice < self.rate, level, 0.0) * noise, target

    def _drawn(self, x: Tensor, draw: Draw) -> Tensor:
        """Noise for every clip, with a power of 1."""
        if self.recordings is None:
            return (draw.uniform(x.shape[1]) - 0.5) * 12**0.5  # the standard deviation of U(0, 1) is 1 / sqrt(12)
        sound = self.recordings.to(x.device)(x.shape[1], draw)
        power = _power(sound)
        return sound * torch.where(power > 0, power.rsqrt(), 0.0)


def _power(x: Tensor) -> Tensor:
    """Of each clip, digital silence left out: `b s -> b 1`."""
    return x.square().sum(1, keepdim=True) / (x != 0).sum(1, keepdim=True).clamp(min=1)
