"""How recordings come to the one length that a network takes: longer ones are cut, shorter ones filled up."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mixkit.errors import MixkitError
from mixkit.recipe.schema import Crop, Pad

OVERLAP = 0.5
MOST_OVERLAP = 0.95

PADDED = {
    "silence": "padded with silence at the end",
    "repeat": "repeated until they are as long",
    "centre": "padded with silence at both ends",
}
CUT = {"centre": "in the centre", "start": "after their start", "loudest": "to their loudest stretch"}


@dataclass(frozen=True)
class Length:
    """The one length, and how recordings come to it.

    Args:
        samples: as many as the features take.
        pad: what a shorter recording is filled up with: silence behind it or on both sides of it, or itself.
        crop: which stretch of a longer one is taken: that in the middle, the first, or the one with most energy.
    """

    samples: int
    pad: Pad = "silence"
    crop: Crop = "centre"

    def __call__(self, waveform: Tensor) -> Tensor:
        """Recordings of that length: `... s -> ... samples`."""
        return self.padded(self.cut(waveform))

    def cut(self, waveform: Tensor) -> Tensor:
        """Recordings of that length at most."""
        spare = waveform.shape[-1] - self.samples
        if spare <= 0:
            return waveform
        if self.crop == "loudest":
            energy = F.pad(waveform.float().square().cumsum(-1), (1, 0))
            start = (energy[..., self.samples :] - energy[..., : -self.samples]).argmax(-1, keepdim=True)
            return waveform.gather(-1, start + torch.arange(self.samples, device=start.device))
        return waveform.narrow(-1, 0 if self.crop == "start" else spare // 2, self.samples)

    def padded(self, waveform: Tensor) -> Tensor:
        """Recordings of that length at least."""
        missing = self.samples - waveform.shape[-1]
        if missing <= 0:
            return waveform
        if self.pad == "repeat":
            return waveform[..., torch.arange(self.samples, device=waveform.device) % waveform.shape[-1]]
        before = missing // 2 if self.pad == "centre" else 0
        return F.pad(waveform, (before, missing - before))

    def windows(self, waveform: Tensor, overlap: float = OVERLAP) -> Tensor:
        """All of one recording in stretches of that length: `s -> w samples`."""
        starts = window_starts(len(waveform), self.samples, overlap)
        return torch.stack([self.padded(waveform[start : start + self.samples]) for start in starts])


def window_starts(samples: int, size: int, overlap: float) -> list[int]:
    """Where windows begin: as few as cover the recording with that overlap, evenly spread from its start to its end.

    Args:
        samples: of the recording.
        size: samples of a window.
        overlap: share of a window that the next one repeats, at least.

    Raises:
        MixkitError: the overlap is none that works.
    """
    try:
        works = bool(0 <= overlap <= MOST_OVERLAP)
    except (TypeError, ValueError, RuntimeError):  # no number
        works = False
    if not works:
        raise MixkitError(f"overlap is {overlap!r}. It takes a share of a window, from 0 to {MOST_OVERLAP}.")
    spare = samples - size
    if spare <= 0:
        return [0]
    steps = math.ceil(spare / max(size * (1 - overlap), 1))
    return [spare * step // steps for step in range(steps + 1)]
