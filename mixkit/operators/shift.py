"""Partial shift: some channels of each patch are those of its neighbours."""

from typing import Annotated

import torch
from torch import Tensor, nn

from mixkit.errors import SettingError
from mixkit.registry import Site, operator
from mixkit.values import Range


@operator("shift", mixes={"frequency", "time"}, paper="arXiv:2201.10801")
class Shift(nn.Module):
    """Hands a few channels of every patch to its neighbours - earlier, later, lower, higher - and learns nothing.

    The channels are cut in `parts`. The first part moves one step back in time, the second one step on, the third one
    step down in frequency, the fourth one step up; the rest stays.

    Shape:
        `b (f t) c -> b (f t) c`

    Equation:
        y[p, q, j] = x[p, q + 1, j]  for j < s
                     x[p, q - 1, j]  for s ≤ j < 2 s
                     x[p + 1, q, j]  for 2 s ≤ j < 3 s
                     x[p - 1, q, j]  for 3 s ≤ j < 4 s
                     x[p, q, j]      for the other j
        p = frequency, q = time, s = c // parts
        beyond the edge x = 0, or with wrap the other side

    Cost:
        parameters: 0
        FLOPs: 0

    Args:
        site: where it stands; it needs the bare grid.
        parts: a part is width // parts channels; 12 moves a third of the channels, 16 a quarter, 4 (the least) all.
        wrap: what leaves the grid comes back at the other side; otherwise it is lost, and zeros come in.

    Raises:
        SettingError: there are more parts than channels.
        MixkitError: the model has prefix tokens.

    Paper: ShiftViT, Wang et al. 2022, arXiv:2201.10801. There the shift stands outside the residual: as a recipe, a
    branch of its own with `residual = False` and `norm = 'none'`, before the feed-forward. `wrap` is ours.
    """

    def __init__(self, site: Site, *, parts: Annotated[int, Range(least=4)] = 12, wrap: bool = False):
        super().__init__()
        grid = site.bare("shift")
        if parts > site.width:
            raise SettingError(
                "parts", f"is {parts}, so nothing moves at a width of {site.width}. Use {site.width} or less."
            )
        self._grid = (grid.frequency, grid.time)
        share = site.width // parts
        self._parts = [share, share, share, share, site.width - 4 * share]
        self._wrap = wrap

    def forward(self, x: Tensor) -> Tensor:
        """Shift."""
        cube = x.reshape(x.shape[0], *self._grid, x.shape[2])
        earlier, later, lower, higher, rest = torch.split(cube, self._parts, dim=3)
        in_time = self._moved(earlier, 2, -1), self._moved(later, 2, 1)
        in_frequency = self._moved(lower, 1, -1), self._moved(higher, 1, 1)
        return torch.cat((*in_time, *in_frequency, rest), dim=3).flatten(1, 2)

    def _moved(self, part: Tensor, axis: int, step: int) -> Tensor:
        """Every value one place on, or back where the step is -1."""
        stays = part.shape[axis] - 1
        kept, edge = part.narrow(axis, int(step < 0), stays), part.narrow(axis, stays if step > 0 else 0, 1)
        entering = edge if self._wrap else torch.zeros_like(edge)
        return torch.cat((entering, kept) if step > 0 else (kept, entering), dim=axis)
