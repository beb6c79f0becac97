"""RollBlock: a fixed permutation of the whole table of tokens and channels."""

import copy
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mixkit.errors import SettingError
from mixkit.operators.feed_forward import Activation, FeedForward, hidden_units
from mixkit.registry import Site, operator
from mixkit.values import Count, Positive, Rate


@operator("roll", mixes={"frequency", "time", "channel"}, paper="arXiv:2402.18007, II-B")
class Roll(nn.Module):
    """Cyclic roll of tokens, without weights: slides runs of tokens along their own channels and along their
    neighbours in time, and learns nothing.

    The table of n tokens and c channels is read in one line and cut in rows of c · bands / groups values; with 4 bands
    of 16 groups a row is a quarter of a token. The rows make `groups` groups. With g = groups // (1 + layer) and
    step = depth - layer, the first g groups slide forward along the columns, the next g backward, the next g forward
    along the rows, the next g backward, each in a circle; the others stay. Deeper layers move less and less far, and
    from layer `groups` on nothing moves.

    A permutation, with the inverse that slides the other way. Tokens are read frequency-major, so that runs are mostly
    runs in time. Where rows fill tokens evenly, layer 0 moves channels only, all tokens alike: the next linear map can
    absorb it.

    Shape:
        `b n c -> b n c`, prefix tokens among the others

    Equation:
        y[p, q, r] = x[p, q, r - s]  for p < g
                     x[p, q, r + s]  for g ≤ p < 2 g
                     x[p, q - s, r]  for 2 g ≤ p < 3 g
                     x[p, q + s, r]  for 3 g ≤ p < 4 g
                     x[p, q, r]      for the other p
        x, y = tables of groups × n / bands × c · bands / groups; q and r go round
        s = depth - layer, g = groups // (1 + layer)

    Cost:
        parameters: 0
        FLOPs: 0

    Args:
        site: where it stands.
        groups: parts of the table; at 600 tokens, 16 parts are 37.5 tokens each.
        bands: rows of a group are n / bands.

    Raises:
        SettingError: there are more `bands` than tokens, or more `groups` than width * bands.

    Paper: ASM-RH, arXiv:2402.18007, II-B, with C = 16 groups, C_a = 4 bands and gamma = 1 / (1 + layer).

    Differs: out of place (the paper's listing writes into its argument), and layers count from 0, which the paper
    leaves open; from 1 the last layer would do nothing. The paper's table needs an n that `bands` divides and a
    c · bands that `groups` divides. Elsewhere a row is c · bands // groups values, the first groups have one row more
    than the others, what is left over is a shorter row at the end of the last group, and s rows along a group are
    s · c · bands // groups values, so that nothing is lost there, either.
    """

    def __init__(self, site: Site, *, groups: Count = 16, bands: Count = 4):
        super().__init__()
        if bands > site.tokens:
            fewer = f"Use {site.tokens} or fewer"
            raise SettingError("bands", f"is {bands}, more than the {site.tokens} tokens. {fewer}.")
        if groups > site.width * bands:
            asked = f"is {groups}, more than bands x width, {bands} x {site.width}"
            raise SettingError("groups", f"{asked}. Use {site.width * bands} or fewer.")
        self.site, self.groups, self.bands = site, groups, bands
        self.share = groups // (1 + site.layer)
        self._move(site.depth - site.layer)

    def forward(self, x: Tensor) -> Tensor:
        """Slide."""
        if torch.compiler.is_compiling():
            return self._joined(x)
        slid: Tensor = _Slide.apply(x, self._runs)
        return slid

    def followed_by(self, other: "Roll") -> "Roll | None":
        """One roll for this one and the next; None where the two cut the table differently."""
        mine, theirs = ((r.site.tokens, r.site.width, r.groups, r.bands, r.share) for r in (self, other))
        if mine != theirs:
            return None
        both = copy.copy(self)
        both._move(self.step + other.step)
        return both

    def _joined(self, x: Tensor) -> Tensor:
        # For compilers and exporters: plain slices, which a compiler makes one pass of by itself.
        slid = [_turned(stretch, run.shift).flatten(1) for stretch, run in _stretches(x.flatten(1), self._runs)]
        return torch.cat(slid, dim=1).view(x.shape)

    def _move(self, step: int) -> None:
        """Says what slides, by so many places: runs of the line, each turned in a circle."""
        columns = self.site.width * self.bands // self.groups
        rows, rest = divmod(self.site.tokens * self.site.width, columns)
        lengths = [columns * (rows // self.groups + (group < rows % self.groups)) for group in range(self.groups)]
        lengths[-1] += rest
        runs: list[_Run] = []
        for part, shift in enumerate((step, -step, step * columns, -step * columns, 0)):
            groups = lengths[part * self.share : (part + 1) * self.share if part < 4 else None]
            if part < 2:  # every row turns; the shorter one, too
                cuts = [(sum(groups) // columns, columns), (1, sum(groups) % columns)]
            else:  # every group turns, by whole rows
                cuts = [(len(list(same)), length) for length, same in groupby(groups)]
            runs += [_Run(number, length, shift % length) for number, length in cuts if number * length]
        self.step, self._runs = step, tuple(runs)


class _Run(NamedTuple):
    """Stretches of the line of values that lie side by side, `number` of a `length`, each turned by `shift` places."""

    number: int
    length: int
    shift: int


class _Slide(torch.autograd.Function):
    """Every value copied once to its place; backward, every gradient once to where its value came from."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, runs: tuple[_Run, ...]) -> Tensor:
        ctx.runs = runs
        line = x.flatten(1)
        slid = torch.empty_like(line)
        for (stretch, run), (place, _) in zip(_stretches(line, runs), _stretches(slid, runs), strict=True):
            kept = run.length - run.shift
            place.narrow(2, run.shift, kept).copy_(stretch.narrow(2, 0, kept))
            if run.shift:
                place.narrow(2, 0, run.shift).copy_(stretch.narrow(2, kept, run.shift))
        return slid.view(x.shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        back = tuple(run._replace(shift=-run.shift % run.length) for run in ctx.runs)
        slid: Tensor = _Slide.apply(gradient, back)
        return slid, None


def _stretches(line: Tensor, runs: Iterable[_Run]) -> Iterator[tuple[Tensor, _Run]]:
    """The runs of a line of values, `b (number length) -> b number length`, one after the other."""
    start = 0
    for run in runs:
        size = run.number * run.length
        yield line.narrow(1, start, size).view(line.shape[0], run.number, run.length), run
        start += size


def _turned(stretch: Tensor, shift: int) -> Tensor:
    # Two slices rather than torch.roll: the compiler turns these into plain copies, torch.roll into indexing.
    if not shift:
        return stretch
    kept = stretch.shape[2] - shift
    return torch.cat((stretch.narrow(2, kept, shift), stretch.narrow(2, 0, kept)), dim=2)


@operator("roll_time", mixes={"frequency", "time", "channel"}, paper="arXiv:2402.18007, II-B")
class RollTime(nn.Module):
    """Channel-mixing MLP behind a cyclic roll of tokens (Roll-Time, ASM-RH): slides runs of tokens past each other,
    mostly in time, and recombines the features of what then stands together.

    `roll`, then a feed-forward over channels. In ASM-RH it takes the place of channel mixing.

    Tokens move a few places along rows of frequency, so that time is what they mix. Another frequency is reached only
    by those that step over the end of a row, or go round in their group. They are few: a picture of what it mixes may
    well say 0 % of other frequencies, rounded, and its first layer moves channels alone.

    Shape:
        `b n c -> b n c`

    Equation:
        z = roll(x)
        y[i, :] = W₂ φ(W₁ z[i, :] + b₁) + b₂
        i = token, φ = activation

    Cost:
        parameters: 2*c*h + c + h + acon
        FLOPs: 4*n*c*h
        h: hidden or round(expansion*c)  # hidden units
        acon: 3*h if activation == "acon_c" else 0  # numbers that the activation learns

    Args:
        site: where it stands.
        groups: parts of the table that `roll` cuts; see there.
        bands: rows of a group are n / bands.
        expansion: hidden units, as a multiple of the model's width.
        hidden: hidden units outright; `expansion` then has no effect.
        activation: the function between the two linear maps.
        dropout: probability of silencing a value after the activation, and after the second map.

    Raises:
        SettingError: there are more `bands` than tokens, or more `groups` than width * bands.

    Paper: ASM-RH, arXiv:2402.18007, II-B. The number of hidden units, activation and dropout are not given there; ours
    are those of Mixer-B/16.
    """

    def __init__(
        self,
        site: Site,
        *,
        groups: Count = 16,
        bands: Count = 4,
        expansion: Positive = 4.0,
        hidden: Count | None = None,
        activation: Activation = "gelu",
        dropout: Rate = 0.0,
    ):
        super().__init__()
        self.roll: nn.Module = Roll(site, groups=groups, bands=bands)
        units = hidden_units(site.width, expansion, hidden)
        self.feed_forward = FeedForward(site.width, units, activation=activation, dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Slide, then recombine."""
        mixed: Tensor = self.feed_forward(self.roll(x))
        return mixed
