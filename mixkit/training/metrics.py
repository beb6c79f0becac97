"""Figures of merit, computed by torchmetrics from the scores of a whole split."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Figures:
    """How well a split was told apart.

    Args:
        clips: how many.
        loss: mean loss.
        accuracy: share of clips whose highest score is the right class.
        auc: area under the ROC curve, one class against the rest, mean over classes (macro); None where the split
            holds one class only.
        f1: harmonic mean of precision and recall, mean over classes (macro).
        recall: mean over classes of the share found, also called unweighted average recall (UAR).
        per_class: recall of each class.
        confusion: rows are the right classes, columns the answers.
    """

    clips: int
    loss: float
    accuracy: float
    auc: float | None
    f1: float
    recall: float
    per_class: dict[str, float]
    confusion: list[list[int]]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def figures(scores: Tensor, target: Tensor, loss: float, labels: tuple[str, ...]) -> Figures:
    """All figures of a split.

    A class that the split does not hold, or that fills it, has no ROC curve and is left out of the mean.

    Args:
        scores: `n k`, higher is likelier.
        target: `n`, index of the right class.
        loss: mean loss, computed by the caller.
        labels: names of the classes.
    """
    from torchmetrics.functional import classification as metric  # takes seconds to import

    classes = len(labels)
    counts = torch.bincount(target, minlength=classes)
    recall = metric.multiclass_recall(scores, target, classes, average="none")
    held = [index for index in range(classes) if 0 < counts[index] < len(target)]
    aucs = [metric.binary_auroc(scores[:, index], (target == index).long()) for index in held]
    present = counts > 0
    f1 = metric.multiclass_f1_score(scores, target, classes, average="none")
    return Figures(
        clips=len(target),
        loss=loss,
        accuracy=metric.multiclass_accuracy(scores, target, classes, average="micro").item(),
        auc=torch.stack(aucs).mean().item() if aucs else None,
        f1=f1[present].mean().item(),
        recall=recall[present].mean().item(),
        per_class={label: recall[index].item() for index, label in enumerate(labels) if present[index]},
        confusion=metric.multiclass_confusion_matrix(scores, target, classes).tolist(),
    )


def per_cent(share: float | None) -> str:
    """A share for people: `93.5%`, or `-` where there is none."""
    return "-" if share is None else f"{share:.1%}"
