"""Windows on a grid of tokens, for attention in them: which tokens stand together, and how far from each other."""

import math
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn

from mixkit.errors import SettingError
from mixkit.registry import Site
from mixkit.storage.capacity import expect

Pair = tuple[int, int]


class Windows(nn.Module):
    """Cuts tokens into windows of one size and heads of one width, and puts them together again.

    Along an axis on which the grid is no longer than a window, the window is the whole axis. Where windows are shifted,
    they begin half a window later along each axis that has several; the last one then holds what is left at both ends,
    which do not hear each other. A rest that does not fill a window is filled up with places that nobody hears.

    What is looked up is no part of the state dict; it is made anew when the module changes its device, also when it
    leaves the meta device.

    Shape:
        `cut`: `b (f t) (p h d) -> p b (w h) s d`, p = 3 for queries, keys and values; `join`: the way back for p = 1

    Args:
        name: of the operator, for errors.
        site: where it stands; it needs the bare grid.
        size: tokens of a window along frequency and time.
        shift: whether every second layer of a stage has its windows half a window further on.
        heads: how many there are, h, and how wide they are, d.

    Attributes:
        size: of a window, clipped to the grid.
        offsets: how many there are of two tokens of a window from each other.

    Raises:
        SettingError: each token would be alone, or together they would hear each other too often to be held.
        MixkitError: the model has prefix tokens.

    Paper: Swin, Liu et al. 2021, arXiv:2103.14030, section 3.2.
    """

    order: Tensor
    places: Tensor
    offset: Tensor
    apart: Tensor

    def __init__(self, name: str, site: Site, size: Pair, shift: bool, heads: Pair):
        super().__init__()
        grid = site.bare(name)
        if size == (1, 1):
            raise SettingError("window", "is [1, 1], in which each token is alone. Use more, such as (7, 7).")
        self._grid = (grid.frequency, grid.time)
        self.size = (min(size[0], grid.frequency), min(size[1], grid.time))
        self.offsets = math.prod(2 * side - 1 for side in self.size)
        axes = list(zip(self._grid, self.size, strict=True))
        moved = shift and site.layer_in_stage % 2 == 1
        self._start = [side // 2 if moved and side < length else 0 for length, side in axes]
        self._masked = any(self._start) or any(length % side for length, side in axes)
        self._heads, self._tokens = heads, math.prod(self.size)
        self._count = math.prod(-(-length // side) for length, side in axes)
        scores = self._count * heads[0] * self._tokens**2
        expect("window", "values of a clip in a layer", scores, "Use a smaller one.")
        for kind, made in self._made().items():
            self.register_buffer(kind, made.to(torch.get_default_device()), persistent=False)

    def cut(self, x: Tensor) -> Tensor:
        """Every part of the values of a token, head by head in each window."""
        windows = x.index_select(1, self.order).unflatten(1, (self._count, self._tokens))
        return windows.unflatten(3, (-1, *self._heads)).permute(3, 0, 1, 4, 2, 5).flatten(2, 3)

    def join(self, x: Tensor) -> Tensor:
        """The tokens of the grid, heads side by side."""
        windows = x.unflatten(1, (self._count, -1)).transpose(2, 3)
        return windows.flatten(3).flatten(1, 2).index_select(1, self.places)

    def bias(self, table: Tensor) -> Tensor:
        """What is added to the scores: from a value for each offset and head, `o h`, to `(w h) s s`."""
        pairs = table.index_select(0, self.offset).t().unflatten(1, (self._tokens, self._tokens))
        windows = pairs.expand(self._count, -1, -1, -1)
        if self._masked:
            windows = windows.masked_fill(self.apart.unsqueeze(1), float("-inf"))
        return windows.flatten(0, 1)

    def distances(self, unit: Pair, dtype: torch.dtype) -> Tensor:
        """How far each offset leads along frequency and time, by the logarithm, in windows of a size: `o 2`."""
        along = []
        for side, whole in zip(self.size, unit, strict=True):
            steps = torch.arange(1 - side, side, device=self.offset.device, dtype=dtype)
            along.append(8 * steps / max(1, whole - 1))
        far = torch.stack(torch.meshgrid(*along, indexing="ij"), dim=-1).flatten(0, 1)
        return far.sign() * (far.abs() + 1).log2() / 3  # 1 at a whole window

    def _made(self) -> dict[str, Tensor]:
        """Of each place of a window: its token, and which others it does not hear; of each token: its place."""
        with torch.device("cpu"):
            (rows, low), (columns, early) = (
                _along(*axis) for axis in zip(self._grid, self.size, self._start, strict=True)
            )
            token = self._windows(rows[:, None] * self._grid[1] + columns)
            filled = self._windows((rows < self._grid[0])[:, None] & (columns < self._grid[1]))
            part = self._windows(2 * low.long()[:, None] + early)
            unlike = part[:, :, None] != part[:, None, :]
            places = filled.flatten().nonzero()[:, 0]
            return {
                "order": torch.where(filled, token, 0).flatten(),
                "places": places[token.flatten()[places].argsort()],
                "offset": _offsets(*self.size).flatten(),
                "apart": filled[:, :, None] & (unlike | ~filled[:, None, :]),  # a filling hears all: it is left out
            }

    def _windows(self, picture: Tensor) -> Tensor:
        """From frequency x time to `w s`."""
        cut = picture.unflatten(1, (-1, self.size[1])).unflatten(0, (-1, self.size[0]))
        return cut.transpose(1, 2).flatten(2).flatten(0, 1)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for kind, made in self._made().items():
            setattr(self, kind, made.to(getattr(self, kind).device))
        return self


def _along(length: int, side: int, start: int) -> tuple[Tensor, Tensor]:
    """Along one axis: the token at each place, beyond the edge where there is none; and whether it came round."""
    whole = -(-length // side) * side
    place = torch.arange(whole) + start
    return place % whole, place >= whole


def _offsets(rows: int, columns: int) -> Tensor:
    """The row of a table, in which the offsets along time run fastest, for each pair of places of a window."""
    row, column = torch.arange(rows).repeat_interleave(columns), torch.arange(columns).repeat(rows)
    up, later = row[:, None] - row + rows - 1, column[:, None] - column + columns - 1
    return up * (2 * columns - 1) + later
