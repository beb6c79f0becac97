"""The dry run: everything is built and a few steps are taken, and nothing is written."""

import time
from dataclasses import dataclass
from itertools import islice

import torch

from mixkit.data.batches import Batches, Order
from mixkit.defaults import torch_defaults
from mixkit.recipe.schema import Recipe
from mixkit.training.budget import Budget, budget
from mixkit.training.device import deterministic
from mixkit.training.display import TrainingDisplay
from mixkit.training.memory import explained, peak
from mixkit.training.prepare import prepare
from mixkit.training.pretrain import step_of

STEPS = 3
"""The first is slower than those after it, and does not count."""


@dataclass(frozen=True)
class Estimate:
    """What a run would take.

    Args:
        device: that was used.
        precision: of matrix products.
        parameters: of the network.
        loss: of the last step.
        step_seconds: of one step.
        epoch_seconds: of one epoch with its validation.
        run_seconds: of all epochs, and of a refit as long as it can be.
        budget: how long the run is.
        teacher: what work the teacher of the run is, in a sentence; empty without one.
        memory: bytes at their peak: of the GPU, or of the process on a CPU.
        disk: bytes of the run folder, at least.
    """

    device: str
    precision: str
    parameters: int
    loss: float
    step_seconds: float
    epoch_seconds: float
    run_seconds: float
    budget: Budget
    teacher: str
    memory: int
    disk: int


@torch_defaults()
def dry_run(recipe: Recipe, device: str, display: TrainingDisplay) -> Estimate:
    """Builds everything, takes a few steps and validates a batch.

    Args:
        recipe: what would be trained.
        device: as on the command line.
        display: is told about the data.

    Raises:
        MixkitError: as training would.
    """
    prepared = prepare(recipe, device, display)
    settings, model, place = recipe.train, prepared.model, prepared.device
    torch.manual_seed(settings.seed)
    audio, checks = prepared.splits.audio("train", settings.seed), prepared.splits.audio("valid")
    step = step_of(prepared)
    batches = Batches(audio, Order(len(audio), settings.batch_size, settings.seed), place)
    with explained(settings), deterministic(settings.deterministic):
        for batch in islice(batches.epoch(0), STEPS):
            began = time.monotonic()
            last = step(batch, 0).loss.item()
            seconds = time.monotonic() - began
        few = next(Batches(checks, Order(len(checks), settings.batch_size), place).epoch(0))
        for _ in range(2):  # the first imports the figures
            began = time.monotonic()
            step.validated(iter([few]))
            checking = (time.monotonic() - began) * len(checks) / len(few.items)
    planned = prepared.budget
    again = budget(settings, len(audio) + len(checks)).steps if recipe.refits else 0  # at most
    weights = sum(tensor.nbytes for tensor in model.state_dict().values())
    moments = sum(t.nbytes for kept in step.steps.state.values() for t in kept.values() if isinstance(t, torch.Tensor))
    return Estimate(
        device=str(place),
        precision=prepared.precision,
        parameters=sum(p.numel() for p in model.parameters()),
        loss=last,
        step_seconds=seconds,
        epoch_seconds=seconds * planned.per_epoch + checking,
        run_seconds=seconds * (planned.steps + again) + checking * planned.epochs,
        budget=planned,
        teacher=prepared.teacher.work(recipe, model.features, len(model.labels)) if prepared.teacher else "",
        memory=peak(place),
        # The best epoch's, and two states; as much again for a refit.
        disk=(2 if again else 1) * (weights + 2 * (weights * (2 if step.ema else 1) + moments)),
    )
