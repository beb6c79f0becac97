"""The names of a paper's figures: a metric on test, and what stands ahead of it where it is something else."""

from typing import Literal, get_args

from mixkit.errors import SettingError, did_you_mean
from mixkit.registry import metric
from mixkit.values import show

Kind = Literal["", "valid", "best"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def kind_and_metric(name: str) -> tuple[Kind, str]:
    """What a name says: `accuracy` is the mean on test, `valid accuracy` on validation, `best accuracy` the best run's.

    What a record of another hand says ahead of a metric is left to the metric, which nothing has then.
    """
    ahead, _, rest = name.partition(" ")
    kind = next((kind for kind in KINDS if kind == ahead and rest), KINDS[0])
    return kind, rest if kind else name


def expect_figure(name: object, where: str) -> None:
    """Whether a paper's figure has a name that ours can be found by.

    Raises:
        SettingError: it has not.
    """
    kind, found = kind_and_metric(str(name))
    if found in metric.names():
        return
    ahead, _, last = found.rpartition(" ")
    if ahead and not kind and last in metric.names():
        fix = f" Write '{last}', 'valid {last}' for validation, or 'best {last}' for the best run."
    else:
        fix = did_you_mean(found, metric.names())
    raise SettingError(where, f"has {show(name)}, which is no figure.{fix}")
