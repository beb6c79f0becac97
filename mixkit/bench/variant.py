"""The forms of a recipe that are held against each other."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mixkit.bench.plain import plain
from mixkit.bench.timed_network import TimedNetwork, noise_batch
from mixkit.model.classifier import build
from mixkit.recipe.schema import Recipe

CLASSES = 10
"""Of the made-up task: the head weighs nothing beside the rest."""


@dataclass(frozen=True)
class Variant:
    """One form of a recipe.

    Args:
        precision: of matrix products.
        compiled: whether torch.compile takes it first.
        plain: whether it is written as the paper's pseudo code.
    """

    precision: str
    compiled: bool = False
    plain: bool = False

    @property
    def name(self) -> str:
        """What it is called in tables."""
        form = "plain" if self.plain else "mixkit"
        return f"{form} {self.precision}{' compiled' if self.compiled else ''}"


def variants(against_plain: bool, compiled: bool, precisions: tuple[str, ...] = ("float32", "bf16")) -> list[Variant]:
    """Those to measure; the first is the one that the others are held against."""
    forms = [Variant("float32", plain=True)] if against_plain else []
    forms += [Variant(precision) for precision in precisions]
    return forms + [Variant(precision, compiled=True) for precision in precisions if compiled]


def network_of(recipe: Recipe, variant: Variant, size: int, device: torch.device) -> TimedNetwork:
    """A variant with fresh weights, the same ones for each."""
    model = build(recipe, CLASSES)
    network = plain(model.mixer) if variant.plain else model.mixer
    network.checkpointing = recipe.train.checkpointing
    features: Callable[[Tensor], Tensor] = model.features.to(device)
    batch = noise_batch(size, model.features.samples, CLASSES, device)
    return TimedNetwork(network, features, recipe.train, batch, device, variant.precision, variant.compiled)
