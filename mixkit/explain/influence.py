"""What operators mix, and how much each branch changes: measured on the network itself."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from mixkit.errors import MixkitError
from mixkit.model.block import MixerBranch
from mixkit.model.classifier import Classifier
from mixkit.model.mixer import Mixer
from mixkit.registry import Grid

CHANNELS = 24
"""Output channels whose sensitivity is looked at, evenly spaced."""

LOOKED = "mixkit look draws what operators do to tokens on a grid"

TOKENS = 8
"""Output tokens over which the shares are averaged, evenly spaced; a picture shows one."""


@dataclass(frozen=True)
class Influence:
    """Where what comes out of an operator at one token comes from.

    Args:
        name: of the operator.
        layer: of the block, from 0.
        branch: of the block, from 0.
        token: the one looked at, as frequency and time on the grid.
        grid: `f t`, mean absolute derivative of the token by each token, over channels in and out.
        outputs: the output channels looked at.
        channels: `k c`, mean absolute derivative of each of them by every input channel, over tokens.
        shares: of the derivative's mass, averaged over tokens: `own token`, `other times` (same frequency),
            `other frequencies`, and of the channels `other channels`.
        offsets: `(2 f - 1) (2 t - 1)`, the mass by how far the input token lies from the output token, averaged over
            tokens; the middle is the token itself.
    """

    name: str
    layer: int
    branch: int
    token: tuple[int, int]
    grid: Tensor
    outputs: tuple[int, ...]
    channels: Tensor
    shares: dict[str, float]
    offsets: Tensor


@dataclass(frozen=True)
class Change:
    """How much a branch changes what passes by it.

    Args:
        name: of its operators, joined by ` + `.
        layer: of the block, from 0.
        branch: of the block, from 0.
        ratio: norm of what it adds over norm of what it is added to, mean over clips; of a branch without residual, of
            the difference.
    """

    name: str
    layer: int
    branch: int
    ratio: float


def influences(
    model: Classifier, spectrograms: Tensor | None, token: tuple[int, int] | None, layers: Sequence[int]
) -> Iterator[Influence]:
    """The influence on one token of every operator, layer by layer.

    Args:
        model: fresh or trained.
        spectrograms: `b m l` of clips, whose tokens the derivatives are taken at (the first clip's); None takes
            normal noise, which is what a norm lets through on average.
        token: frequency and time on the grid of each layer; None for its middle.
        layers: from 0.

    Raises:
        MixkitError: there is no such token or layer.
    """
    mixer = model.expect_mixer(LOOKED).eval()
    for layer in layers:
        if not 0 <= layer < len(mixer.blocks):
            raise MixkitError(f"no layer {layer}: there are {len(mixer.blocks)}, counted from 0.")
        grid = mixer.sites[layer].grid
        if token and not (0 <= token[0] < grid.frequency and 0 <= token[1] < grid.time):
            raise MixkitError(
                f"no token {token[0]},{token[1]}: the grid has {grid.frequency} frequencies and {grid.time} times."
            )
    inputs = _inputs(mixer, spectrograms)
    for layer, number, branch in _branches(mixer):
        if layer in layers:
            for name, operator in zip(mixer.layers[layer].names[number], branch.operators, strict=True):
                grid = mixer.sites[layer].grid
                middle = token or (grid.frequency // 2, grid.time // 2)
                yield _influence(operator, inputs[id(operator)], (name, layer, number), middle, grid)


def changes(model: Classifier, spectrograms: Tensor) -> list[Change]:
    """How much every branch of a network changes its input, on the spectrograms `b m l` of clips."""
    ratios: dict[int, float] = {}
    mixer = model.expect_mixer(LOOKED).eval()

    def measure(branch: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        before = given[0]
        ratio = (out - before).flatten(1).norm(dim=1) / before.flatten(1).norm(dim=1)
        ratios[id(branch)] = ratio.mean().item()

    with torch.no_grad(), ExitStack() as hooks:
        for _, _, branch in _branches(mixer):
            hooks.enter_context(branch.register_forward_hook(measure))
        mixer(spectrograms)
    return [
        Change(" + ".join(mixer.layers[layer].names[number]), layer, number, ratios[id(branch)])
        for layer, number, branch in _branches(mixer)
    ]


def _influence(
    operator: nn.Module, x: Tensor, place: tuple[str, int, int], token: tuple[int, int], grid: Grid
) -> Influence:
    width, prefix = x.shape[1], x.shape[0] - grid.tokens
    outputs = tuple(int(c) for c in torch.linspace(0, width - 1, min(CHANNELS, width)).round())
    shown = token[0] * grid.time + token[1]
    several = {int(n) for n in torch.linspace(0, grid.frequency * grid.time - 1, TOKENS).round()}
    totals = torch.zeros(4, dtype=torch.float64)
    offsets = torch.zeros(2 * grid.frequency - 1, 2 * grid.time - 1, dtype=torch.float64)
    for number in several:
        mass = _derivative(operator, x, prefix + number, outputs)[:, prefix:].double()
        totals += torch.tensor(_shares(mass, number, outputs, grid), dtype=torch.float64)
        row, column = grid.frequency - 1 - number // grid.time, grid.time - 1 - number % grid.time
        by_token = mass.sum((0, 2)).view(grid.frequency, grid.time)
        offsets[row : row + grid.frequency, column : column + grid.time] += by_token / (
            len(several) * (by_token.sum() or 1)
        )
    mass = _derivative(operator, x, prefix + shown, outputs)
    names = ("own token", "other times", "other frequencies", "other channels")
    shares = dict(zip(names, (totals / len(several)).tolist(), strict=True))
    at_tokens = mass[:, prefix:].mean((0, 2)).view(grid.frequency, grid.time)
    return Influence(*place, token, at_tokens, outputs, mass.mean(1), shares, offsets)


def _derivative(operator: nn.Module, x: Tensor, token: int, outputs: Sequence[int]) -> Tensor:
    """The absolute derivative of a token's channels by every input value: `k n c`."""
    rows = x.expand(len(outputs), *x.shape).clone().requires_grad_()
    with torch.enable_grad():
        out = operator(rows)
        picked = out[torch.arange(len(outputs)), token, torch.tensor(outputs)].sum()  # a row each: rows do not mix
    return torch.autograd.grad(picked, rows)[0].abs()


def _shares(mass: Tensor, token: int, outputs: Sequence[int], grid: Grid) -> tuple[float, float, float, float]:
    table = mass.sum((0, 2)).view(grid.frequency, grid.time)
    whole = float(table.sum()) or 1.0
    row, column = divmod(token, grid.time)
    own = float(table[row, column])
    times = float(table[row, torch.arange(grid.time) != column].sum())
    frequencies = float(table[torch.arange(grid.frequency) != row].sum())
    same = float(mass.sum(1)[torch.arange(len(outputs)), torch.tensor(outputs)].sum())
    return own / whole, times / whole, frequencies / whole, 1 - same / whole


def _inputs(mixer: Mixer, spectrograms: Tensor | None) -> dict[int, Tensor]:
    """What each operator is given, `n c`: of the first clip, or noise."""
    taken: dict[int, Tensor] = {}
    operators = [(layer, operator) for layer, _, branch in _branches(mixer) for operator in branch.operators]
    if spectrograms is None:
        noise = {
            site: torch.randn(site.tokens, site.width, generator=torch.Generator().manual_seed(0))
            for site in mixer.sites
        }
        return {id(operator): noise[mixer.sites[layer]] for layer, operator in operators}

    def take(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        taken[id(module)] = given[0][0].detach()

    with torch.no_grad(), ExitStack() as hooks:
        for _, operator in operators:
            hooks.enter_context(operator.register_forward_pre_hook(take))
        mixer(spectrograms[:1])
    return taken


def _branches(mixer: Mixer) -> Iterator[tuple[int, int, MixerBranch]]:
    for layer, block in enumerate(mixer.layers):
        for number, branch in enumerate(block.branches):
            yield layer, number, cast(MixerBranch, branch)
