"""Patch kernels for patches of another size, and positions for another grid."""

import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import interpolate

from mixkit.registry import Grid


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
    rows, columns = (kernel_matrix(old, new) for old, new in zip(kernel.shape[2:], size, strict=True))
    return along_axes(found, rows.to(found.device), columns.to(found.device))


def resized(positions: Tensor, grid: Grid, wanted: Grid) -> Tensor:
    """Positions of one grid for another, interpolated bicubically and antialiased, as timm does for ViTs.

    Args:
        positions: `(f t) c`.
        grid: on which they were learned.
        wanted: on which they are to be used.

    Returns:
        `(f t) c` of the wanted grid.
    """
    if grid == wanted:
        return positions
    x = rearrange(positions, "(f t) c -> 1 c f t", f=grid.frequency)
    x = interpolate(x, (wanted.frequency, wanted.time), mode="bicubic", antialias=True)
    return rearrange(x, "1 c f t -> (f t) c")


def kernel_matrix(old: int, new: int) -> Tensor:
    """What makes a kernel of another length along one axis: `new old`, float64.

    The pseudo-inverse of the transpose of what resizes old values to new ones.
    """
    resize = interpolate(torch.eye(old, dtype=torch.float64)[None], new, mode="linear", align_corners=False)[0]
    return torch.linalg.pinv(resize)  # its rows are the old values: it is the transpose already


def position_matrix(old: int, new: int) -> Tensor:
    """What makes positions of another number along one axis, as `resized` does: `new old`, float64."""
    return resized(torch.eye(old, dtype=torch.float64), Grid(1, old), Grid(1, new))


def along_axes(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The last two axes multiplied by a matrix each: `... f t -> ... p q`."""
    return rows @ x @ columns.T
