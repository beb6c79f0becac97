"""What a search may choose: values of settings, spans of numbers, and choices that are several lines each."""

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mixkit.errors import SettingError, did_you_mean
from mixkit.recipe import catalog
from mixkit.recipe.faults import Faults, TooManyFaults, refuse
from mixkit.recipe.files import Reader, shown
from mixkit.recipe.keys import SEARCH
from mixkit.recipe.statements import UNKNOWN, Binding
from mixkit.registry import operator
from mixkit.values import fit, show

OPERATORS = "operators"  # in the place of a value of block.branches: each registered one
BEHIND = "channel"  # what each of them has behind it

Chosen = Mapping[str, str | int | float]
"""By dimension: the name of a choice, or a number."""

_SPAN = re.compile(r"(log|uniform|integers)\(([^,()]+),([^,()]+)\)")
_SHORT = re.compile(r"@(?:\w+\.)?(\w+)\(\)")


@dataclass(frozen=True)
class Choices:
    """One of several.

    Args:
        lines: by the name of a choice, the `--set` lines that it stands for.
    """

    lines: Mapping[str, tuple[str, ...]]

    def lines_of(self, chosen: str | float) -> tuple[str, ...]:
        """What a choice stands for."""
        return self.lines[str(chosen)]

    def examples(self) -> list[tuple[str, ...]]:
        """The lines of every choice."""
        return [*self.lines.values()]


@dataclass(frozen=True)
class Span:
    """A number between two others, both included.

    Args:
        setting: that takes it.
        kind: `uniform`, `log` for one by ratios, `integers`.
        low: the least.
        high: the most.
    """

    setting: str
    kind: Literal["uniform", "log", "integers"]
    low: float
    high: float

    def lines_of(self, chosen: str | float) -> tuple[str, ...]:
        """The line that sets the number."""
        return (f"{self.setting} = {chosen!r}",)

    def examples(self) -> list[tuple[str, ...]]:
        """The line of one end."""
        return [self.lines_of(int(self.low) if self.kind == "integers" else self.low)]


@dataclass(frozen=True)
class Space:
    """What a search chooses from.

    Args:
        name: of its file.
        dimensions: what is chosen, each by itself.
        beside: shipped recipes that are trained first, so that the search has something to be better than.
    """

    name: str
    dimensions: Mapping[str, Choices | Span]
    beside: tuple[str, ...] = ()

    def lines_of(self, chosen: Chosen) -> tuple[str, ...]:
        """The `--set` lines of a candidate."""
        return tuple(line for name, of in self.dimensions.items() for line in of.lines_of(chosen[name]))


def load_space(source: str | Path, plugins: Collection[str] = ()) -> Space:
    """Reads the file of a space.

    Args:
        source: a path, or the name of a shipped one such as `search/tiny`.
        plugins: modules already loaded that it may import.

    Raises:
        RecipeError: something is wrong; the message is every fault with file and line.
    """
    path = catalog.find(source)
    faults = Faults()
    reader = Reader(faults, plugins)
    found: dict[str, Any] = {}
    with faults.report(), suppress(TooManyFaults):
        included, own = reader.read(path)
        for binding in (*included, *own):
            if binding.value is UNKNOWN:
                continue  # told already
            try:
                found[str(binding)] = _value(binding)
            except SettingError as error:
                faults.add(binding.place, str(error))
    if "search.space" not in found:
        raise refuse(f"{shown(path)} is no space to search: it has no search.space. Copy one: mixkit copy search/tiny")
    return Space(path.stem, found["search.space"], found.get("search.beside", ()))


def _value(binding: Binding) -> Any:
    key = str(binding)
    if binding.selector != SEARCH or binding.scope:
        raise SettingError(key, f"belongs to a recipe. Lay it over every candidate: --set '{key} = ...'")
    if binding.setting == "beside":
        names = fit(binding.value, tuple[str, ...], key)
        for name in names:
            if name not in catalog.names():
                raise SettingError(
                    key, f"names {show(name)}, which is no shipped recipe.{did_you_mean(name, catalog.names())}"
                )
        return names
    if binding.setting != "space":
        raise SettingError(key, f"is no setting.{did_you_mean(binding.setting, ('space', 'beside'))}")
    if not isinstance(binding.value, Mapping) or not binding.value:
        raise SettingError(key, f"is {show(binding.value)}. It takes a dictionary, such as {{'model.depth': [2, 4]}}.")
    return {_name(name): _dimension(_name(name), value) for name, value in binding.value.items()}


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise SettingError(
            "search.space", f"has the key {show(name)}. A key is a setting, or what the choice is about."
        )
    return name


def _dimension(name: str, value: Any) -> Choices | Span:
    where = f"search.space[{name!r}]"
    if isinstance(value, str):
        return _span(name, value, where)
    if isinstance(value, Mapping):
        found = {str(choice): fit(lines, tuple[str, ...], f"{where}[{choice!r}]") for choice, lines in value.items()}
    elif isinstance(value, list | tuple):
        found = {short: lines for one in value for short, lines in _choices(name, one)}
    else:
        raise SettingError(where, f"is {show(value)}. It takes a list, 'log(1e-4, 1e-2)', or a dictionary of lines.")
    if len(found) < 2:
        raise SettingError(where, f"is {show(value)}, which leaves nothing to choose. Name two values at least.")
    return Choices(found)


def _choices(setting: str, value: Any) -> list[tuple[str, tuple[str, ...]]]:
    """The choices that an item of a list stands for: one, or one for each operator."""
    if value == OPERATORS:
        rows = [
            f"[@operator.{name}()" + (f", @operator.{BEHIND}()]" if name != BEHIND else "]")
            for name in operator.names()
        ]
        return [(short(row), (f"{setting} = {row}",)) for row in rows]
    return [(short(repr(value)), (f"{setting} = {value!r}",))]


def short(value: str) -> str:
    """A value as it is told: `[time, channel]` for `[@operator.time(), @operator.channel()]`."""
    return _SHORT.sub(r"\1", value)


def _span(setting: str, text: str, where: str) -> Span:
    found = _SPAN.fullmatch(text.replace(" ", ""))
    example = "Write 'log(1e-4, 1e-2)', 'uniform(0, 1)' or 'integers(2, 6)'; a single text in a list: ['text']."
    if not found:
        raise SettingError(where, f"is {show(text)}, which is no span of numbers. {example}")
    try:
        low, high = float(found[2]), float(found[3])
    except ValueError:
        raise SettingError(where, f"is {show(text)}, whose ends are no numbers. {example}") from None
    kind: Any = found[1]
    if not low < high or not abs(low) + abs(high) < 1e15:
        raise SettingError(where, f"is {show(text)}. The first number has to be less than the second.")
    if kind == "log" and low <= 0:
        raise SettingError(where, f"is {show(text)}. A span by ratios begins above 0.")
    if kind == "integers" and (low != int(low) or high != int(high)):
        raise SettingError(where, f"is {show(text)}, whose ends are no whole numbers.")
    return Span(setting, kind, low, high)
