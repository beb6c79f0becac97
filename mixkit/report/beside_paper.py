"""What of our runs stands beside a figure of a paper, which may be of validation, or of the best run alone."""

from collections.abc import Iterable
from statistics import fmean

from mixkit.recipe.figures import Figure, figure
from mixkit.report.runs_by_arm import ComparedArm
from mixkit.study.paper import kind_and_metric

_AHEAD = {"": "", "valid": ", validation", "best": ", best run"}


def ours(arm: ComparedArm, name: str) -> float | None:
    """The mean over the runs of an arm, or the best of them where the paper gives that; None if no run has it."""
    kind, metric = kind_and_metric(name)
    values = arm.values(metric, "valid" if kind == "valid" else "test").values()
    if not values:
        return None
    if kind == "best":
        return min(values) if figure(metric).lower_is_better else max(values)
    return fmean(values)


def with_means(names: Iterable[str]) -> list[str]:
    """The names of a paper's figures; ahead of that of a best run the mean, which alone compares with other means."""
    kinds = {name: kind_and_metric(name) for name in names}
    means = {name: metric for name, (kind, metric) in kinds.items() if kind == "best"}
    return [*dict.fromkeys(part for name in kinds for part in (means.get(name, name), name))]


def title(name: str, one: Figure) -> str:
    """Of a paper's figure: `accuracy, validation`."""
    return f"{one.title}{_AHEAD[kind_and_metric(name)[0]]}"
