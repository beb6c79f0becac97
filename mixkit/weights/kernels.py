"""Patch kernels for patches of another size."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from mixkit.model.mixer import Mixer


def resized_kernel(kernel: Tensor, size: tuple[int, int]) -> Tensor:
    """A kernel for patches of another size, that says of a resized patch what it said of the patch.

    Exactly so where patches become larger; where they become smaller, as near as can be, by the least squares over all
    patches. It is computed axis by axis in float64: the whole matrix inverted in float32 gives values of 1e9 where one
    axis grows and the other shrinks.

    Args:
        kernel: `c 1 f t`.
        size: bins and frames of the other patch.

    Returns:
        float64.

    Paper: FlexiViT, Beyer et al. 2023, arXiv:2212.08013, section 3.3, with bilinear resizing; for audio FlexiAST,
        arXiv:2307.09286.
    """
    found = kernel.double()
    if tuple(kernel.shape[2:]) == size:
        return found
    rows, columns = (_inverted(old, new) for old, new in zip(kernel.shape[2:], size, strict=True))
    return torch.einsum("pf,qt,csft->cspq", rows.to(found.device), columns.to(found.device), found)


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


def _inverted(old: int, new: int) -> Tensor:
    """The pseudo-inverse of the transpose of what resizes old values to new ones: `new old`."""
    resize = interpolate(torch.eye(old, dtype=torch.float64)[None], new, mode="linear", align_corners=False)[0]
    return torch.linalg.pinv(resize)  # its rows are the old values: it is the transpose already
