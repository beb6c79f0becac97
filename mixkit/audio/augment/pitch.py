"""Clips played at another speed."""

from typing import Annotated

import torch
from torch import Tensor, nn

from mixkit.draw import Draw
from mixkit.registry import augmentation
from mixkit.values import Range

Semitones = Annotated[float, Range(least=0, most=120)]  # ten octaves, all that is heard

BITS = 32  # of a place between two samples


@augmentation("pitch", on="waveform", scales=("semitones",))
class Pitch(nn.Module):
    """Speed perturbation, which moves the pitch as well: play each clip a little faster and higher, or slower and
    lower, as a tape would.

    A clip that has ended early is followed by silence, a slower one is cut at its end.

    Shape: b s -> b s

    Args:
        sample_rate: of the waveforms, in Hz.
        semitones: that it is higher or lower by at most; every pitch between is as likely.

    Differs: the usual pitch shift keeps the length by a phase vocoder, which smears beginnings; ours keeps them sharp,
        and the length varies with the pitch, by 6 % a semitone. Samples are interpolated by cubics (Catmull and Rom).
    """

    def __init__(self, sample_rate: int, *, semitones: Semitones = 2.0):
        super().__init__()
        self.semitones = semitones

    def forward(self, x: Tensor, target: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Read each clip at a drawn speed."""
        if not self.training:
            return x, target
        speed = torch.pow(2.0, self.semitones / 12 * (2 * draw.uniform(1) - 1))
        # In whole numbers: after some minutes, float32 has no room left for where between two samples it is.
        place = torch.arange(x.shape[1], device=x.device) * (speed * 2**BITS).long()
        below, share = (place >> BITS).clamp(max=x.shape[1]), (place & (2**BITS - 1)) * 2.0**-BITS
        padded = nn.functional.pad(x, (1, 3))
        before, here, after, beyond = (padded.gather(1, below + step) for step in range(4))
        slope = after - before
        bend = 2 * before - 5 * here + 4 * after - beyond
        twist = 3 * (here - after) + beyond - before
        read = here + 0.5 * share * (slope + share * (bend + share * twist))
        return torch.where(below < x.shape[1], read, 0.0), target
