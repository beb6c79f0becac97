"""What a recipe file says, as inert data: bindings, includes, imports. Nothing here is looked up or run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mixkit.recipe.faults import Place

Key = tuple[str, str, str]  # scope, selector, setting


@dataclass(frozen=True)
class Reference:
    """`@scope/selector()`: what to build, by name."""

    scope: str
    selector: str
    called: bool
    line: int

    def __repr__(self) -> str:
        return f"@{self.scope}{'/' if self.scope else ''}{self.selector}{'()' if self.called else ''}"


@dataclass(frozen=True)
class Macro:
    """`%NAME`: the value that `NAME = ...` gives."""

    name: str
    line: int

    def __repr__(self) -> str:
        return f"%{self.name}"


class Unknown:
    """Stands for a value that another fault keeps from being known; that fault is noted, and this one is not."""

    def __repr__(self) -> str:
        return "..."


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Binding:
    """`scope/selector.setting = value`; a macro has neither selector nor scope, its name is the setting."""

    scope: str
    selector: str
    setting: str
    value: Any
    place: Place

    @property
    def key(self) -> Key:
        """What is set, apart from the value."""
        return (self.scope, self.selector, self.setting)

    def __str__(self) -> str:
        return written(self.key)

    def place_of(self, mark: Reference | Macro) -> Place:
        """Where a reference or macro of the value stands: within a long value, on a line of its own."""
        return self.place if self.place.line is None else replace(self.place, line=mark.line)


@dataclass(frozen=True)
class Include:
    """`include 'path'`."""

    path: str
    place: Place


@dataclass(frozen=True)
class Import:
    """`import module`; `text` is the statement as written, `plain` whether it is that form and not `from` or `as`."""

    module: str
    text: str
    plain: bool
    place: Place


Statement = Binding | Include | Import


def lost(place: Place) -> Binding:
    """Stands for statements that are not known: their keys are not, either."""
    return Binding("", "", "", UNKNOWN, place)


def marks(value: Any) -> Iterator[Reference | Macro]:
    """The references and macros in a value."""
    if isinstance(value, Reference | Macro):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from marks(item)
    elif isinstance(value, Mapping):
        for item in (*value.keys(), *value.values()):
            yield from marks(item)


def written(key: Key) -> str:
    """A key as a recipe writes it."""
    scope, selector, setting = key
    return f"{scope}{'/' if scope else ''}{selector}{'.' if selector else ''}{setting}"


def split_key(text: str) -> Key:
    """The parts of a key: `wide/operator.channel.expansion` -> `("wide", "operator.channel", "expansion")`."""
    scope, _, rest = text.rpartition("/")
    selector, _, setting = rest.rpartition(".")
    return (scope, selector, setting)
