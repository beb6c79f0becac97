"""Learned filters over the grid fitted to another one."""

from collections.abc import Iterator, Sequence

from einops import rearrange
from torch import Tensor
from torch.nn.functional import interpolate

from mixkit.model.mixer import Mixer
from mixkit.operators import GlobalFilter
from mixkit.registry import Grid


def resized_filter(learned: Tensor, rows: int, columns: int) -> Tensor:
    """What a filter does to each rhythm of one grid, for those of another: they lie closer together, or further apart.

    Args:
        learned: `f t c 2`, real and imaginary part; half of the rhythms along time, as `global_filter` keeps them.
        rows: of the wanted one.
        columns: of the wanted one.

    Paper: GFNet, Rao et al. 2021, arXiv:2107.00645, section 3.2: the filter is a sampling of a continuous spectrum, and
    is interpolated; bicubically and from corner to corner, as in the authors' code.
    """
    x = rearrange(learned, "f t c part -> 1 (c part) f t")
    x = interpolate(x, (rows, columns), mode="bicubic", align_corners=True)
    return rearrange(x, "1 (c part) f t -> f t c part", part=2)


def resized_filters(theirs: Mixer, mixer: Mixer, same: Sequence[bool]) -> Iterator[tuple[str, Tensor, Grid, Grid]]:
    """Filters of another network for this one, where its grid is another: name, filter, and the two grids.

    Args:
        theirs: the other network.
        mixer: this one.
        same: of each layer, whether both have the same operators in it.
    """
    held = dict(theirs.named_modules())
    for layer in (layer for layer, alike in enumerate(same) if alike):
        before, now = theirs.sites[layer], mixer.sites[layer]
        for name, module in mixer.layers[layer].named_modules(prefix=f"blocks.{layer}"):
            other = held.get(name)
            if not isinstance(module, GlobalFilter) or not isinstance(other, GlobalFilter):
                continue
            if before.width == now.width and before.grid != now.grid:
                fitted = resized_filter(other.filter.detach(), *module.filter.shape[:2])
                yield f"{name}.filter", fitted, before.grid, now.grid
