"""Metrics: what says how well the classes of a split are told apart, from the scores of all of its clips.

A metric is called as `metric(scores, target)`, both `n k`: higher scores are likelier, and the target is 1 for the
right classes, 0 for the others. It gives a number, or not-a-number where the split does not determine it. What tables
need beside it stands in the decorator:

- `title`: in headings and sentences, the name without; `several_title` where several labels a clip make it another.
- `percent`: it is a share from 0 to 1.
- `lower_is_better`: `train.best` takes the lowest.
- `macro`: it is a mean over classes.
- `per_class`: it gives `k` numbers, one a class, not-a-number where the split does not determine one; the figure is the
  mean of the others. The fact is the heading of those numbers.
- `place`: its column in the tables of every run, with one label a clip and with several; 0 for none. A metric without
  is computed where a recipe names it in `train.metrics`.

Where scores have to become answers, `threshold` says how: None takes the highest score; a number, of a set with several
labels a clip, takes every score above it.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mixkit.registry import metric
from mixkit.values import Count, Share

THRESHOLD = 0.5
"""With several labels a clip, a label counts as answered if its score is above."""


@metric("accuracy", title="accuracy", several_title="subset accuracy", percent=True, place=(1, 5))
class Accuracy:
    """Share of clips whose highest score is the right class; of several labels, of those answered exactly.

    Args:
        threshold: a score above it is an answer; None for the highest one.
    """

    def __init__(self, *, threshold: Share | None = None):
        self.threshold = threshold

    def __call__(self, scores: Tensor, target: Tensor) -> Tensor:
        """Share of clips, 0 to 1."""
        torchmetrics = _torchmetrics()
        if self.threshold is not None:
            return torchmetrics.multilabel_exact_match(scores, target, target.shape[1], self.threshold)
        return torchmetrics.multiclass_accuracy(scores, target.argmax(1), target.shape[1], average="micro")


@metric("auc", title="AUC", percent=True, macro=True, place=(2, 2))
class Auc:
    """Area under the ROC curve, one class against the rest, mean over classes (macro)."""

    def __call__(self, scores: Tensor, target: Tensor) -> Tensor:
        """Mean over the classes that the split holds and that do not fill it."""
        return mean(_one_against_rest(_torchmetrics().binary_auroc, scores, target))


@metric("f1", title="F1", percent=True, macro=True, place=(3, 3))
class F1:
    """Harmonic mean of precision and recall, mean over classes (macro).

    Args:
        threshold: a score above it is an answer; None for the highest one.
    """

    def __init__(self, *, threshold: Share | None = None):
        self.threshold = threshold

    def __call__(self, scores: Tensor, target: Tensor) -> Tensor:
        """Mean over the classes that the split holds."""
        return mean(_answered("f1_score", scores, target, self.threshold))


@metric("recall", title="recall", percent=True, macro=True, place=(4, 4), per_class="recall")
class Recall:
    """Share of each class that is found, mean over classes: the unweighted average recall (UAR).

    Args:
        threshold: a score above it is an answer; None for the highest one.
    """

    def __init__(self, *, threshold: Share | None = None):
        self.threshold = threshold

    def __call__(self, scores: Tensor, target: Tensor) -> Tensor:
        """A share for each class, `k`; not-a-number for one that the split does not hold."""
        return _answered("recall", scores, target, self.threshold)


@metric("map", title="mAP", percent=True, macro=True, place=(0, 1), per_class="average precision")
class MeanAveragePrecision:
    """Mean average precision: one class against the rest, mean over classes (macro)."""

    def __call__(self, scores: Tensor, target: Tensor) -> Tensor:
        """Average precision of each class, `k`; not-a-number for one that the split does not hold, or that fills it."""
        return _one_against_rest(_torchmetrics().binary_average_precision, scores, target)


@metric("top_accuracy", percent=True)
class TopAccuracy:
    """How often a right class is among the few with the highest scores.

    Args:
        among: how many classes may be answered; 1 is accuracy.
    """

    def __init__(self, *, among: Count = 5):
        self.among = among

    def __call__(self, scores: Tensor, target: Tensor) -> float:
        """Share of clips, 0 to 1."""
        answers = scores.topk(min(self.among, scores.shape[1]), dim=1).indices
        return target.gather(1, answers).any(1).float().mean().item()


def mean(each: Tensor) -> Tensor:
    """The mean of what each class has, without the classes that have none; not-a-number where no class has any."""
    return each[~each.isnan()].mean()


def _torchmetrics() -> Any:
    from torchmetrics.functional import classification  # takes seconds to import

    return classification


def _answered(name: str, scores: Tensor, target: Tensor, threshold: float | None) -> Tensor:
    """A figure of each class that rests on answers; not-a-number for a class that the split does not hold."""
    classes, torchmetrics = target.shape[1], _torchmetrics()
    if threshold is not None:
        each = getattr(torchmetrics, f"multilabel_{name}")(scores, target, classes, threshold, average="none")
    else:
        each = getattr(torchmetrics, f"multiclass_{name}")(scores, target.argmax(1), classes, average="none")
    return torch.where(target.sum(0) > 0, each, torch.nan)


def _one_against_rest(curve: Callable[[Tensor, Tensor], Tensor], scores: Tensor, target: Tensor) -> Tensor:
    """What rests on the order of scores alone, of each class; a class that fills the split has no curve either."""
    counts = target.sum(0)
    held = (counts > 0) & (counts < len(target))
    none = scores.new_tensor(torch.nan)
    return torch.stack([curve(scores[:, k], target[:, k]) if held[k] else none for k in range(target.shape[1])])
