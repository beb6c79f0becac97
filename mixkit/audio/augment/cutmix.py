"""A piece of one clip in another, and the sound of one clip on another."""

from typing import Literal

import torch
from torch import Tensor, nn

from mixkit.audio.augment.shares import Alpha, Shares
from mixkit.draw import Draw
from mixkit.registry import augmentation
from mixkit.values import Share

EPSILON = 1e-6  # added to a variance


@augmentation("cutmix", on="features", mixes=True, scales=("rate",), paper="arXiv:1905.04899")
class CutMix(nn.Module):
    """CutMix: put a piece of another clip's spectrogram into some clips, and ask for both names.

    Each name counts as much as its share of the spectrogram. The other clip is any of the batch.

    Shape: b m l -> b m l; target b k -> b k

    Args:
        sample_rate: of the waveforms, in Hz.
        rate: probability that a clip gets a piece.
        alpha: shape of the Beta distribution of shares; 1 makes all as likely.
        axes: whether the piece has some bands for some time, or all bands.

    Paper: Yun et al. 2019, arXiv:1905.04899, section 3.1.

    Differs: their box may lie partly outside, ours lies inside, as likely in every place where it fits.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        rate: Share = 0.5,
        alpha: Alpha = 1.0,
        axes: Literal["both", "time"] = "both",
    ):
        super().__init__()
        self.rate, self.axes = rate, axes
        self.shares = Shares(alpha)

    def forward(self, x: Tensor, target: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Fill a drawn box from a drawn partner."""
        if not self.training:
            return x, target
        choice, place, u, v = draw.uniform(4).split(1, dim=1)
        partner = draw.integer(1, len(x))[:, 0]
        piece = torch.where(choice < self.rate, 1 - self.shares(place), 0.0)
        sides = (piece.sqrt(), piece.sqrt()) if self.axes == "both" else ((piece > 0).float(), piece)
        bands, frames = _stretch(x.shape[1], sides[0], u), _stretch(x.shape[2], sides[1], v)
        share = bands.float().mean(1, keepdim=True) * frames.float().mean(1, keepdim=True)
        inside = bands[:, :, None] & frames[:, None, :]
        return torch.where(inside, x[partner], x), (1 - share) * target + share * target[partner]


@augmentation("freq_mixstyle", on="features", mixes=True, scales=("rate",), paper="arXiv:2206.12513")
class FreqMixStyle(nn.Module):
    """Freq-MixStyle: let some clips sound as if recorded where another one was; their names stay.

    Each band's mean and standard deviation over time are mixed with those of another clip of the batch.

    Shape: b m l -> b m l

    Args:
        sample_rate: of the waveforms, in Hz.
        rate: probability that a clip gets another's sound.
        alpha: shape of the Beta distribution of shares; 0.2 keeps them near 0 and 1.

    Paper: Schmid et al. 2022, CP-JKU at DCASE 2022; after Kim et al. 2022, arXiv:2206.12513, and MixStyle, Zhou et al.
        2021, arXiv:2104.02008.

    Differs: they vary a whole batch or none of it, each clip of ours is drawn by itself.
    """

    def __init__(self, sample_rate: int, *, rate: Share = 0.4, alpha: Alpha = 0.4):
        super().__init__()
        self.rate = rate
        self.shares = Shares(alpha)

    def forward(self, x: Tensor, target: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Bring each band to a mixed mean and standard deviation."""
        if not self.training:
            return x, target
        choice, place = draw.uniform(2)[..., None].split(1, dim=1)
        partner = draw.integer(1, len(x))[:, 0]
        share = self.shares(place)
        mean, std = x.mean(2, keepdim=True), (x.var(2, keepdim=True, correction=0) + EPSILON).sqrt()
        mixed_mean, mixed_std = (torch.lerp(own[partner], own, share) for own in (mean, std))
        return torch.where(choice < self.rate, (x - mean) / std * mixed_std + mixed_mean, x), target


def _stretch(size: int, share: Tensor, place: Tensor) -> Tensor:
    """Which of `size` places lie in a stretch that takes a share of them: `b size`."""
    extent = (share * size).round()
    start = (place * (size - extent + 1)).floor()
    places = torch.arange(size, device=share.device)
    return (start <= places) & (places < start + extent)
