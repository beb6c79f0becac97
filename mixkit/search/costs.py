"""What a candidate costs, known before anything is trained: by formulas, and by a short measurement."""

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import torch

from mixkit.bench.timed_network import TimedNetwork, Variant
from mixkit.errors import MixkitError, SettingError, did_you_mean
from mixkit.model.classifier import build_features
from mixkit.model.cost import costs, learned_features
from mixkit.recipe.schema import Recipe

ROUNDS = 5  # of the measurement; the first does not count

_LIMIT = re.compile(r"\s*([A-Za-z_]+)\s*(<=|<)\s*([0-9.eE+-]+)\s*")


@dataclass(frozen=True)
class Costs:
    """Of one network.

    Args:
        parameters: trained numbers.
        flops: floating-point operations for one clip forward; a multiply-add counts two.
        ms_per_clip: milliseconds for one clip forward, of the network without its features; None where nobody asked.
    """

    parameters: float
    flops: float
    ms_per_clip: float | None = None


NAMES = tuple(field.name for field in fields(Costs))


@dataclass(frozen=True)
class Limit:
    """What a cost has to stay under.

    Args:
        name: of the cost.
        most: that it may be; reached is not over.
    """

    name: str
    most: float

    def holds(self, costs: Costs) -> bool:
        """Whether a network stays under it."""
        value = getattr(costs, self.name)
        return value is None or value <= self.most

    def __str__(self) -> str:
        return f"{self.name} <= {self.most:g}"


def limit(text: str) -> Limit:
    """A limit as the command line takes it: `parameters <= 500e3`.

    Raises:
        SettingError: it is another text.
    """
    found = _LIMIT.fullmatch(text)
    example = "Write --under 'parameters <= 500e3'."
    if not found:
        raise SettingError("--under", f"is {text!r}. {example}")
    if found[1] not in NAMES:
        raise SettingError("--under", f"names {found[1]!r}.{did_you_mean(found[1], NAMES)}")
    try:
        return Limit(found[1], float(found[3]))
    except ValueError:
        raise SettingError("--under", f"ends in {found[3]!r}, which is no number. {example}") from None


def costs_of(recipe: Recipe, classes: int, device: torch.device | None = None) -> Costs:
    """What the network of a recipe costs.

    Args:
        recipe: of the candidate.
        classes: of its task.
        device: to take the time on; None takes none.

    Raises:
        MixkitError: the network cannot be built: the grid is too small, a width does not divide.
    """
    features = build_features(recipe)
    rows = [*learned_features(features), *costs(recipe.architecture, features.bins, features.frames, classes)]
    counted = sum(row.parameters for row in rows), sum(row.flops for row in rows)
    return Costs(*counted, None if device is None else _milliseconds(recipe, device))


def over(found: Costs, limits: Sequence[Limit]) -> str:
    """Which limits a network is over, in words; empty if none."""
    broken = [one for one in limits if not one.holds(found)]
    return "; ".join(f"{getattr(found, one.name):,.4g} {one.name}, over {one.most:,.4g}" for one in broken)


def _milliseconds(recipe: Recipe, device: torch.device) -> float:
    network = TimedNetwork(recipe, Variant("float32"), 1, device)
    times = [network.forward()["forward"] for _ in range(ROUNDS + 1)]
    return 1000 * statistics.median(times[1:])


def as_values(found: Costs) -> dict[str, float]:
    """The costs that are known, by name."""
    return {name: float(value) for name in NAMES if (value := getattr(found, name)) is not None}


def from_values(found: Mapping[str, float]) -> Costs:
    """The costs as they were kept.

    Raises:
        MixkitError: they are not what `as_values` gave.
    """
    try:
        return Costs(**{name: float(found[name]) for name in NAMES if name in found})
    except (TypeError, ValueError):
        raise MixkitError(f"costs {dict(found)!r} are not what mixkit wrote.") from None
