"""A recipe measured: every variant in turn, in one run, with the machine's peak beside them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from mixkit.bench.memory import peak_memory
from mixkit.bench.parts import Part, parts
from mixkit.bench.peak_flops import product
from mixkit.bench.plain import check_same
from mixkit.bench.timed_network import CLASSES, PHASES, TimedNetwork, Variant
from mixkit.bench.timing import Pass, Spread, interleaved, ratios
from mixkit.model.cost import costs
from mixkit.recipe.schema import Recipe

Rows = Mapping[str, Sequence[Mapping[str, float]]]


@dataclass(frozen=True)
class VariantSpeed:
    """One variant.

    Args:
        name: of the variant.
        precision: of its matrix products.
        training_clips: clips a second, steps of training.
        forward_clips: clips a second, forward only.
        step: seconds of a step of training.
        forward: seconds of a batch, forward only.
        phases: seconds of a step in data, forward, backward and optimiser.
        training_share: operations a second over the measured peak of its type; three times the forward operations.
        forward_share: likewise, forward only.
        training_ratio: how many times as fast as the first variant, round by round.
        forward_ratio: likewise, forward only.
        memory: bytes at the peak of training; None where it was not measured.
    """

    name: str
    precision: str
    training_clips: float
    forward_clips: float
    step: Spread
    forward: Spread
    phases: Mapping[str, Spread]
    training_share: float
    forward_share: float
    training_ratio: Spread
    forward_ratio: Spread
    memory: int | None


@dataclass(frozen=True)
class Bench:
    """What a recipe came to on this machine.

    Args:
        recipe: its name.
        batch: clips in a batch.
        rounds: measurements of each.
        parameters: of the network.
        flops: of a clip forward; what the fast form needs, for the plain form too.
        peaks: floating-point operations a second of a matrix product, by precision.
        apart: how far the plain form is from the fast one, as a share of the largest logit; None without one.
        variants: in the order in which they took turns; ratios are against the first.
        parts: of the first of mixkit's own variants that is not compiled.
        parts_of: which that is.
    """

    recipe: str
    batch: int
    rounds: int
    parameters: int
    flops: int
    peaks: Mapping[str, Spread]
    apart: float | None
    variants: Sequence[VariantSpeed]
    parts: Sequence[Part]
    parts_of: str


def bench(
    recipe: Recipe,
    variants: Sequence[Variant],
    size: int,
    rounds: int,
    device: torch.device,
    *,
    plugins: tuple[str, ...] = (),
    say: Callable[[str], None] = lambda _: None,
) -> Bench:
    """Measures variants of a recipe turn by turn.

    Args:
        recipe: what to measure.
        variants: in which forms; the others are held against the first.
        size: clips in a batch.
        rounds: measurements of each.
        device: that computes.
        plugins: for the processes in which memory is measured.
        say: is given a line on how far it is.

    Raises:
        MixkitError: a setting that cannot work, or a plain form that does not agree.
    """
    networks = {variant.name: TimedNetwork(recipe, variant, size, device) for variant in variants}
    own = next(variant for variant in variants if not variant.plain and not variant.compiled)
    ours = networks[own.name]
    apart = None
    for variant in variants:
        if variant.plain:
            apart = check_same(ours.module, networks[variant.name].module, ours.spectrogram()[:2])
    products = {precision: product(device, precision) for precision in dict.fromkeys(v.precision for v in variants)}
    passes: dict[str, Pass] = {f"train {name}": network.step for name, network in networks.items()}
    passes |= {f"forward {name}": network.forward for name, network in networks.items()}
    passes |= {f"peak {precision}": once for precision, (once, _) in products.items()}
    rows = interleaved(passes, rounds, say)
    peaks = {
        precision: Spread.of([operations / one["product"] for one in rows[f"peak {precision}"]])
        for precision, (_, operations) in products.items()
    }
    flops = {
        row.name: row.flops for row in costs(recipe.architecture, ours.features.bins, ours.features.frames, CLASSES)
    }
    measured = []
    for variant in variants:
        memory = None if variant.compiled else peak_memory(recipe, variant, size, str(device), plugins)
        peak = peaks[variant.precision].median
        measured.append(summary(variant, rows, variants[0].name, size, sum(flops.values()), peak, memory))
    say(f"each part by itself, {own.precision}")
    return Bench(
        recipe=recipe.name,
        batch=size,
        rounds=rounds,
        parameters=sum(p.numel() for p in ours.module.parameters()),
        flops=sum(flops.values()),
        peaks=peaks,
        apart=apart,
        variants=measured,
        parts=parts(ours, flops, peaks[own.precision].median, rounds),
        parts_of=own.name,
    )


def summary(
    variant: Variant, rows: Rows, reference: str, size: int, flops: int, peak: float, memory: int | None
) -> VariantSpeed:
    """What the rounds of a variant come to.

    Args:
        variant: which.
        rows: of all variants, seconds by phase; `train NAME` and `forward NAME`.
        reference: name of the variant that the others are held against.
        size: clips in a batch.
        flops: of a clip, forward.
        peak: operations a second.
        memory: bytes, or None.
    """
    train, passes = rows[f"train {variant.name}"], rows[f"forward {variant.name}"]
    steps, forwards = [one["step"] for one in train], [one["forward"] for one in passes]
    step, forward = Spread.of(steps), Spread.of(forwards)
    return VariantSpeed(
        name=variant.name,
        precision=variant.precision,
        training_clips=size / step.median,
        forward_clips=size / forward.median,
        step=step,
        forward=forward,
        phases={phase: Spread.of([one[phase] for one in train]) for phase in PHASES},
        training_share=3 * flops * size / step.median / peak,
        forward_share=flops * size / forward.median / peak,
        training_ratio=ratios([one["step"] for one in rows[f"train {reference}"]], steps),
        forward_ratio=ratios([one["forward"] for one in rows[f"forward {reference}"]], forwards),
        memory=memory,
    )
