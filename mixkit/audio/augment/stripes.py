"""Stripes of a spectrogram that are hidden."""

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from mixkit.draw import Draw
from mixkit.registry import augmentation
from mixkit.values import Range, Whole

Masks = Annotated[int, Range(least=1, most=1000)]


@augmentation("spec_augment", on="features", scales=("frequency", "time"), paper="arXiv:1904.08779")
class SpecAugment(nn.Module):
    """SpecAugment, masks in frequency and time: hide stripes of each spectrogram: a few neighbouring bands for all
    time, a few moments for all bands.

    Shape: b m l -> b m l

    Args:
        sample_rate: of the waveforms, in Hz.
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
        sample_rate: int,
        *,
        frequency: Whole = 48,
        time: Whole = 48,
        frequency_masks: Masks = 1,
        time_masks: Masks = 1,
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


def _stripes(size: int, width: int, masks: int, draw: Draw) -> Tensor:
    """Which of `size` places are hidden: `b size`."""
    u, v = draw.uniform(2 * masks)[..., None].chunk(2, dim=1)
    extent = (u * min(width, size)).floor()
    start = (v * (size - extent + 1)).floor()
    place = torch.arange(size, device=u.device)
    return ((start <= place) & (place < start + extent)).any(1)
