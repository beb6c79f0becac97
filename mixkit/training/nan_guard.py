"""The NaN guard: losses and gradients that are not finite, found at the step where they arise, and named."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mixkit.data.batches import Batch
from mixkit.errors import RunError, printable
from mixkit.registry import Clip
from mixkit.runs.folder import Run
from mixkit.tasks.clip import some
from mixkit.training.step import Step, StepResult

IN_A_ROW = 20
"""Steps left out one after the other, after which there is no hope."""


class NanGuard:
    """Looks at every step for losses and gradients that are not finite.

    On a CPU, and where such steps are to be left out, before the weights are moved. On a GPU one step later, so that
    nothing waits: `settle` looks at the last one, and is called before anything is saved.

    Args:
        step: that is watched.
        clips: of the training split, to name those of a bad step.
        run: takes an event for each step left out.
    """

    def __init__(self, step: Step, clips: Sequence[Clip], run: Run):
        self.step = step
        self.clips = clips
        self.run = run
        self.in_a_row = 0
        self._late: tuple[StepResult, Batch, str, float, Any] | None = None

    def __call__(self, result: StepResult, batch: Batch, where: str) -> None:
        """Looks at a step.

        Args:
            result: of the step.
            batch: that it took.
            where: which step it was, for people.

        Raises:
            RunError: a number is not finite; step, clips, learning rate and the first bad tensor are named.
        """
        rate = self.step.learning_rate
        if not math.isfinite(rate):
            raise RunError(f"{where}: the learning rate is {rate}. Look at train.schedule.")
        self.settle()
        if self.step.looks:
            self.in_a_row = self.in_a_row + 1 if result.left_out else 0
            if result.left_out:
                self._report(result, batch, where, rate)
            return
        loss, norm = (number.to("cpu", non_blocking=True) for number in (result.loss, result.norm))
        done = torch.cuda.Event() if result.loss.is_cuda else None
        if done:
            done.record()
        self._late = StepResult(loss, norm), batch, where, rate, done

    def settle(self) -> None:
        """Looks at the step that was not looked at yet.

        Raises:
            RunError: a number is not finite.
        """
        if self._late is None:
            return
        result, batch, where, rate, done = self._late
        self._late = None
        if done:
            done.synchronize()
        scaled = self.step.precision == "fp16"  # its gradients may overflow: the scaler leaves those steps out
        if not (result.loss.isfinite() and (scaled or result.norm.isfinite())):
            self._report(result, batch, where, rate)

    def _report(self, result: StepResult, batch: Batch, where: str, rate: float) -> None:
        names = [str(self.clips[int(item)].path) for item in batch.items]
        fault = f"{where}: the loss is {float(result.loss):.4g}, the norm of the gradients {float(result.norm):.4g}."
        first = first_bad(self.step.model, batch, result.loss)
        if self.step.settings.on_bad_number == "skip" and self.in_a_row < IN_A_ROW:
            self.run.event("left out", where=where, first_bad=first, clips=[printable(name) for name in names])
            return
        many = f" {IN_A_ROW} steps in a row were so." if self.in_a_row >= IN_A_ROW else ""
        raise RunError(
            f"{fault}{many} Not finite first: {first}. Learning rate {rate:.3g}; clips {some(names)}. "
            "Lower train.learning_rate, set train.gradient_clip = 1.0, or leave such steps out: "
            "train.on_bad_number = 'skip'."
        )


def first_bad(model: nn.Module, batch: Batch, loss: Tensor) -> str:
    """The first of a step's tensors that is not finite, in the order in which they arise."""
    if not _is_finite(batch.waveform):
        return "the audio"
    for name, weight in model.named_parameters():
        if not _is_finite(weight):
            return f"the weight {name}"
    if not _is_finite(loss):
        return "the loss"
    for name, weight in reversed(list(model.named_parameters())):
        if weight.grad is not None and not _is_finite(weight.grad):
            return f"the gradient of {name}"
    return "the sum of the squared gradients"


def _is_finite(x: Tensor) -> bool:
    return bool(x.isfinite().all())
