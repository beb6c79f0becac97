"""What is timed: a forward pass, and a training step as `mixkit train` takes it, of one form of a recipe's network."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mixkit.bench.plain import plain
from mixkit.bench.timing import Stopwatch
from mixkit.model.classifier import build
from mixkit.recipe.schema import Recipe
from mixkit.registry import Checkpointed, loss, optimizer
from mixkit.training.precision import autocast

PHASES = ("data", "forward", "backward", "optimiser")
PLAIN = "--against plain is the pseudo code of operators, on tokens of a grid"
CLASSES = 10
"""Of the made-up task: the head weighs nothing beside the rest."""


@dataclass(frozen=True)
class Variant:
    """One form of a recipe.

    Args:
        precision: of matrix products: `float32`, `bf16` or `fp16`.
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


def variants(against_plain: bool, compiled: bool) -> list[Variant]:
    """Those to measure; the first is the one that the others are held against."""
    precisions = ("float32", "bf16")
    forms = [Variant("float32", plain=True)] if against_plain else []
    forms += [Variant(precision) for precision in precisions]
    return forms + [Variant(precision, compiled=True) for precision in precisions if compiled]


class TimedNetwork:
    """A variant with fresh weights, the same ones for each, an optimizer of its own, and a batch of noise.

    Args:
        recipe: the features, the network and the settings of training.
        variant: in which form.
        size: clips in the batch.
        device: that computes.
    """

    def __init__(self, recipe: Recipe, variant: Variant, size: int, device: torch.device):
        model = build(recipe, CLASSES)
        self.recipe, self.precision, self.device = recipe, variant.precision, device
        self.features = model.features.to(device)
        mixer = model.expect_mixer(PLAIN) if variant.plain else None
        self.module = (model.network if mixer is None else plain(mixer)).to(device)
        if isinstance(self.module, Checkpointed):
            self.module.checkpointing = recipe.train.checkpointing
        self.network: Any = self.module
        if variant.compiled:
            self.network = torch.compile(self.module, fullgraph=True, dynamic=False)
        self.objective = loss.build(recipe.train.loss, None).to(device)
        self.steps = optimizer.build(recipe.train.optimizer, self.module.parameters(), recipe.train.learning_rate)
        generator = torch.Generator().manual_seed(0)
        waveform = 0.1 * torch.randn(size, self.features.samples, generator=generator)
        labels = torch.randint(CLASSES, (size,), generator=generator)
        self.waveform = waveform.pin_memory() if device.type == "cuda" else waveform
        self.target = nn.functional.one_hot(labels, CLASSES).float().to(device)

    @torch.no_grad()
    def spectrogram(self) -> Tensor:
        """Of the batch, which lies in the memory of the host: `b m l`."""
        return self.features(self.waveform.to(self.device, non_blocking=True))

    def step(self) -> dict[str, float]:
        """One step of training: seconds by phase, and `step` for all of it."""
        self.module.train()
        watch = Stopwatch(self.device)
        with watch.phase("step"):
            with watch.phase("data"):
                spectrogram = self.spectrogram()
            with watch.phase("forward"), autocast(self.device, self.precision):
                cost = self.objective(self.network(spectrogram), self.target)
            with watch.phase("backward"):
                cost.backward()
            with watch.phase("optimiser"):
                self.steps.step()
                self.steps.zero_grad(set_to_none=True)
        return watch.read()

    def forward(self) -> dict[str, float]:
        """One forward pass without gradients, features left out: seconds as `forward`."""
        self.module.eval()
        spectrogram = self.spectrogram()
        watch = Stopwatch(self.device)
        with watch.phase("forward"), torch.no_grad(), autocast(self.device, self.precision):
            self.network(spectrogram)
        return watch.read()
