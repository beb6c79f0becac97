"""One pass over a split, with all figures."""

from collections.abc import Iterator

import torch

from mixkit.model.mixer import Classifier
from mixkit.registry import loss, task
from mixkit.training.data import Batch, Batches, ClipAudio, Order
from mixkit.training.device import autocast, precision_of
from mixkit.training.metrics import Figures, figures


def evaluate(model: Classifier, batches: Iterator[Batch], objective: torch.nn.Module, precision: str) -> Figures:
    """Figures of a model over batches of a split.

    Args:
        model: with its labels.
        batches: on the model's device.
        objective: a registered loss; its `scores` turn logits into scores.
        precision: `float32` or `bf16`, of matrix products.
    """
    scores, targets, losses = [], [], []
    training = model.training
    model.eval()
    with torch.inference_mode():
        for batch in batches:
            with autocast(batch.waveform.device, precision):
                logits = model(batch.waveform).float()
            one_hot = torch.nn.functional.one_hot(batch.target, len(model.labels)).float()
            losses.append(objective(logits, one_hot) * len(batch.target))
            scores.append(objective.scores(logits))  # type: ignore[operator]
            targets.append(batch.target)
    model.train(training)
    total = torch.stack(losses).sum() / sum(len(target) for target in targets)
    return figures(torch.cat(scores).cpu(), torch.cat(targets).cpu(), total.item(), model.labels)


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
    clips = source.clips(split)
    audio = ClipAudio(clips, model.labels, model.sample_rate, model.features.samples)
    batches = Batches(audio, Order(len(clips), recipe.train.batch_size), device, recipe.train.workers)
    objective = loss.build(recipe.train.loss, None).to(device)
    return evaluate(model.to(device), batches.epoch(0), objective, precision_of(recipe.train.precision, device))
