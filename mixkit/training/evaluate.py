"""One pass over a split, with all figures."""

import logging
from collections.abc import Iterator

import torch

from mixkit.data.batches import Batch, Batches, ClipAudio, Order
from mixkit.data.unusable import usable
from mixkit.data.waveforms import Waveforms
from mixkit.errors import DataError, RunError
from mixkit.model.classifier import Classifier
from mixkit.registry import Loss, loss, task
from mixkit.tasks.clip import SPLITS, some
from mixkit.training.device import autocast, precision_of
from mixkit.training.distributed import Processes
from mixkit.training.metrics import Figures, figures

_log = logging.getLogger(__name__)


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
    processes = processes or Processes()
    scores, targets, items, losses = [], [], [], []
    training = model.training
    model.eval()
    with torch.inference_mode():
        for batch in batches:
            if not processes.count(batch.total or len(batch.items)):
                continue  # its clip is borrowed, and counted elsewhere
            with autocast(batch.waveform.device, precision):
                logits = model(batch.waveform).float()
            losses.append(objective(logits, batch.target) * len(batch.target))
            scores.append(objective.scores(logits))
            targets.append(batch.target)
            items.append(batch.items)
    model.train(training)
    own = [torch.cat(parts).cpu() for parts in (items, scores, targets)] if items else []
    parts = [part for part in processes.all((own, torch.stack(losses).sum().item() if items else 0.0)) if part[0]]
    found = [torch.cat([part[0][column] for part in parts]) for column in range(3)]
    order = found[0].argsort()
    if not found[1].isfinite().all():
        raise RunError(
            f"the network gives scores that are not finite, first for clip {int(order[0])}. Lower train.learning_rate."
        )
    mean = sum(part[1] for part in parts) / len(order)
    return figures(found[1][order], found[2][order], mean, model.labels, model.multi_label, model.recipe.train.metrics)


def evaluate_split(model: Classifier, split: str, device: torch.device) -> Figures:
    """Figures of a trained model on a split of its own task, made anew from the recipe.

    Args:
        model: as `mixkit.load` returns it.
        split: `train`, `valid` or `test`.
        device: where to compute.

    Raises:
        DataError: the task's recordings are not there, or its labels have changed.
    """
    recipe = model.recipe
    source = task.build(recipe.task)
    if tuple(source.labels) != model.labels:
        raise DataError(
            f"the recordings of {recipe.task.name} have the labels {some(source.labels, 10)}; the network was trained "
            f"on {some(model.labels, 10)}. Name the recordings that it was trained on."
        )
    waveforms = Waveforms(model.sample_rate)
    clips = source.clips(split)
    if recipe.on_bad_file == "skip":
        listed = {name: source.clips(name) for name in SPLITS}
        clips = usable(listed, recipe.on_bad_file, waveforms, _log.warning)[0][split]
    audio = ClipAudio(clips, model.labels, model.sample_rate, model.features.samples, waveforms=waveforms)
    batches = Batches(audio, Order(len(clips), recipe.train.batch_size), device, recipe.train.workers)
    objective = loss.build(recipe.train.loss, None).to(device)
    return evaluate(model.to(device), batches.epoch(0), objective, precision_of(recipe.train.precision, device))
