"""Schedules: the learning rate over the updates of a run, as a factor of its highest value."""

import math

from mixkit.registry import schedule
from mixkit.values import NotNegative, Share, Whole


@schedule("cosine")
class Cosine:
    """Linear warm-up and cosine decay: rises in a straight line, then falls along half a cosine.

    Args:
        steps: updates of the whole run.
        steps_per_epoch: updates of an epoch.
        warmup_epochs: how long it rises; at most half of the run.
        warmup_steps: the same in updates; None for what `warmup_epochs` says.
        floor: factor at the end.

    Paper: Loshchilov and Hutter 2017, arXiv:1608.03983, without restarts.
    """

    def __init__(
        self,
        steps: int,
        steps_per_epoch: int,
        *,
        warmup_epochs: NotNegative = 1.0,
        warmup_steps: Whole | None = None,
        floor: Share = 0.01,
    ):
        self.steps = steps
        rises = warmup_epochs * steps_per_epoch if warmup_steps is None else warmup_steps
        self.warmup = min(rises, steps / 2)
        self.floor = floor

    def __call__(self, step: int) -> float:
        """The factor after that many updates."""
        if step < self.warmup:
            return self.floor + (1 - self.floor) * step / self.warmup
        done = min(1.0, (step - self.warmup) / (self.steps - self.warmup))
        return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * done))


@schedule("step_decay")
class StepDecay:
    """Step decay: stays, then falls by the same factor at the start of every epoch.

    Args:
        steps: updates of the whole run.
        steps_per_epoch: updates of an epoch.
        factor: what is left of the learning rate after each epoch.
        after: the first epoch, counted from 0, that is as high as the start and followed by a lower one.

    Paper: "decay after the 5th epoch", arXiv:2402.18007; 0.85 an epoch as AST does, arXiv:2104.01778.
    """

    def __init__(self, steps: int, steps_per_epoch: int, *, factor: Share = 0.85, after: Whole = 5):
        self.steps_per_epoch = steps_per_epoch
        self.factor = factor
        self.after = after

    def __call__(self, step: int) -> float:
        """The factor after that many updates, the same for all of an epoch."""
        return float(self.factor ** max(0, step // self.steps_per_epoch - self.after))
