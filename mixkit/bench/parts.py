"""Where the time goes: every part of a network by itself, on the input that it gets in the network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mixkit.bench.timing import Clock, Spread, Stopwatch, interleaved
from mixkit.model.mixer import Mixer
from mixkit.recipe.schema import Model
from mixkit.training.device import autocast

INPUT = "patches"
"""Nothing in front of it learns: its training needs two products, where other parts need three."""


@dataclass(frozen=True)
class Part:
    """The parts of one name, all layers together, for one batch.

    Args:
        name: of the operators of a branch, or `patches`, `norm`, `head`.
        count: how many there are.
        forward: seconds without gradients.
        training: seconds forward and backward.
        flops: forward, for the batch; training takes three times as many, of the patches twice.
        forward_share: of the machine's measured peak.
        training_share: likewise.
    """

    name: str
    count: int
    forward: Spread
    training: Spread
    flops: int
    forward_share: float
    training_share: float


def parts(
    mixer: Mixer,
    model: Model,
    spectrogram: Tensor,
    flops: Mapping[str, int],
    precision: str,
    peak: float,
    clock: Clock,
    rounds: int,
) -> list[Part]:
    """Times every part of a network.

    Args:
        mixer: the network.
        model: the same as data.
        spectrogram: log-mel spectrograms, `b m l`.
        flops: of the parts for one clip forward, by the names of `mixkit.model.cost`.
        precision: of matrix products.
        peak: floating-point operations a second that the machine was seen to do.
        clock: of the device.
        rounds: how often each is measured.
    """
    stages = _stages(mixer.eval(), model, spectrogram, precision)
    passes: dict[str, Callable[[], dict[str, float]]] = {
        name: _pass(module, x, precision, clock, name != INPUT) for name, module, x in stages
    }
    found = interleaved(passes, rounds)
    kinds: dict[str, list[str]] = {}
    for name in passes:
        kinds.setdefault(name.partition(" ")[2] or name, []).append(name)
    return [_part(kind, names, found, flops, len(spectrogram), peak) for kind, names in kinds.items()]


def _part(
    kind: str,
    names: Sequence[str],
    found: Mapping[str, Sequence[Mapping[str, float]]],
    flops: Mapping[str, int],
    batch: int,
    peak: float,
) -> Part:
    operations = batch * sum(flops.get(name, 0) for name in names)

    def summed(phase: str) -> Spread:
        return Spread.of(
            [sum(one[phase] for one in turn) for turn in zip(*(found[name] for name in names), strict=True)]
        )

    forward, training = summed("forward"), summed("training")
    return Part(
        kind,
        len(names),
        forward,
        training,
        operations,
        operations / max(forward.median, 1e-12) / peak,
        (2 if kind == INPUT else 3) * operations / max(training.median, 1e-12) / peak,
    )


def _stages(mixer: Mixer, model: Model, spectrogram: Tensor, precision: str) -> list[tuple[str, nn.Module, Tensor]]:
    inputs: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            inputs[name] = arguments[0].detach()

        return hook

    stages: list[tuple[str, nn.Module]] = [(INPUT, mixer.patches)]
    for layer in range(model.depth):
        for index, branch in enumerate(model.pattern[layer % len(model.pattern)].branches):
            name = f"{layer}.{index} {', '.join(spec.name for spec in branch.operators)}"
            stages.append((name, mixer.get_submodule(f"blocks.{layer}.branches.{index}")))
    stages += [("norm", mixer.norm), ("head", mixer.get_submodule("head"))]
    handles = [module.register_forward_pre_hook(keep(name)) for name, module in stages]
    try:
        with torch.no_grad(), autocast(spectrogram.device, precision):
            mixer(spectrogram)
    finally:
        for handle in handles:
            handle.remove()
    return [(name, module, inputs[name]) for name, module in stages]


def _pass(module: nn.Module, x: Tensor, precision: str, clock: Clock, inner: bool) -> Callable[[], dict[str, float]]:
    def once() -> dict[str, float]:
        watch = Stopwatch(clock)
        with watch.phase("forward"), torch.no_grad(), autocast(x.device, precision):
            module(x)
        leaf = x.detach().requires_grad_(inner)
        with watch.phase("training"):
            with autocast(x.device, precision):
                out = module(leaf)
            out.backward(torch.ones_like(out))
        module.zero_grad(set_to_none=True)
        return watch.read()

    return once
