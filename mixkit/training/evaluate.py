"""One pass over a split: scores of every clip, and all figures."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from mixkit.data.batches import Batch
from mixkit.data.run_split import RunSplits
from mixkit.defaults import torch_defaults
from mixkit.errors import RunError
from mixkit.model.classifier import Classifier, expect_labels
from mixkit.registry import Loss, loss
from mixkit.runs.results import Figures
from mixkit.training.distributed import Processes
from mixkit.training.figures import figures
from mixkit.training.precision import autocast, precision_of


@dataclass(frozen=True)
class Scored:
    """What a model gives for every clip of a split, in the order of the split, on the CPU.

    Args:
        scores: `n k`.
        targets: `n k`, 1 for the classes of a clip, 0 for the others.
        loss: mean over the clips.
    """

    scores: Tensor
    targets: Tensor
    loss: float


def score(
    model: Classifier,
    batches: Iterator[Batch],
    objective: Loss,
    precision: str,
    processes: Processes | None = None,
) -> Scored:
    """Scores of a model over batches of a split; arguments and errors are those of `evaluate`."""
    processes = processes or Processes()
    losses, scores, targets, items = list[Tensor](), list[Tensor](), list[Tensor](), list[Tensor]()
    training = model.training
    model.eval()
    with torch.inference_mode():
        for batch in batches:
            if not processes.count(batch.total or len(batch.items)):
                continue  # its clip is borrowed, and counted elsewhere
            clips, counts = batch.items.unique_consecutive(return_counts=True)
            with autocast(batch.waveform.device, precision):
                parts = batch.waveform.split(len(clips))  # a batch of clips may be many times as many windows
                logits = torch.cat([model(part) for part in parts]).float()
            found = _of_clips(objective, logits, batch.target, counts.tolist())
            for column, rows in zip((losses, scores, targets, items), (*found, clips), strict=True):
                column.append(rows)
    model.train(training)
    own = [torch.cat(parts).cpu() for parts in (items, scores, targets)] if items else []
    parts = [part for part in processes.all((own, torch.stack(losses).sum().item() if items else 0.0)) if part[0]]
    columns = [torch.cat([part[0][column] for part in parts]) for column in range(3)]
    order = columns[0].argsort()
    if not columns[1].isfinite().all():
        raise RunError(
            f"the network gives scores that are not finite, first for clip {int(order[0])}. Lower train.learning_rate."
        )
    return Scored(columns[1][order], columns[2][order], sum(part[1] for part in parts) / len(order))


def _of_clips(objective: Loss, logits: Tensor, target: Tensor, counts: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """The sum of the clips' losses, their scores and their targets; a clip in several windows has their mean."""
    scores = objective.scores(logits)
    if len(counts) == len(logits):
        return objective(logits, target) * len(target), scores, target
    windows = list(zip(logits.split(counts), target.split(counts), strict=True))
    loss = torch.stack([objective(*of_one) for of_one in windows]).sum()
    means = [rows.double().mean(0).float() for rows in scores.split(counts)]
    return loss, torch.stack(means), torch.stack([rows[0] for _, rows in windows])


def evaluate(
    model: Classifier,
    batches: Iterator[Batch],
    objective: Loss,
    precision: str,
    processes: Processes | None = None,
) -> Figures:
    """Figures of a model over batches of a split.

    Args:
        model: with its labels.
        batches: on the model's device.
        objective: a registered loss; its `scores` turn logits into scores.
        precision: `float32`, `bf16` or `fp16`, of matrix products.
        processes: that share each batch; every clip is counted once, and all of them get the same figures.

    Raises:
        RunError: the network gives numbers that are not finite.
    """
    return figures_of(model, score(model, batches, objective, precision, processes))


def score_split(model: Classifier, splits: RunSplits, split: str, device: torch.device) -> Scored:
    """Scores of a trained model over one of its splits.

    Args:
        model: as `mixkit.load` returns it.
        splits: its own, as `run_split` gives them.
        split: `train`, `valid` or `test`.
        device: where to compute.

    Raises:
        MixkitError: the network is pretrained, and knows no classes.
        DataError: a clip cannot be read.
        RunError: the network gives numbers that are not finite.
    """
    expect_labels(model)
    settings = model.recipe.train
    objective = loss.build(settings.loss, None).to(device)
    batches = splits.batches(split, device)
    return score(model.to(device), batches.epoch(0), objective, precision_of(settings.precision, device))


@torch_defaults()
def evaluate_split(model: Classifier, splits: RunSplits, split: str, device: torch.device) -> Figures:
    """Figures of a trained model on a split of its own; arguments and errors are those of `score_split`."""
    return figures_of(model, score_split(model, splits, split, device))


def figures_of(model: Classifier, found: Scored) -> Figures:
    """Figures of what a model gives for a split."""
    metrics = model.recipe.train.metrics
    return figures(found.scores, found.targets, found.loss, model.labels, model.multi_label, metrics)
