"""Precision, recall and F1 of each class, and their means."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class ClassFigures:
    """How well one class is told from the others.

    Args:
        label: of the class.
        clips: that have it, its support.
        answers: clips for which it was answered.
        precision: share of its answers that are right; 0 for a class that is there and never answered, None for one
            that is neither.
        recall: share of its clips that are found; None for a class without clips.
        f1: harmonic mean of both; None for a class without clips.
    """

    label: str
    clips: int
    answers: int
    precision: float | None
    recall: float | None
    f1: float | None


def class_figures(
    scores: Tensor, target: Tensor, labels: Sequence[str], threshold: float | None
) -> tuple[ClassFigures, ...]:
    """The figures of every class.

    Args:
        scores: `n k`, higher is likelier.
        target: `n k`, 1 for the right classes, 0 for the others.
        labels: of the classes.
        threshold: a score above it is an answer; None for the highest score of a clip.
    """
    right = target > 0.5
    answered = scores > threshold if threshold is not None else _highest(scores)
    counts = [(part.sum(0)).tolist() for part in (right & answered, answered, right)]
    return tuple(_of_class(*each) for each in zip(labels, *counts, strict=True))


def means(classes: Sequence[ClassFigures], weighted: bool = False) -> tuple[float, float, float]:
    """Mean precision, recall and F1 over the classes that have clips; `weighted`, each counts by how many it has."""
    held = [one for one in classes if one.clips]
    weights = [one.clips if weighted else 1 for one in held]
    total = max(sum(weights), 1)
    columns = zip(*((one.precision or 0.0, one.recall or 0.0, one.f1 or 0.0) for one in held), strict=True)
    precision, recall, f1 = (
        sum(w * value for w, value in zip(weights, column, strict=True)) / total for column in columns
    )
    return precision, recall, f1


def _highest(scores: Tensor) -> Tensor:
    answers = scores.new_zeros(scores.shape).bool()
    return answers.scatter_(1, scores.argmax(1, keepdim=True), True)


def _of_class(label: str, hits: int, answers: int, clips: int) -> ClassFigures:
    precision = hits / answers if answers else 0.0 if clips else None
    recall, f1 = (hits / clips, 2 * hits / (answers + clips)) if clips else (None, None)
    return ClassFigures(label, clips, answers, precision, recall, f1)
