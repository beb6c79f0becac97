"""What is timed: a forward pass, and a training step as `mixkit train` takes it, of one network."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mixkit.bench.timing import Clock, Stopwatch
from mixkit.model.mixer import Mixer
from mixkit.recipe.schema import Train
from mixkit.registry import loss, optimizer
from mixkit.training.device import autocast

PHASES = ("data", "forward", "backward", "optimiser")


@dataclass(frozen=True)
class NoiseBatch:
    """What a step begins with.

    Args:
        waveform: `b s`, in the memory of the host.
        target: `b k`, on the device.
    """

    waveform: Tensor
    target: Tensor


class TimedNetwork:
    """One network at one precision, with an optimizer of its own.

    Args:
        network: log-mel to logits.
        features: waveform to log-mel.
        settings: of training.
        batch: that it answers and learns from.
        device: that computes.
        precision: `float32`, `bf16` or `fp16`.
        compiled: whether torch.compile takes it whole first.
    """

    def __init__(
        self,
        network: Mixer,
        features: Callable[[Tensor], Tensor],
        settings: Train,
        batch: NoiseBatch,
        device: torch.device,
        precision: str,
        compiled: bool = False,
    ):
        self.own = network.to(device)
        self.network: Any = torch.compile(network, fullgraph=True, dynamic=False) if compiled else network
        self.features = features
        self.batch = batch
        self.device = device
        self.precision = precision
        self.objective = loss.build(settings.loss, None).to(device)
        self.steps = optimizer.build(settings.optimizer, self.own.parameters(), settings.learning_rate)

    def step(self, clock: Clock) -> dict[str, float]:
        """One step of training: seconds by phase, and `step` for all of it."""
        self.own.train()
        watch = Stopwatch(clock)
        with watch.phase("step"):
            with watch.phase("data"), torch.no_grad():
                spectrogram = self.features(self.batch.waveform.to(self.device, non_blocking=True))
            with watch.phase("forward"), autocast(self.device, self.precision):
                cost = self.objective(self.network(spectrogram), self.batch.target)
            with watch.phase("backward"):
                cost.backward()
            with watch.phase("optimiser"):
                self.steps.step()
                self.steps.zero_grad(set_to_none=True)
        return watch.read()

    def answer(self, clock: Clock) -> dict[str, float]:
        """One forward pass without gradients, features left out: seconds as `forward`."""
        self.own.eval()
        with torch.no_grad():
            spectrogram = self.features(self.batch.waveform.to(self.device))
        watch = Stopwatch(clock)
        with watch.phase("forward"), torch.no_grad(), autocast(self.device, self.precision):
            self.network(spectrogram)
        return watch.read()


def noise_batch(size: int, samples: int, classes: int, device: torch.device, seed: int = 0) -> NoiseBatch:
    """Noise, with classes by chance; the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    waveform = 0.1 * torch.randn(size, samples, generator=generator)
    labels = torch.randint(classes, (size,), generator=generator)
    if device.type == "cuda":
        waveform = waveform.pin_memory()
    return NoiseBatch(waveform, nn.functional.one_hot(labels, classes).float().to(device))
