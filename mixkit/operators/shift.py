"""Shifts: some channels of each patch are those of its neighbours."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixkit.errors import MixkitError, SettingError
from mixkit.linear import Linear
from mixkit.operators.feed_forward import Activation, activation_layer
from mixkit.operators.fetched import fetched
from mixkit.operators.moved import Edges, moved
from mixkit.registry import Site, operator
from mixkit.values import Count, Positive, Side, expect_middle

AROUND = ((0, -1), (0, 1), (-1, 0), (1, 0))
"""Steps along frequency and time to the neighbours that share a side."""


def _axes(params: Mapping[str, Any]) -> set[str]:
    sizes = params["groups"] or (3, 3)
    return {axis for axis, size in zip(("frequency", "time"), sizes, strict=True) if size > 1}


@operator("shift", mixes=_axes, paper="arXiv:2201.10801")
class Shift(nn.Module):
    """Spatial shift of channels, without weights (ShiftViT): hands a few channels of every patch to its neighbours -
    earlier, later, lower, higher - and learns nothing.

    The channels are cut in `parts`. The first part moves one step back in time, the second one step on, the third one
    step down in frequency, the fourth one step up; the rest stays. With `groups` there is a part for each place of
    a rectangle, in the order of its rows, but for its middle, which stays.

    Shape:
        `b (f t) c -> b (f t) c`

    Equation:
        y[p, q, j] = x[p - u, q - v, j]  for i s ≤ j < (i + 1) s
                     x[p, q, j]          for the other j
        p = frequency, q = time, s = c // parts
        (u, v) = step i: (0, -1), (0, 1), (-1, 0), (1, 0)
        beyond the edge: 0, the value at the edge, or the other side

    Cost:
        parameters: 0
        FLOPs: 0

    Args:
        site: where it stands; it needs the bare grid.
        parts: a part is width // parts channels; 12 moves a third of the channels, 16 a quarter, 4 all.
        groups: sides of the rectangle along frequency and time, odd numbers, such as (3, 3) for all eight neighbours;
            None for the four that share a side with the patch.
        edges: what comes in where nothing lies beyond: `zero`, zeros; `keep`, what the edge has (S2-MLP); `wrap`, what
            leaves the grid at the other side.

    Raises:
        SettingError: there are more parts than channels or fewer than steps, or the rectangle has no middle.
        MixkitError: the model has prefix tokens.

    Paper: ShiftViT, Wang et al. 2022, arXiv:2201.10801. There the shift stands outside the residual: as a recipe, a
    branch of its own with `residual = False` and `norm = 'none'`, before the feed-forward. `groups = (3, 3)` and
    `parts = 9`: Shift, Wu et al. 2018, arXiv:1711.08141. `wrap` is ours.
    """

    def __init__(
        self,
        site: Site,
        *,
        parts: Count = 12,
        groups: tuple[Side, Side] | None = None,
        edges: Edges = "zero",
    ):
        super().__init__()
        grid = site.bare("shift")
        if parts > site.width:
            raise SettingError(
                "parts", f"is {parts}, so nothing moves at a width of {site.width}. Use {site.width} or less."
            )
        self.steps = AROUND if groups is None else _rectangle(groups)
        if parts < len(self.steps):
            few = f"and {len(self.steps)} parts move"
            raise SettingError("parts", f"is {parts}, {few}. Use {len(self.steps)} or more.")
        self._grid = (grid.frequency, grid.time)
        share = site.width // parts
        self._parts = [*([share] * len(self.steps)), site.width - len(self.steps) * share]
        self._edges = edges

    def forward(self, x: Tensor) -> Tensor:
        """Shift."""
        cube = x.reshape(x.shape[0], *self._grid, x.shape[2])
        *moving, rest = torch.split(cube, self._parts, dim=3)
        shifted = (
            moved(moved(part, 1, up, self._edges), 2, on, self._edges)
            for part, (up, on) in zip(moving, self.steps, strict=True)
        )
        return torch.cat((*shifted, rest), dim=3).flatten(1, 2)


def _rectangle(sides: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    fix = "Use odd numbers, such as (3, 3) or (1, 5)."
    if sides == (1, 1):
        raise SettingError("groups", f"is [1, 1], so that nothing moves. {fix}")
    expect_middle("groups", sides, fix)
    rows, columns = (range(-(side // 2), side // 2 + 1) for side in sides)
    return tuple((up, on) for up, on in product(rows, columns) if (up, on) != (0, 0))


@operator("spatial_shift", mixes={"frequency", "time", "channel"}, paper="arXiv:2106.07477, section 3.2")
class SpatialShift(nn.Module):
    """Spatial-shift MLP (S2-MLP): recombines the features of each place, hands a quarter of them to each neighbour,
    and recombines them again.

    Shape:
        `b (f t) c -> b (f t) c`

    Equation:
        u = φ(x W₁ᵀ + b₁)
        z = u, its four quarters of channels each one step further
        y = z W₂ᵀ + b₂
        φ = activation, the edge of the grid keeps its values

    Cost:
        parameters: 2*c**2 + 2*c + acon
        FLOPs: 4*n*c**2
        acon: 3*c if activation == "acon_c" else 0  # numbers that the activation learns

    Args:
        site: where it stands; it needs the bare grid.
        activation: the function behind the first map.

    Raises:
        MixkitError: the model has prefix tokens, or is less than 4 wide.

    Paper: S2-MLP, Yu et al. 2021, arXiv:2106.07477, section 3.2: the half of its block that mixes places.

    Differs: the paper shifts the first two quarters along height, ours along time, as `shift` does: the same network
    with its channels in another order. The code in circulation writes over what it has yet to read, so that whole rows
    become the first; ours does not.
    """

    def __init__(self, site: Site, *, activation: Activation = "gelu"):
        super().__init__()
        site.bare("spatial_shift")
        if site.width < len(AROUND):
            quarters = "spatial_shift moves quarters of the channels"
            raise MixkitError(f"{quarters}, of which there are {site.width}. Set model.width = 4, or more.")
        self.expand = Linear(site.width, site.width)
        self.activation = activation_layer(activation, site.width)
        self.shift = Shift(site, parts=len(AROUND), edges="keep")
        self.contract = Linear(site.width, site.width)

    def forward(self, x: Tensor) -> Tensor:
        """Recombine, shift, recombine."""
        mixed: Tensor = self.contract(self.shift(self.activation(self.expand(x))))
        return mixed


@operator("active_shift", mixes={"frequency", "time"}, paper="arXiv:1806.07370, section 3")
class ActiveShift(nn.Module):
    """Active shift, learned shifts of channels: hears each feature a little to the side, higher or lower: how far is
    learned, for every feature by itself.

    Between two patches the value is interpolated, so that a shift can be any number and has a gradient.

    Shape:
        `b (f t) c -> b (f t) c`

    Equation:
        y[p, q, j] = x[p + a[j], q + b[j], j]
        p = frequency, q = time, a, b = learned shifts
        between patches: linear along each axis; beyond the edge: 0

    Cost:
        parameters: 2*c
        FLOPs: 0

    Args:
        site: where it stands; it needs the bare grid.
        reach: shifts begin as random numbers up to so many patches either way.

    Raises:
        MixkitError: the model has prefix tokens.

    Paper: Jeon and Kim 2018, arXiv:1806.07370, section 3; a map of the channels (`pointwise`) follows there.

    Differs: the authors scale the gradients of a layer's shifts to one length and give them a smaller learning rate of
    their own; ours are trained as everything else is.
    """

    def __init__(self, site: Site, *, reach: Positive = 1.0):
        super().__init__()
        grid = site.bare("active_shift")
        self._grid = (grid.frequency, grid.time)
        self.shifts = nn.Parameter(torch.empty(2, site.width).uniform_(-reach, reach))

    def forward(self, x: Tensor) -> Tensor:
        """Shift and interpolate."""
        if x.is_cuda and torch.are_deterministic_algorithms_enabled():  # torch's sampling has no such gradient there
            return fetched(fetched(x.unflatten(1, self._grid), self.shifts[0], 1), self.shifts[1], 2).flatten(1, 2)
        rows, columns = (
            ((torch.arange(size, device=x.device) + shift[:, None]) * 2 + 1) / size - 1  # from -1 to 1, edge to edge
            for size, shift in zip(self._grid, self.shifts, strict=True)
        )
        places = (columns[:, None].expand(-1, self._grid[0], -1), rows[:, :, None].expand(-1, -1, self._grid[1]))
        # A channel of all clips is one picture; two axes alone, because these torch transposes fastest.
        pictures = x.to(self.shifts.dtype).flatten(0, 1).t().contiguous().view(x.shape[2], x.shape[0], *self._grid)
        moved = functional.grid_sample(pictures, torch.stack(places, dim=3), align_corners=False)
        return moved.flatten(1).t().view(x.shape).to(x.dtype)
