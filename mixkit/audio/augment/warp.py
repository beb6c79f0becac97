"""Spectra that are stretched, or moved to other bands."""

from typing import Annotated

import torch
from torch import Tensor, nn

from mixkit.draw import Draw
from mixkit.registry import augmentation
from mixkit.values import Range, Whole

Stretch = Annotated[float, Range(least=0, most=0.5)]


@augmentation("warp", on="power", scales=("frequency", "time"))
class Warp(nn.Module):
    """Warping of frequency (VTLP) and time: stretch each clip's spectrogram a little, upward and in time: a smaller or
    larger voice, quicker or slower.

    Frequency is stretched from the lowest band up, time about the middle; what is missing at an edge repeats it.

    Shape: b m l -> b m l

    Args:
        sample_rate: of the waveforms, in Hz.
        frequency: share that the bands are stretched or pressed together by at most.
        time: share that the frames are stretched or pressed together by at most.

    Paper: vocal tract length perturbation (VTLP), Jaitly and Hinton 2013, ICML workshop on deep learning for audio,
        speech and language processing.

    Differs: they stretch the frequencies in Hz ahead of the mel bands, and not time; we stretch the mel bands.
    """

    def __init__(self, sample_rate: int, *, frequency: Stretch = 0.1, time: Stretch = 0.1):
        super().__init__()
        self.frequency, self.time = frequency, time

    def forward(self, x: Tensor, target: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Look each band and frame up at a drawn distance, between two neighbours."""
        if not self.training:
            return x, target
        higher, slower = (2 * draw.uniform(2) - 1).split(1, dim=1)
        bands, frames = (torch.arange(size, device=x.device) for size in x.shape[1:])
        middle = (len(frames) - 1) / 2
        x = _looked_up(x, bands / (1 + self.frequency * higher))
        return _looked_up(x.mT, middle + (frames - middle) / (1 + self.time * slower)).mT, target


@augmentation("frequency_shift", on="power", scales=("bins",))
class FrequencyShift(nn.Module):
    """Frequency shift: move each clip's spectrogram a few bands up or down; what is missing at an edge repeats it.

    Shape: b m l -> b m l

    Args:
        sample_rate: of the waveforms, in Hz.
        bins: bands that it is moved by at most, either way.
    """

    def __init__(self, sample_rate: int, *, bins: Whole = 4):
        super().__init__()
        self.bins = bins

    def forward(self, x: Tensor, target: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Move each spectrogram by a drawn number of bands."""
        if not self.training:
            return x, target
        shift = draw.integer(1, 2 * self.bins + 1) - self.bins
        place = (torch.arange(x.shape[1], device=x.device) - shift).clamp(0, x.shape[1] - 1)
        return x.gather(1, place[:, :, None].expand_as(x)), target


def _looked_up(x: Tensor, place: Tensor) -> Tensor:
    """Rows at places that may lie between two: x `b m l` at `b m`."""
    place = place.clamp(0, x.shape[1] - 1)
    below = place.long()
    above = (below + 1).clamp(max=x.shape[1] - 1)
    low, high = (x.gather(1, row[:, :, None].expand_as(x)) for row in (below, above))
    return torch.lerp(low, high, (place - below)[:, :, None])
