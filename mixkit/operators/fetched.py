"""Values read between the places of a grid."""

import torch
from torch import Tensor


def fetched(x: Tensor, distance: Tensor, axis: int) -> Tensor:
    """Each value from so far off along an axis, between two by linear interpolation, and 0 beyond the edge.

    Shape: `b f t c` and `b f t c` or `c -> b f t c`.
    """
    length = x.shape[axis]
    places = torch.arange(length, device=x.device, dtype=distance.dtype).view(-1, *[1] * (x.ndim - axis - 1))
    place = (places + distance).clamp(-1, length)
    before = place.detach().floor()
    share = place - before

    def at(index: Tensor) -> Tensor:
        inside = (index >= 0) & (index < length)
        return x.gather(axis, index.clamp(0, length - 1).long().expand_as(x)) * inside

    return (at(before) * (1 - share) + at(before + 1) * share).to(x.dtype)
