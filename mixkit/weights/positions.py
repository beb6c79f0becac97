"""Positional embeddings fitted to another grid."""

from einops import rearrange
from torch import Tensor
from torch.nn.functional import interpolate

from mixkit.registry import Grid


def fitted(positions: Tensor, grid: Grid, wanted: Grid) -> Tensor:
    """Positions of one grid for another: the middle is cut out where that is smaller, else they are interpolated.

    Args:
        positions: `(f t) c`.
        grid: on which they were learned.
        wanted: on which they are to be used.

    Returns:
        `(f t) c` of the wanted grid.

    Paper: Gong, Chung and Glass 2021, arXiv:2104.01778, section 2.2, "cut and bi-linear interpolate"; time first, as
    the authors' code does, and without antialiasing.
    """
    x = rearrange(positions, "(f t) c -> 1 c f t", f=grid.frequency)
    if wanted.time <= grid.time:
        start = grid.time // 2 - wanted.time // 2
        x = x[:, :, :, start : start + wanted.time]
    else:
        x = interpolate(x, (grid.frequency, wanted.time), mode="bilinear", align_corners=False)
    if wanted.frequency <= grid.frequency:
        start = grid.frequency // 2 - wanted.frequency // 2
        x = x[:, :, start : start + wanted.frequency]
    else:
        x = interpolate(x, (wanted.frequency, wanted.time), mode="bilinear", align_corners=False)
    return rearrange(x, "1 c f t -> (f t) c")
