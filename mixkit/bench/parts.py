"""Where the time goes: every part of a network by itself, on the input that it gets in the network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from mixkit.bench.timed_network import TimedNetwork
from mixkit.bench.timing import Pass, Spread, Stopwatch, interleaved
from mixkit.model.mixer import Mixer
from mixkit.model.whole import parts_of
from mixkit.training.precision import autocast

INPUT = "stem"
"""Nothing in front of it learns: its training needs two products, where other parts need three."""


@dataclass(frozen=True)
class Part:
    """The parts of one name, all layers together, for one batch.

    Args:
        name: of the operators of a branch, or `stem`, `norm`, `pool`, `head`.
        count: how many there are.
        forward: seconds without gradients.
        training: seconds forward and backward.
        flops: forward, for the batch; training takes three times as many, of the stem twice.
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

    @property
    def title(self) -> str:
        """Its name, with how many there are."""
        return f"{self.count} x {self.name}" if self.count > 1 else self.name


def parts(network: TimedNetwork, flops: Mapping[str, int], peak: float, rounds: int) -> list[Part]:
    """Times every part of a network.

    Args:
        network: as it is measured whole, not compiled.
        flops: of the parts for one clip forward, by the names of `mixkit.model.cost`.
        peak: floating-point operations a second that the machine was seen to do.
        rounds: how often each is measured.
    """
    found = interleaved(_passes(network), rounds)
    kinds: dict[str, list[str]] = {}
    for name in found:
        kinds.setdefault(name.partition(" ")[2] or name, []).append(name)

    def part(kind: str, names: Sequence[str]) -> Part:
        turns = list(zip(*(found[name] for name in names), strict=True))
        forward, training = (
            Spread.of([sum(one[phase] for one in turn) for turn in turns]) for phase in ("forward", "training")
        )
        operations = len(network.waveform) * sum(flops.get(name, 0) for name in names)
        return Part(
            kind,
            len(names),
            forward,
            training,
            operations,
            operations / max(forward.median, 1e-12) / peak,
            (2 if kind == INPUT else 3) * operations / max(training.median, 1e-12) / peak,
        )

    return [part(kind, names) for kind, names in kinds.items()]


def _modules(network: nn.Module) -> dict[str, nn.Module]:
    """The parts by the names of `mixkit.model.cost`."""
    if not isinstance(network, Mixer):
        return {name: part for name, part in parts_of(network).items() if any(True for _ in part.parameters())}
    mixer, modules = network, {INPUT: network.get_submodule("stem")}
    for layer, block in enumerate(mixer.layers):
        if str(layer) in mixer.downsamples:
            modules[f"{layer} downsample"] = mixer.downsamples[str(layer)]
        for index, (names, branch) in enumerate(zip(block.names, block.branches, strict=True)):
            modules[f"{layer}.{index} {', '.join(names)}"] = branch
    return modules | {"norm": mixer.norm, "pool": mixer.get_submodule("pool"), "head": mixer.get_submodule("head")}


def _passes(network: TimedNetwork) -> dict[str, Pass]:
    module = network.module.eval()
    modules = _modules(module)
    inputs: dict[str, Tensor] = {}

    def keep(name: str, _: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        inputs[name] = arguments[0].detach()

    handles = [module.register_forward_pre_hook(partial(keep, name)) for name, module in modules.items()]
    try:
        with torch.no_grad(), autocast(network.device, network.precision):
            module(network.spectrogram())
    finally:
        for handle in handles:
            handle.remove()
    return {name: partial(_time, modules[name], x, network.precision, name) for name, x in inputs.items()}


def _time(module: nn.Module, x: Tensor, precision: str, name: str) -> dict[str, float]:
    watch = Stopwatch(x.device)
    with watch.phase("forward"), torch.no_grad(), autocast(x.device, precision):
        module(x)
    leaf = x.detach().requires_grad_(name != INPUT)
    with watch.phase("training"):
        with autocast(x.device, precision):
            out = module(leaf)
        out.backward(torch.ones_like(out))
    module.zero_grad(set_to_none=True)
    return watch.read()
