"""Figures of merit, computed by torchmetrics from the scores of a whole split."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from mixkit.errors import MixkitError, printable
from mixkit.recipe.schema import CHOICES
from mixkit.registry import Spec, metric
from mixkit.values import show

THRESHOLD = 0.5
"""In a multi-label set, a label counts as answered if its score is above."""


@dataclass(frozen=True)
class Figures:
    """How well a split was told apart.

    Args:
        clips: how many.
        loss: mean loss.
        accuracy: share of clips whose highest score is the right class; in a multi-label set, of those whose answers
            are exactly their labels (subset accuracy).
        auc: area under the ROC curve, one class against the rest, mean over classes (macro); None where the split
            holds one class only.
        f1: harmonic mean of precision and recall, mean over classes (macro).
        recall: mean over classes of the share found, also called unweighted average recall (UAR).
        map: mean average precision, one class against the rest, mean over classes (macro); None where the split
            holds one class only.
        per_class: recall of each class.
        average_precision: of each class, where it has one.
        confusion: rows are the right classes, columns the answers; None in a multi-label set.
        threshold: a score above it is an answer, for accuracy, f1 and recall; None where the highest score is.
        more: the metrics that the recipe asks for, by name; None where the split does not determine one.
    """

    clips: int
    loss: float
    accuracy: float
    auc: float | None
    f1: float
    recall: float
    map: float | None
    per_class: dict[str, float]
    average_precision: dict[str, float]
    confusion: list[list[int]] | None
    threshold: float | None
    more: Mapping[str, float | None] = field(default_factory=dict)

    def headline(self) -> dict[str, float | None]:
        """What is told of a split in a line, and what a best epoch can be chosen by."""
        return {key: getattr(self, key) for key in ("loss", "accuracy", "auc", "f1", "recall", "map")} | dict(self.more)

    def to_json(self) -> dict[str, Any]:
        """Plain data; further metrics stand beside the others."""
        plain = asdict(self)
        return plain | plain.pop("more")


def figures(
    scores: Tensor,
    target: Tensor,
    loss: float,
    labels: tuple[str, ...],
    multi_label: bool = False,
    metrics: Iterable[Spec] = (),
) -> Figures:
    """All figures of a split.

    A class that the split does not hold, or that fills it, has no ROC curve and no average precision, and is left out
    of their means; one that the split does not hold is left out of all of them.

    Args:
        scores: `n k`, higher is likelier; of a multi-label set, probabilities.
        target: `n k`, 1 for the right classes, 0 for the others.
        loss: mean loss, computed by the caller.
        labels: names of the classes.
        multi_label: whether a clip may have several labels, or none.
        metrics: further ones that the recipe asks for.

    Raises:
        MixkitError: a further metric fails, or gives no number; it is named.
    """
    from torchmetrics.functional import classification as torchmetrics  # takes seconds to import

    target = target.long()
    counts = target.sum(0)
    held = [index for index in range(len(labels)) if 0 < counts[index] < len(target)]
    aucs = [torchmetrics.binary_auroc(scores[:, index], target[:, index]) for index in held]
    precisions = [torchmetrics.binary_average_precision(scores[:, index], target[:, index]) for index in held]
    answered = _answers(torchmetrics, scores, target, multi_label)
    present = counts > 0
    return Figures(
        clips=len(target),
        loss=loss,
        accuracy=answered["accuracy"].item(),
        auc=_mean(aucs),
        f1=answered["f1"][present].mean().item(),
        recall=answered["recall"][present].mean().item(),
        map=_mean(precisions),
        per_class={label: answered["recall"][index].item() for index, label in enumerate(labels) if present[index]},
        average_precision={labels[index]: found.item() for index, found in zip(held, precisions, strict=True)},
        confusion=answered["confusion"].tolist() if "confusion" in answered else None,
        threshold=THRESHOLD if multi_label else None,
        more={spec.name: _measured(spec, scores.clone(), target.clone()) for spec in metrics},
    )


def lower_is_better(figure: str) -> bool:
    """Whether less of a figure is better: of a metric, what its decorator says; of our own figures to choose by, no."""
    return figure not in CHOICES and bool(metric.entry(figure).facts["lower_is_better"])


def rank(figures: Mapping[str, float | None], figure: str) -> tuple[float, float]:
    """What an epoch is chosen by: the larger the better.

    Args:
        figures: of the validation split, as `Figures.headline` gives them.
        figure: the name of one.

    Raises:
        MixkitError: the split does not determine it.
    """
    value, loss = figures[figure], figures["loss"]
    if value is None:
        why = "it holds one class only" if figure in CHOICES else "the metric gives no number for it"
        raise MixkitError(f"valid has no {figure}: {why}. Give it more classes, or set train.best = 'accuracy'.")
    return -value if lower_is_better(figure) else value, -(loss or 0.0)


def per_cent(share: float | None) -> str:
    """A share for people: `93.5%`, or `-` where there is none."""
    return "-" if share is None else f"{share:.1%}"


def _measured(spec: Spec, scores: Tensor, target: Tensor) -> float | None:
    try:
        found: object = metric.build(spec)(scores, target)
    except MixkitError:
        raise
    except Exception as error:
        raise MixkitError(f"metric {spec} fails: {type(error).__name__}: {printable(str(error))}.") from error
    if isinstance(found, Tensor) and found.numel() == 1:
        found = found.item()
    if not isinstance(found, Real):
        raise MixkitError(f"metric {spec} gives {printable(show(found))}. It has to give a number.")
    return float(found) if math.isfinite(found) else None


def _answers(torchmetrics: Any, scores: Tensor, target: Tensor, multi_label: bool) -> dict[str, Tensor]:
    """What depends on answers, and not on the order of scores alone; f1 and recall of each class."""
    classes = target.shape[1]
    if multi_label:
        return {
            "accuracy": torchmetrics.multilabel_exact_match(scores, target, classes, THRESHOLD),
            "f1": torchmetrics.multilabel_f1_score(scores, target, classes, THRESHOLD, average="none"),
            "recall": torchmetrics.multilabel_recall(scores, target, classes, THRESHOLD, average="none"),
        }
    right = target.argmax(1)
    return {
        "accuracy": torchmetrics.multiclass_accuracy(scores, right, classes, average="micro"),
        "f1": torchmetrics.multiclass_f1_score(scores, right, classes, average="none"),
        "recall": torchmetrics.multiclass_recall(scores, right, classes, average="none"),
        "confusion": torchmetrics.multiclass_confusion_matrix(scores, right, classes),
    }


def _mean(values: list[Tensor]) -> float | None:
    return torch.stack(values).mean().item() if values else None
