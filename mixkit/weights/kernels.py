"""Patch kernels for patches of another size."""

import torch
from torch import Tensor

from mixkit.model.mixer import Mixer
from mixkit.model.resizing import resized_kernel


def resized_stem(theirs: Mixer, mixer: Mixer) -> tuple[dict[str, Tensor], str]:
    """What the linear patches of another network are for this one's of another size, and what was done; or nothing."""
    held, own = ({n: p for n, p in one.state_dict().items() if n.startswith("stem.")} for one in (theirs, mixer))
    name = "stem.projection.weight"
    if name not in held or [*held] != [*own] or held[name].ndim != 4:
        return {}, ""
    before, now = held[name].shape, own[name].shape
    alike = all(held[other].shape == own[other].shape for other in own if other != name)
    if before[:2] != now[:2] or before == now or not alike:
        return {}, ""
    return {**held, name: resized_kernel(held[name], (now[2], now[3]))}, resizing_kernel(before, now)


def resizing_kernel(before: torch.Size | tuple[int, ...], now: torch.Size | tuple[int, ...]) -> str:
    """What is told of kernels of another size."""
    return f"patch kernels {before[2]} x {before[3]} to {now[2]} x {now[3]} (bins x frames)"
