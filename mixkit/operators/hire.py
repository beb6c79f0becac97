"""Hire: tokens of a region are rearranged into channels and mixed there; regions shift from block to block."""

import torch
from torch import Tensor, nn

from mixkit.linear import Linear
from mixkit.model.norms import BatchNorm
from mixkit.operators.moved import moved
from mixkit.operators.weighed import Weigh
from mixkit.registry import Site, operator
from mixkit.values import Count, Whole

NORM_EPS = 1e-5


@operator("hire", mixes={"frequency", "time", "channel"}, paper="arXiv:2108.13341, section 3")
class Hire(nn.Module):
    """Hierarchical rearrangement MLP (Hire-MLP): puts a few moments that follow each other together and rewrites
    them as one; the same with pitches.

    Inner-region rearrangement: the tokens of a region along one axis become one long token, which two linear maps with
    few hidden units mix. Cross-region rearrangement: ahead of it the grid is turned, in each block of a stage by
    another step, so that regions meet; behind it, turned back. Both axes, and a map of the token, are weighed channel
    by channel.

    Shape:
        `b (f t) c -> b (f t) c`

    Equation:
        r[m, i] = x[m k + i - s]  along frequency, i < k, around the edge
        r'[m] = W₂ relu(BN(W₁ r[m])) + b₂  over i and channels
        u[m k + i - s] = r'[m, i]
        v alike along time; w = x W₃ + b₃
        a = softmax over the three of MLP(mean of u + v + w)
        y = (a₁ u + a₂ v + a₃ w) W₄ + b₄
        k = region, s = step times (place of the block in its stage mod turns)

    Cost:
        parameters: d*(2*c*(region[0] + region[1]) + 4) + c*(region[0] + region[1]) + 2*c**2 + 5*c + (4*c + 1)*h
        FLOPs: 4*d*c*(t*rows*region[0] + f*moments*region[1]) + 4*n*c**2 + 8*c*h
        d: c//2 or 1  # hidden units of a region
        h: c//4 or 1  # hidden units of what weighs
        rows: (f + region[0] - 1)//region[0]  # regions along frequency
        moments: (t + region[1] - 1)//region[1]  # regions along time

    Args:
        site: where it stands; it needs the bare grid.
        region: patches of a region along frequency and along time.
        turns: blocks of a stage until regions stand as in its first; 1 for regions that never shift.
        step: patches that they shift from one block to the next.

    Raises:
        MixkitError: the model has prefix tokens.

    Paper: Hire-MLP, Guo et al. 2021, arXiv:2108.13341, section 3, and its authors' code. A rest that does not fill a
    region is filled from the other end of the grid.
    """

    def __init__(self, site: Site, *, region: tuple[Count, Count] = (2, 2), turns: Count = 2, step: Whole = 1):
        super().__init__()
        site.bare("hire")
        width, shift = site.width, step * (site.layer_in_stage % turns)
        self.frequency = _Regions(site, 1, region[0], shift)
        self.time = _Regions(site, 2, region[1], shift)
        self.channel = Linear(width, width)
        self.weigh = Weigh(width)
        self.projection = Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Rearrange along both axes, and weigh."""
        mixed: Tensor = self.projection(self.weigh(self.frequency(x), self.time(x), self.channel(x)))
        return mixed


class _Regions(nn.Module):
    """Regions along one axis, each mixed as one token.

    Shape:
        `b (f t) c -> b (f t) c`
    """

    def __init__(self, site: Site, axis: int, size: int, shift: int):
        super().__init__()
        self._grid, self._axis, self._size, self._shift = (site.grid.frequency, site.grid.time), axis, size, shift
        hidden = max(site.width // 2, 1)
        self.contract = Linear(size * site.width, hidden, bias=False)
        self.norm = BatchNorm(hidden, NORM_EPS)
        self.expand = Linear(hidden, size * site.width)

    def forward(self, x: Tensor) -> Tensor:
        """Rearrange, mix, and put back."""
        cube = moved(x.unflatten(1, self._grid).transpose(self._axis, 2), 2, self._shift, "wrap")
        length = cube.shape[2]  # of the axis, which stands beside the channels
        filled = -(-length // self._size) * self._size
        if filled > length:
            cube = torch.cat([cube] * -(-filled // length), dim=2).narrow(2, 0, filled)
        regions = cube.unflatten(2, (-1, self._size)).flatten(3)
        mixed = self.expand(torch.relu(self.norm(self.contract(regions.flatten(1, 2)))))
        tokens = mixed.view_as(regions).unflatten(3, (self._size, -1)).flatten(2, 3).narrow(2, 0, length)
        return moved(tokens, 2, -self._shift, "wrap").transpose(self._axis, 2).flatten(1, 2)
