"""A trial: one candidate, how far it was trained, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from mixkit.search.space import Chosen

if TYPE_CHECKING:
    import optuna

State = Literal["done", "pruned", "refused", "failed", "running"]


@dataclass(frozen=True)
class Trial:
    """One candidate.

    Args:
        number: in the order of the search.
        chosen: what it is made of.
        state: how it ended, or that it has not.
        value: the best figure on validation so far; None without.
        epochs: that it was trained.
        facts: what was found out about it: `key`, `lines`, `why`, `same_as`, `costs`.
    """

    number: int
    chosen: Chosen
    state: State
    value: float | None
    epochs: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


_STATES: Mapping[str, State] = {"COMPLETE": "done", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}


def from_optuna(one: "optuna.trial.FrozenTrial", toward: str | None) -> Trial:
    """A trial as Optuna keeps it.

    Args:
        one: of its file.
        toward: the second cost of the search; None for one.
    """
    facts = dict(one.user_attrs)
    state = facts.get("state") or _STATES[one.state.name]
    steps = one.intermediate_values
    if toward:
        value = one.values[0] if one.values else facts.get("value")
        epochs = facts.get("epochs", 0)
    else:
        value = one.value if one.state.name == "COMPLETE" else steps[max(steps)] if steps else None
        epochs = max(steps, default=0)
    return Trial(one.number, dict(one.params), state, value, epochs, facts)
