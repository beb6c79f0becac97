"""Spectra raised here and lowered there."""

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixkit.draw import Draw
from mixkit.registry import augmentation
from mixkit.values import Range

Swing = Annotated[float, Range(least=0, most=120)]  # in decibels
Stretches = Annotated[int, Range(least=1, most=1000)]


@augmentation("equalizer", on="power", scales=("decibels",), paper="arXiv:2110.03282")
class Equalizer(nn.Module):
    """Random equaliser (FilterAugment): turn the bands of each clip louder and softer along a smooth curve, as another
    microphone or room would.

    The curve goes straight, in decibels over the bands, from one drawn point to the next.

    Shape: b m l -> b m l

    Args:
        sample_rate: of the waveforms, in Hz.
        decibels: that a point is raised or lowered by at most.
        bands: stretches between two points; the outer points are the lowest and the highest band.

    Paper: Nam, Kim and Park 2022, arXiv:2110.03282, FilterAugment of the linear type.

    Differs: they draw the number of stretches, too, and keep them from being narrow; ours are as many as are set.
    """

    def __init__(self, sample_rate: int, *, decibels: Swing = 6.0, bands: Stretches = 4):
        super().__init__()
        self.decibels, self.bands = decibels, bands

    def forward(self, x: Tensor, target: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Multiply each band's power by a drawn factor."""
        if not self.training:
            return x, target
        inner = draw.uniform(self.bands - 1).sort(1).values
        points = functional.pad(functional.pad(inner, (1, 0)), (0, 1), value=1.0)
        heights = self.decibels * (2 * draw.uniform(self.bands + 1) - 1)
        place = torch.linspace(0, 1, x.shape[1], device=x.device).expand(len(x), -1).contiguous()
        after = torch.searchsorted(points, place, right=True).clamp(1, self.bands)
        (start, stop), (low, high) = ((row.gather(1, after - 1), row.gather(1, after)) for row in (points, heights))
        share = (place - start) / (stop - start).clamp(min=1e-6)
        return x * torch.pow(10.0, torch.lerp(low, high, share) / 10)[:, :, None], target
