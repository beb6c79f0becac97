"""Variations of training clips, one draw of dice for each clip, on the device.

Each is called as `x, target = augmentation(x, target, draw)`: x is a waveform `b s` or normalised features `b m l`,
target the share of each class `b k`. In evaluation mode each hands back what it was given.
"""

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from mixkit.draw import Draw
from mixkit.errors import SettingError
from mixkit.registry import augmentation
from mixkit.values import Count, Positive, Range, Share, Whole

Decibels = Annotated[float, Range(least=-120, most=120)]


@augmentation("mixup", on="waveform", paper="arXiv:1710.09412")
class Mixup(nn.Module):
    """Play two clips at once, one louder than the other, and ask for both names.

    The partner is any clip of the batch, so this one depends on how the batch was put together.

    Shape: b s -> b s; target b k -> b k

    Args:
        rate: probability that a clip gets a partner.
        alpha: shape of the Beta distribution of shares; 10 keeps them near one half, 0.2 near 0 and 1.

    Paper: Zhang et al. 2018, arXiv:1710.09412, equation 1; on waveforms Tokozume et al. 2018, arXiv:1711.10282;
        rate and alpha as in AST, arXiv:2104.01778.

    Differs: AST draws the partner from the whole training set.
    """

    shares: Tensor

    def __init__(self, *, rate: Share = 0.5, alpha: Positive = 10.0):
        super().__init__()
        from scipy.special import betaincinv

        self.rate = rate
        # torch has no quantiles of Beta; a table of them is sampled on the device.
        quantiles = betaincinv(alpha, alpha, [step / 4096 for step in range(4097)])
        self.register_buffer("shares", torch.tensor(quantiles, dtype=torch.float32), persistent=False)

    def forward(self, x: Tensor, target: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Mix the batch with a drawn selection of itself."""
        if not self.training:
            return x, target
        choice, place = _pair(draw)
        partner = draw.integer(1, len(x))[:, 0]
        shares = self.shares.to(x.device)
        place = place * (len(shares) - 1)
        below = place.long()
        share = torch.lerp(shares[below], shares[below + 1], place - below)
        share = torch.where(choice < self.rate, share, 1.0)
        return share * x + (1 - share) * x[partner], share * target + (1 - share) * target[partner]


@augmentation("gain", on="waveform")
class Gain(nn.Module):
    """Turn each clip louder or softer.

    Shape: b s -> b s

    Args:
        low_db: least change, in decibels.
        high_db: greatest change, in decibels; every change between is as likely.

    Raises:
        SettingError: the least change is the greater one.
    """

    def __init__(self, *, low_db: Decibels = -6.0, high_db: Decibels = 6.0):
        super().__init__()
        self.low_db, self.high_db = _in_order(low_db, high_db)

    def forward(self, x: Tensor, target: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Multiply each clip by a drawn factor."""
        if not self.training:
            return x, target
        return x * _amplitude(self.low_db + (self.high_db - self.low_db) * draw.uniform(1)), target


@augmentation("noise", on="waveform")
class Noise(nn.Module):
    """Put hiss under some clips, softer than the clip by a drawn amount.

    The hiss is white; its samples are evenly distributed, which a spectrogram cannot tell from Gaussian ones. Digital
    silence does not count for the level of a clip, so padding does not lower it, and a silent clip stays silent.

    Shape: b s -> b s

    Args:
        rate: probability that a clip gets noise.
        low_db: least ratio of the clip's power to the noise's, in decibels.
        high_db: greatest ratio, in decibels; every one between is as likely.

    Raises:
        SettingError: the least ratio is the greater one.
    """

    def __init__(self, *, rate: Share = 0.5, low_db: Decibels = 10.0, high_db: Decibels = 40.0):
        super().__init__()
        self.rate = rate
        self.low_db, self.high_db = _in_order(low_db, high_db)

    def forward(self, x: Tensor, target: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Add drawn noise at a drawn ratio."""
        if not self.training:
            return x, target
        choice, place = _pair(draw)
        hiss = (draw.uniform(x.shape[1]) - 0.5) * 12**0.5  # the standard deviation of U(0, 1) is 1 / sqrt(12)
        power = x.square().sum(1, keepdim=True) / (x != 0).sum(1, keepdim=True).clamp(min=1)
        level = power.sqrt() / _amplitude(self.low_db + (self.high_db - self.low_db) * place)
        return x + torch.where(choice < self.rate, level, 0.0) * hiss, target


@augmentation("time_shift", on="waveform")
class TimeShift(nn.Module):
    """Start each clip a little earlier or later; what leaves at one end comes in at the other.

    Shape: b s -> b s

    Args:
        share: of the clip's length that it is shifted by at most, either way.
    """

    def __init__(self, *, share: Share = 0.1):
        super().__init__()
        self.share = share

    def forward(self, x: Tensor, target: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Roll each clip by a drawn number of samples."""
        if not self.training:
            return x, target
        return _roll(x, int(self.share * x.shape[-1]), draw), target


@augmentation("time_roll", on="features", paper="arXiv:2104.01778")
class TimeRoll(nn.Module):
    """Shift each spectrogram by a few frames; what leaves at one end comes in at the other.

    Shape: b m l -> b m l

    Args:
        frames: that it is shifted by at most, either way.

    Paper: AST's code (Gong et al. 2021, arXiv:2104.01778), for Speech Commands.

    Differs: AST's roll goes from -10 to 9, ours as far either way.
    """

    def __init__(self, *, frames: Whole = 10):
        super().__init__()
        self.frames = frames

    def forward(self, x: Tensor, target: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Roll each spectrogram by a drawn number of frames."""
        return (_roll(x, self.frames, draw) if self.training else x), target


@augmentation("spec_augment", on="features", paper="arXiv:1904.08779")
class SpecAugment(nn.Module):
    """Hide stripes of each spectrogram: a few neighbouring bands for all time, a few moments for all bands.

    Shape: b m l -> b m l

    Args:
        frequency: bands that a stripe hides, less than this many (AST: 48, or 24).
        time: frames that a stripe hides, less than this many (AST: 48, 96 or 192).
        frequency_masks: stripes of bands.
        time_masks: stripes of frames.
        fill: what a stripe shows: the mean of the training set, or silence, the lowest value in the clip.

    Paper: Park et al. 2019, arXiv:1904.08779, section 2; widths as in torchaudio's masking, which AST uses.

    Differs: AST fills with 0 before normalising, which comes out at 0.5 to 0.6, above the mean. torchaudio's stripes
        never reach the last band and the last frame; ours are as likely in every place where they fit.
    """

    def __init__(
        self,
        *,
        frequency: Whole = 48,
        time: Whole = 48,
        frequency_masks: Count = 1,
        time_masks: Count = 1,
        fill: Literal["mean", "silence"] = "mean",
    ):
        super().__init__()
        self.frequency, self.frequency_masks = frequency, frequency_masks
        self.time, self.time_masks = time, time_masks
        self.fill = fill

    def forward(self, x: Tensor, target: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Fill drawn stripes."""
        if not self.training:
            return x, target
        bands = _stripes(x.shape[1], self.frequency, self.frequency_masks, draw)
        frames = _stripes(x.shape[2], self.time, self.time_masks, draw)
        fill = x.amin((1, 2), keepdim=True) if self.fill == "silence" else 0.0
        return torch.where(bands[:, :, None] | frames[:, None, :], fill, x), target


def _pair(draw: Draw) -> tuple[Tensor, Tensor]:
    drawn = draw.uniform(2)
    return drawn[:, :1], drawn[:, 1:]


def _stripes(size: int, width: int, masks: int, draw: Draw) -> Tensor:
    """Which of `size` places are hidden: `b size`."""
    u, v = draw.uniform(2 * masks)[..., None].chunk(2, dim=1)
    extent = (u * min(width, size)).floor()
    start = (v * (size - extent + 1)).floor()
    place = torch.arange(size, device=u.device)
    return ((start <= place) & (place < start + extent)).any(1)


def _roll(x: Tensor, most: int, draw: Draw) -> Tensor:
    shift = draw.integer(1, 2 * most + 1) - most
    place = (torch.arange(x.shape[-1], device=x.device) - shift) % x.shape[-1]
    return x.gather(-1, place if x.ndim == 2 else place[:, None].expand_as(x))


def _in_order(low: float, high: float) -> tuple[float, float]:
    if low > high:
        raise SettingError("low_db", f"is {low:g}, above high_db = {high:g}. Use {high:g} or less.")
    return low, high


def _amplitude(decibels: Tensor) -> Tensor:
    return torch.pow(10.0, decibels / 20)
