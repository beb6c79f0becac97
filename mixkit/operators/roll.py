"""RollBlock: a fixed permutation of the whole table of tokens and channels."""

import copy
import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mixkit.errors import SettingError
from mixkit.operators.feed_forward import Activation, FeedForward, hidden_units
from mixkit.registry import Site, operator
from mixkit.values import Count, Positive, Rate


@operator("roll", mixes={"frequency", "time", "channel"}, paper="arXiv:2402.18007, II-B")
class Roll(nn.Module):
    """Slides runs of tokens along their own channels and along their neighbours in time, and learns nothing.

    The table of n tokens and c channels is read in one line and cut in `groups`, each of n / bands rows; with 4 bands a
    row is a quarter of a token. With g = groups // (1 + layer) and step = depth - layer, the first g groups slide
    forward along the columns, the next g backward, the next g forward along the rows, the next g backward, each
    in a circle; the others stay. Deeper layers move less and less far, and from layer `groups` on nothing moves.

    A permutation, with the inverse that slides the other way. Tokens are read frequency-major, so that runs are mostly
    runs in time. Layer 0 moves channels only, all tokens alike: the next linear map can absorb it.

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
        SettingError: `bands` does not divide the tokens, or `groups` does not divide width * bands.

    Paper: ASM-RH, arXiv:2402.18007, II-B, with C = 16 groups, C_a = 4 bands and gamma = 1 / (1 + layer).

    Differs: out of place (the paper's listing writes into its argument), and layers count from 0, which the paper
    leaves open; from 1 the last layer would do nothing.
    """

    def __init__(self, site: Site, *, groups: Count = 16, bands: Count = 4):
        super().__init__()
        if site.tokens % bands:
            count = f"{site.tokens} tokens" + (f", {site.prefix} of them prefix" if site.prefix else "")
            remedy = "Set model.prefix = 0, or use" if site.prefix else "Use"
            raise SettingError("bands", f"is {bands}, which does not divide {count}. {remedy} a divisor.")
        if site.width * bands % groups:
            multiple = groups // math.gcd(groups, bands)
            near = max(1, round(site.width / multiple)) * multiple
            raise SettingError(
                "groups",
                f"is {groups}, which does not divide bands x width, {bands} x {site.width}. "
                f"Use a width that {multiple} divides, such as {near}, or other groups.",
            )
        self.tokens = site.tokens
        self.view = (groups, site.tokens // bands, site.width * bands // groups)
        self.share = groups // (1 + site.layer)
        self._move(site.depth - site.layer)

    def forward(self, x: Tensor) -> Tensor:
        """Slide."""
        if torch.compiler.is_compiling():
            return self._joined(x)
        slid: Tensor = _Slide.apply(x, self.view, self._pieces)
        return slid

    def followed_by(self, other: "Roll") -> "Roll | None":
        """One roll for this one and the next; None where the two cut the table differently."""
        if (self.view, self.share) != (other.view, other.share):
            return None
        both = copy.copy(self)
        both._move(self.step + other.step)
        return both

    def _joined(self, x: Tensor) -> Tensor:
        # For compilers and exporters: plain slices, which a compiler makes one pass of by itself.
        table = x.reshape(x.shape[0], *self.view)
        parts, start = [], 0
        for size, axis, shift in self._parts:
            parts.append(_slid(table.narrow(1, start, size), axis, shift))
            start += size
        return torch.cat(parts, dim=1).view(x.shape)

    def _move(self, step: int) -> None:
        """Says what slides, by so many places, and the copies that it takes."""
        groups, rows, columns = self.view
        parts: list[tuple[int, int, int]] = []
        pieces: list[_Piece] = []
        start = 0
        slides = ((3, step % columns), (3, -step % columns), (2, step % rows), (2, -step % rows), (3, 0))
        for size, (axis, shift) in zip((*[self.share] * 4, groups), slides, strict=True):
            size = min(size, groups - start)
            if size:
                length = self.view[axis - 1]
                parts.append((size, axis, shift))
                pieces.append(_Piece(start, size, axis, 0, shift, length - shift))
                if shift:
                    pieces.append(_Piece(start, size, axis, length - shift, 0, shift))
                start += size
        self.step, self._parts, self._pieces = step, tuple(parts), tuple(pieces)


class _Piece(NamedTuple):
    """What moves together: groups `start` to `start + size`, of which `length` along an axis, from here to there."""

    start: int
    size: int
    axis: int
    source: int
    target: int
    length: int


class _Slide(torch.autograd.Function):
    """Every value copied once to its place; backward, every gradient once to where its value came from."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, view: tuple[int, ...], pieces: tuple[_Piece, ...]) -> Tensor:
        ctx.view, ctx.pieces = view, pieces
        table = x.reshape(x.shape[0], *view)
        slid = torch.empty_like(table)
        for start, size, axis, source, target, length in pieces:
            place = slid.narrow(1, start, size).narrow(axis, target, length)
            place.copy_(table.narrow(1, start, size).narrow(axis, source, length))
        return slid.view(x.shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        back = tuple(piece._replace(source=piece.target, target=piece.source) for piece in ctx.pieces)
        slid: Tensor = _Slide.apply(gradient, ctx.view, back)
        return slid, None, None


def _slid(part: Tensor, axis: int, shift: int) -> Tensor:
    # Two slices rather than torch.roll: the compiler turns these into plain copies, torch.roll into indexing.
    if not shift:
        return part
    kept = part.shape[axis] - shift
    return torch.cat((part.narrow(axis, kept, shift), part.narrow(axis, 0, kept)), dim=axis)


@operator("roll_time", mixes={"frequency", "time", "channel"}, paper="arXiv:2402.18007, II-B")
class RollTime(nn.Module):
    """Slides runs of tokens past each other, mostly in time, and recombines the features of what then stands together.

    `roll`, then a feed-forward over channels. In ASM-RH it takes the place of channel mixing.

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
        SettingError: `bands` does not divide the tokens, or `groups` does not divide width * bands.

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
