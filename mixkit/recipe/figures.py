"""The figures of a run: which of them every run has, and how each is shown. Every list is a query of the metrics."""

from collections.abc import Sequence
from dataclasses import dataclass

from mixkit.registry import metric

LOSS = "loss"
KEYS = ("clips", LOSS, "per_class", "average_precision", "confusion", "threshold")
"""What stands in the results of a split beside its metrics; no metric has one of these names."""


@dataclass(frozen=True)
class Figure:
    """A metric, or the loss, as tables and charts show it.

    Args:
        name: as a recipe writes it.
        title: in headings and sentences.
        percent: whether it is a share, shown in per cent.
        lower_is_better: whether less of it is better.
        macro: whether it is a mean over classes.
        per_class: heading of its values of each class; empty where it has none.
    """

    name: str
    title: str
    percent: bool = False
    lower_is_better: bool = False
    macro: bool = False
    per_class: str = ""

    @property
    def heading(self) -> str:
        """Of a column of numbers."""
        return f"{self.title} %" if self.percent else self.title

    @property
    def scale(self) -> float:
        """What a value is multiplied by to be shown."""
        return 100.0 if self.percent else 1.0

    def show(self, value: float | None) -> str:
        """`93.5%`, or `0.935` in units of its own, or `-` where there is none."""
        if value is None:
            return "-"
        return f"{value:.1%}" if self.percent else f"{value:.3f}"


def figure(name: str, several: bool = False) -> Figure:
    """How a figure is shown; the metric of a plugin that is not loaded by its name, in units of its own.

    Args:
        name: of a metric, or `loss`.
        several: whether clips may have several labels.
    """
    if name not in metric.names():
        return Figure(name, name, lower_is_better=name == LOSS)
    facts = metric.entry(name).facts
    title = (several and facts["several_title"]) or facts["title"] or name
    told = ("percent", "lower_is_better", "macro", "per_class")
    return Figure(name, title, **{fact: facts[fact] for fact in told})


def standard() -> tuple[str, ...]:
    """The metrics that every run has, whatever its recipe asks for."""
    places = _places()
    return tuple(sorted(places, key=lambda name: min(place for place in places[name] if place)))


def columns(several: bool) -> tuple[str, ...]:
    """Those that tables show of every run, in their order; the first of them leads.

    Args:
        several: whether clips may have several labels.
    """
    places = {name: place[several] for name, place in _places().items() if place[several]}
    return tuple(sorted(places, key=lambda name: places[name]))


def leading(best: str, several: bool) -> str:
    """The figure that is told first: the one by which the recipe chooses, `train.best`.

    Of several labels a clip, accuracy asks for all of them at once, and leads only because it is the default: there the
    first column does instead.
    """
    return columns(True)[0] if several and best == columns(False)[0] else best


def pair(best: str, several: bool) -> tuple[str, str]:
    """The figure that leads, and the first column beside it: the two by which networks are compared."""
    first = leading(best, several)
    return first, next(name for name in columns(several) if name != first)


def listed(words: Sequence[str]) -> str:
    """`mAP, AUC and F1`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def takes_threshold(name: str) -> bool:
    """Whether a metric rests on answers, which with several labels a clip are the scores above a threshold."""
    return any(setting.name == "threshold" for setting in metric.entry(name).settings)


def _places() -> dict[str, tuple[int, int]]:
    found = {name: metric.entry(name).facts["place"] for name in metric.names()}
    return {name: place for name, place in found.items() if any(place)}
