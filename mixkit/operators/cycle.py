"""Cycle: the channels of a token are taken in turn from it and from its neighbours, in time and in frequency."""

import torch
from torch import Tensor, nn

from mixkit.errors import SettingError
from mixkit.linear import Linear, linear
from mixkit.operators.moved import moved
from mixkit.operators.weighed import Weigh
from mixkit.registry import Site, operator
from mixkit.values import Side, expect_middle


@operator("cycle", mixes={"frequency", "time", "channel"}, paper="arXiv:2107.10224, section 3")
class Cycle(nn.Module):
    """Cycle fully connected layer (CycleMLP): describes each place by features that stand by turns here, just after
    and just before; the same for pitch.

    A linear map whose inputs climb a staircase over the neighbours, one along time and one along frequency, and one of
    the token alone; the three are weighed channel by channel.

    Shape:
        `b (f t) c -> b (f t) c`

    Equation:
        s[j] = (j + size // 2) mod size - size // 2
        u = z W₁ + b₁  for z[p, q, j] = x[p, q + s[j], j]  in time
        v = z W₂ + b₂  for z[p, q, j] = x[p + s[j], q, j]  in frequency
        w = x W₃
        a = softmax over the three of MLP(mean of u + v + w)
        y = (a₁ u + a₂ v + a₃ w) W₄ + b₄
        beyond the edge x = 0

    Cost:
        parameters: 4*c**2 + 6*c + (4*c + 1)*h
        FLOPs: 8*n*c**2 + 8*c*h
        h: c//4 or 1  # hidden units of what weighs

    Args:
        site: where it stands; it needs the bare grid.
        size: steps of the staircase along frequency and along time, odd numbers: as many patches reach a place.

    Raises:
        SettingError: `size` has no middle, or has one step alone.
        MixkitError: the model has prefix tokens.

    Paper: CycleMLP, Chen et al. 2021, arXiv:2107.10224, section 3, and its authors' code.
    """

    def __init__(self, site: Site, *, size: tuple[Side, Side] = (3, 3)):
        super().__init__()
        grid, width = site.bare("cycle"), site.width
        fix = "Use odd numbers, such as (3, 3) or (1, 7)."
        if size == (1, 1):
            raise SettingError("size", f"is [1, 1], so that no neighbour is heard. {fix}")
        expect_middle("size", size, fix)
        self._grid, self._size = (grid.frequency, grid.time), size
        self.time, self.frequency = Linear(width, width), Linear(width, width)
        self.channel = Linear(width, width, bias=False)
        self.weigh = Weigh(width)
        self.projection = Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Climb both staircases, and weigh."""
        cube = x.unflatten(1, self._grid)
        time, frequency = self._climbed(cube, 2, self.time), self._climbed(cube, 1, self.frequency)
        mixed: Tensor = self.projection(self.weigh(time, frequency, self.channel(x)))
        return mixed

    def _climbed(self, cube: Tensor, axis: int, over: Linear) -> Tensor:
        # Channels of one step side by side, and the columns of the weight with them: what is moved is then whole rows.
        size = self._size[axis - 1]
        steps = range(min(size, cube.shape[3]))
        parts = [moved(cube[..., first::size], axis, size // 2 - (first + size // 2) % size) for first in steps]
        columns = torch.cat([over.weight[:, first::size] for first in steps], dim=1)
        return linear(torch.cat(parts, dim=3).flatten(1, 2), columns, over.bias)
