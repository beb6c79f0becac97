"""Clips and spectrograms that start earlier or later."""

import torch
from torch import Tensor, nn

from mixkit.draw import Draw
from mixkit.registry import augmentation
from mixkit.values import Share, Whole


@augmentation("time_shift", on="waveform", scales=("share",))
class TimeShift(nn.Module):
    """Cyclic shift of the waveform in time: start each clip a little earlier or later; what leaves at one end comes in
    at the other.

    Shape: b s -> b s

    Args:
        sample_rate: of the waveforms, in Hz.
        share: of the clip's length that it is shifted by at most, either way.
    """

    def __init__(self, sample_rate: int, *, share: Share = 0.1):
        super().__init__()
        self.share = share

    def forward(self, x: Tensor, target: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Roll each clip by a drawn number of samples."""
        if not self.training:
            return x, target
        return _roll(x, int(self.share * x.shape[-1]), draw), target


@augmentation("time_roll", on="features", scales=("frames",), paper="arXiv:2104.01778")
class TimeRoll(nn.Module):
    """Cyclic shift of the spectrogram in time: shift each spectrogram by a few frames; what leaves at one end comes in
    at the other.

    Shape: b m l -> b m l

    Args:
        sample_rate: of the waveforms, in Hz.
        frames: that it is shifted by at most, either way.

    Paper: AST's code (Gong et al. 2021, arXiv:2104.01778), for Speech Commands.

    Differs: AST's roll goes from -10 to 9, ours as far either way.
    """

    def __init__(self, sample_rate: int, *, frames: Whole = 10):
        super().__init__()
        self.frames = frames

    def forward(self, x: Tensor, target: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Roll each spectrogram by a drawn number of frames."""
        return (_roll(x, self.frames, draw) if self.training else x), target


def _roll(x: Tensor, most: int, draw: Draw) -> Tensor:
    shift = draw.integer(1, 2 * most + 1) - most
    place = (torch.arange(x.shape[-1], device=x.device) - shift) % x.shape[-1]
    return x.gather(-1, place if x.ndim == 2 else place[:, None].expand_as(x))
