"""Which parts of a spectrogram are hidden in masked pretraining.

A cell is the part of the spectrogram around one place of the network's last grid, as large as the step to the next.
Without overlap and stages it is a patch. What lies beyond all cells, at an edge, is hidden with the nearest.
"""

import math
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mixkit.draw import Draw
from mixkit.errors import SettingError
from mixkit.model.mixer import Mixer
from mixkit.recipe.pretrain import Pretrain
from mixkit.registry import Grid


class Cells:
    """Where the cells of a network's last grid lie in its spectrograms.

    Args:
        mixer: the network.
        bins: of a spectrogram.
        frames: of a spectrogram.
    """

    def __init__(self, mixer: Mixer, bins: int, frames: int):
        self.grid: Grid = mixer.sites[-1].grid
        step, first = mixer.places
        stem, self._spectrogram = mixer.stem, (bins, frames)
        cells, tokens = (self.grid.frequency, self.grid.time), (stem.grid.frequency, stem.grid.time)
        sides, beyond, self._of_values, self._of_tokens = [], [], [], []
        for axis, (side, count, length) in enumerate(zip(step, cells, self._spectrogram, strict=True)):
            start = math.ceil(first[axis] - (side - 1) / 2)
            if count == 1:  # the one place along an axis stands for all of it
                start, side = 0, length
            sides.append(side)
            beyond.append((-start, start + count * side - length))
            middles = [stem.first[axis] + stem.step[axis] * token for token in range(tokens[axis])]
            self._of_values.append(_nearest(range(length), start, side, count))
            self._of_tokens.append(_nearest(middles, start, side, count))
        self.size = (sides[0], sides[1])
        # How far the cells reach over each edge, as `pad` takes it: below 0 where they end ahead of it.
        self._beyond = (*beyond[1], *beyond[0])

    @property
    def values(self) -> int:
        """Of a cell."""
        return self.size[0] * self.size[1]

    def cut(self, x: Tensor) -> Tensor:
        """What is in each cell, zeros beyond the edge: `b m l -> b n v`."""
        cells = F.pad(x, self._beyond).unflatten(2, (-1, self.size[1])).unflatten(1, (-1, self.size[0]))
        return cells.transpose(2, 3).flatten(3).flatten(1, 2)

    def inside(self, x: Tensor) -> Tensor:
        """1 for each value of a cell that lies in the spectrogram, 0 beyond the edge: `1 n v`."""
        return self.cut(x.new_ones(1, *self._spectrogram))

    def hide(self, x: Tensor, hidden: Tensor) -> Tensor:
        """The spectrogram without what is in hidden cells: `b m l`, `b n -> b m l`."""
        return x.masked_fill(self._spread(hidden, self._of_values), 0.0)

    def of_stem(self, hidden: Tensor) -> Tensor:
        """Which tokens of the stem lie in hidden cells: `b n -> b n'`."""
        return self._spread(hidden, self._of_tokens).flatten(1)

    def _spread(self, hidden: Tensor, nearest: Sequence[Sequence[int]]) -> Tensor:
        """Whether the nearest cell is hidden, for each place along frequency and time."""
        rows, columns = (torch.tensor(cells, device=hidden.device) for cells in nearest)
        return hidden.unflatten(1, (self.grid.frequency, self.grid.time))[:, rows][:, :, columns]


def _nearest(middles: Iterable[float], start: int, side: int, cells: int) -> list[int]:
    """The cell in which each of them lies, along one axis, or the one at the edge."""
    return [min(max(math.floor((middle - start) / side), 0), cells - 1) for middle in middles]


class Masks:
    """Which cells of each clip are hidden; as many in each.

    Args:
        settings: how many, and in what form.
        grid: of the cells.

    Raises:
        SettingError: the grid is too coarse to hide some of it.
    """

    def __init__(self, settings: Pretrain, grid: Grid):
        self.settings, self.grid = settings, grid
        units = grid.time if settings.shape == "frames" else grid.tokens
        each = grid.tokens // units
        hidden = min(max(round(settings.masked * units), -(-2 // each)), units - 1)
        if hidden < 1 or hidden * each < 2:
            what = f"hides {settings.shape} of a grid of {grid.frequency} x {grid.time} cells, which are too few."
            fix = "Use smaller patches or strides, fewer stages or longer clips"
            raise SettingError("pretrain.shape", f"{what} {fix}.")
        self.count = hidden * each

    def __call__(self, draw: Draw) -> Tensor:
        """The hidden cells of each clip, in their order: `b k`."""
        if self.settings.shape == "frames":
            many = self.count // self.grid.frequency
            moments = draw.uniform(self.grid.time).argsort(1)[:, :many].sort(1).values
            rows = torch.arange(self.grid.frequency, device=moments.device) * self.grid.time
            return (rows[:, None] + moments[:, None]).flatten(1)
        return self._in_turn(draw)[:, : self.count].sort(1).values

    def __str__(self) -> str:
        least, most = self.settings.cluster
        shapes = {"clusters": f"in squares of {least} to {most}", "frames": "whole moments"}
        grid = f"{self.grid.frequency} x {self.grid.time}"
        return (
            f"Of each clip, {self.count} of {grid} cells are hidden, {shapes[self.settings.shape]}, others each time."
        )

    def _in_turn(self, draw: Draw) -> Tensor:
        """All cells, in the order in which square after square hides them."""
        least, most = self.settings.cluster
        side = least + draw.integer(1, most - least + 1)
        frequency, time = self.grid.frequency + most - 1, self.grid.time + most - 1
        # Each square that touches the grid has its turn, and a cell that of the first square that it is in.
        turns = draw.uniform(frequency * time).unflatten(1, (1, frequency, time))
        found = torch.stack([self._first(turns, one) for one in range(least, most + 1)], 1)
        first = found.gather(1, (side - least)[:, :, None].expand(-1, 1, self.grid.tokens))[:, 0]
        # In a square, any may be the last that is needed.
        order = draw.uniform(self.grid.tokens).argsort(1)
        return order.gather(1, first.gather(1, order).argsort(dim=1, stable=True))

    def _first(self, turns: Tensor, side: int) -> Tensor:
        """The first turn of the squares of a side that each cell is in: `b n`."""
        used = turns[:, :, : self.grid.frequency + side - 1, : self.grid.time + side - 1]
        return -F.max_pool2d(-used, side, stride=1).flatten(1)
