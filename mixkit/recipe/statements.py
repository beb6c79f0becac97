"""What a recipe file says, as inert data: bindings, includes, imports. Nothing here is looked up or run."""

from dataclasses import dataclass
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


class Unreadable:
    """Stands for a value that could not be parsed, so that its key counts as written."""

    def __repr__(self) -> str:
        return "..."


UNREADABLE = Unreadable()


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


def written(key: Key) -> str:
    """A key as a recipe writes it."""
    scope, selector, setting = key
    return f"{scope}{'/' if scope else ''}{selector}{'.' if selector else ''}{setting}"


def split_key(text: str) -> Key:
    """The parts of a key: `wide/operator.channel.expansion` -> `("wide", "operator.channel", "expansion")`."""
    scope, _, rest = text.rpartition("/")
    selector, _, setting = rest.rpartition(".")
    return (scope, selector, setting)
