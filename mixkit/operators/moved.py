"""Values moved along an axis of a grid by whole places."""

from typing import Literal

import torch
from torch import Tensor

Edges = Literal["zero", "keep", "wrap"]


def moved(x: Tensor, axis: int, step: int, edges: Edges = "zero") -> Tensor:
    """Every value so many places on, or back where the step is negative.

    Args:
        x: values.
        axis: along which they move.
        step: places.
        edges: what comes in where nothing lies beyond: zeros, what the edge has, or what leaves at the other side.
    """
    length = x.shape[axis]
    size = abs(step) % length if edges == "wrap" else min(abs(step), length)
    if size == 0:
        return x
    kept = x.narrow(axis, 0 if step > 0 else size, length - size)
    entering = x.narrow(axis, length - size if step > 0 else 0, size)
    if edges == "zero":
        entering = torch.zeros_like(entering)
    if edges == "keep":
        entering = x.narrow(axis, 0 if step > 0 else length - 1, 1).expand_as(entering)
    return torch.cat((entering, kept) if step > 0 else (kept, entering), dim=axis)
