"""All figures of a split, from the scores of its clips, and what an epoch is chosen by."""

import math
from collections.abc import Iterable, Iterator, Mapping
from numbers import Real

from torch import Tensor

from mixkit.errors import MixkitError, printable
from mixkit.recipe.figures import LOSS, figure, standard, takes_threshold
from mixkit.registry import Spec, metric
from mixkit.runs.results import Figures
from mixkit.training.metrics import THRESHOLD, mean
from mixkit.values import show


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
        MixkitError: a metric fails, or gives no number; it is named.
    """
    target = target.long()
    values: dict[str, float | None] = {}
    per_class: dict[str, dict[str, float]] = {}
    for spec in (*_standard(multi_label), *metrics):
        found = _computed(spec, scores.clone(), target.clone())
        if metric.entry(spec.name).facts["per_class"]:
            each = _of_classes(spec, found, len(labels))
            known = zip(labels, each.tolist(), strict=True)
            per_class[spec.name] = {label: value for label, value in known if math.isfinite(value)}
            found = mean(each)
        values[spec.name] = _number(spec, found)
    return Figures(
        clips=len(target),
        loss=loss,
        values=values,
        per_class=per_class,
        confusion=None if multi_label else _confusion(scores, target),
        threshold=THRESHOLD if multi_label else None,
    )


def rank(figures: Mapping[str, float | None], best: str) -> tuple[float, float]:
    """What an epoch is chosen by: the larger the better.

    Args:
        figures: of the validation split, as `Figures.headline` gives them.
        best: the name of one.

    Raises:
        MixkitError: the split does not determine it.
    """
    value, loss = figures[best], figures[LOSS]
    if value is None:
        why = "it holds one class only" if best in standard() else "the metric gives no number for it"
        raise MixkitError(f"valid has no {best}: {why}. Give it more classes, or set train.best = 'accuracy'.")
    return -value if figure(best).lower_is_better else value, -(loss or 0.0)


def chosen_by(best: str) -> str:
    """In words, how the best epoch is chosen."""
    at_a_tie = "" if best == LOSS else "; at a tie the lower loss"
    return f"{'lowest' if figure(best).lower_is_better else 'highest'} {best} on valid{at_a_tie}"


def _standard(multi_label: bool) -> Iterator[Spec]:
    for name in standard():
        yield metric.spec(name, **({"threshold": THRESHOLD} if multi_label and takes_threshold(name) else {}))


def _computed(spec: Spec, scores: Tensor, target: Tensor) -> object:
    try:
        return metric.build(spec)(scores, target)
    except MixkitError:
        raise
    except Exception as error:
        raise MixkitError(f"metric {spec} fails: {type(error).__name__}: {printable(str(error))}.") from error


def _of_classes(spec: Spec, found: object, classes: int) -> Tensor:
    if not isinstance(found, Tensor) or found.shape != (classes,):
        raise MixkitError(f"metric {spec} gives {printable(show(found))}. It has to give a number for each class.")
    return found


def _number(spec: Spec, found: object) -> float | None:
    if isinstance(found, Tensor) and found.numel() == 1:
        found = found.item()
    if not isinstance(found, Real):
        raise MixkitError(f"metric {spec} gives {printable(show(found))}. It has to give a number.")
    return float(found) if math.isfinite(found) else None


def _confusion(scores: Tensor, target: Tensor) -> tuple[tuple[int, ...], ...]:
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    counts = multiclass_confusion_matrix(scores, target.argmax(1), target.shape[1])
    return tuple(tuple(row) for row in counts.tolist())
