"""Schedules: the learning rate over the epochs, as a factor of its highest value."""

import math

from mixkit.registry import schedule
from mixkit.values import NotNegative, Share, Whole


@schedule("cosine")
class Cosine:
    """Rises in a straight line, then falls along half a cosine.

    Args:
        epochs: of the whole run.
        warmup_epochs: how long it rises.
        floor: factor at the end.

    Paper: Loshchilov and Hutter 2017, arXiv:1608.03983, without restarts.
    """

    def __init__(self, epochs: int, *, warmup_epochs: NotNegative = 1.0, floor: Share = 0.01):
        self.epochs = epochs
        self.warmup = min(warmup_epochs, epochs / 2)
        self.floor = floor

    def __call__(self, epoch: float) -> float:
        """The factor after that many epochs, fractions included."""
        if epoch < self.warmup:
            return self.floor + (1 - self.floor) * epoch / self.warmup
        done = min(1.0, (epoch - self.warmup) / (self.epochs - self.warmup))
        return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * done))


@schedule("step_decay")
class StepDecay:
    """Stays, then falls by the same factor at the start of every epoch.

    Args:
        epochs: of the whole run.
        factor: what is left of the learning rate after each epoch.
        after: the first epoch, counted from 0, that is as high as the start and followed by a lower one.

    Paper: "decay after the 5th epoch", arXiv:2402.18007; 0.85 an epoch as AST does, arXiv:2104.01778.
    """

    def __init__(self, epochs: int, *, factor: Share = 0.85, after: Whole = 5):
        self.epochs = epochs
        self.factor = factor
        self.after = after

    def __call__(self, epoch: float) -> float:
        """The factor after that many epochs; fractions count as the epoch they are in."""
        return float(self.factor ** max(0, int(epoch) - self.after))
