"""Literal values of settings, checked against the annotations of the code that takes them."""

import math
import types
import typing
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal

from mixkit.errors import SettingError

LONGEST = 4096
"""Characters of a text, which is as long as a path can be."""


@dataclass(frozen=True)
class Range:
    """Bounds of a number, for `Annotated[int, Range(least=1)]`."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def holds(self, number: float) -> bool:
        """Whether the number lies within every bound that is set."""
        return (
            (self.least is None or number >= self.least)
            and (self.most is None or number <= self.most)
            and (self.above is None or number > self.above)
            and (self.below is None or number < self.below)
        )

    def __str__(self) -> str:
        words = {"least": "at least", "most": "at most", "above": "above", "below": "below"}
        bounds = [(text, getattr(self, name)) for name, text in words.items() if getattr(self, name) is not None]
        return " and ".join(f"{text} {b if isinstance(b, int) else f'{b:g}'}" for text, b in bounds)


@dataclass(frozen=True)
class Called:
    """What a text is, for `Annotated[str, Called("a path")]`; it may then not be empty or blank."""

    what: str


Count = Annotated[int, Range(least=1)]
Whole = Annotated[int, Range(least=0)]
Side = Annotated[int, Range(least=1, most=1_000_000)]  # of a kernel or a patch: none is longer than a recording
Seed = Annotated[int, Range(least=0, most=2**32 - 1)]  # what every generator takes, NumPy's too
Positive = Annotated[float, Range(above=0)]
NotNegative = Annotated[float, Range(least=0)]
Share = Annotated[float, Range(least=0, most=1)]
Fold = Whole | str  # a number, or what people call it
Rate = Annotated[float, Range(least=0, below=1)]  # a probability of leaving something out
PathName = Annotated[str, Called("a path")]  # an empty one would be the working folder


def fold_value(name: str) -> int | str:
    """The name of a fold as a setting takes it: a number where it is one."""
    return int(name) if name.isdecimal() and len(name) < 10 else name


class Aside(Enum):
    """What a setting says that is no part of what a run is, for `Annotated[int, Aside.HOW]`."""

    HOW = "how it is carried out: no bit of its results depends on it"
    WHERE = "where data lie: what is in them is compared by itself"


Location = Annotated[PathName, Aside.WHERE]


def expect_middle(setting: str, sides: tuple[int, int], fix: str = "Use odd numbers.", verb: str = "is") -> None:
    """Refuses a kernel, or another rectangle of patches, that has no patch in its middle.

    Args:
        setting: that says how long its sides are.
        sides: along frequency and time.
        fix: what would be right.
        verb: `has`, where the setting holds several rectangles.

    Raises:
        SettingError: a side is an even number.
    """
    if not all(side % 2 for side in sides):
        raise SettingError(setting, f"{verb} {list(sides)}, which has no middle. {fix}")


def aside(annotation: Any) -> Aside | None:
    """What the setting of an annotation says beside what a run is; None of one that says what it is."""
    parts = typing.get_args(annotation)
    if typing.get_origin(annotation) is Annotated:
        return next((part for part in parts if isinstance(part, Aside)), None)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return next((found for part in parts if (found := aside(part))), None)
    return None


def describe(annotation: Any) -> str:
    """An annotation in words: `an int, at least 1`, `'mean' or 'prefix'`, `a float or None`."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        if called := _called(arguments):
            return called.what
        bounds = ", ".join(str(bound) for bound in arguments[1:] if isinstance(bound, Range))
        return f"{describe(arguments[0])}, {bounds}" if bounds else describe(arguments[0])
    if origin is Literal:
        return " or ".join(repr(choice) for choice in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(describe(choice) for choice in arguments)
    if origin is tuple:
        inner = [describe(item) for item in arguments if item is not Ellipsis]
        return f"a list, each {inner[0]}" if Ellipsis in arguments else f"a list of {len(inner)}: {'; '.join(inner)}"
    if annotation in (None, type(None)):
        return "None"
    if annotation is bool:
        return "True or False"
    if described := getattr(annotation, "described", None):
        return str(described)
    name = str(getattr(annotation, "__name__", annotation))
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def fit(value: Any, annotation: Any, setting: str) -> Any:
    """The value as the annotation wants it: ints become floats where a float is due, lists become tuples.

    Args:
        value: a literal, or a value already built from one (a spec, a section of a recipe).
        annotation: a type, `X | None`, `Literal`, `tuple[X, ...]`, or `Annotated` with a `Range`.
        setting: the key, for the error.

    Raises:
        SettingError: the value is of another type, out of range, or not finite.
    """
    try:
        return converted(value, annotation)
    except Misfit as misfit:
        fix = as_text(value, annotation)
        raise SettingError(setting, f"is {show(value)}{misfit}. It takes {describe(annotation)}.{fix}") from None


def as_text(number: Any, annotation: Any) -> str:
    """How to write a number that is a name, such as a fold that a table calls 1.0; nothing where a text is no use."""
    if isinstance(number, float):
        with suppress(Misfit):
            return f" As text: {converted(repr(number), annotation)!r}."
    return ""


def freeze(value: Any) -> Any:
    """The value with lists as tuples, all the way down."""
    return tuple(freeze(item) for item in value) if isinstance(value, list | tuple) else value


def show(value: Any) -> str:
    """A value as a recipe writes it, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


class Misfit(Exception):
    """A value is not of an annotation; `reason` says more where the type is right, or not plain to see."""

    def __init__(self, reason: str = ""):
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f" ({self.reason})" if self.reason else ""


def converted(value: Any, annotation: Any) -> Any:
    """What `fit` returns, for callers that word the error themselves.

    Raises:
        Misfit: the value is of another type, out of range, or not finite.
    """
    if isinstance(value, int) and abs(value) >= 2**63:
        raise Misfit("more than 64 bits")
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        value = converted(value, arguments[0])
        if isinstance(value, int | float) and not all(b.holds(value) for b in arguments[1:] if isinstance(b, Range)):
            raise Misfit
        if isinstance(value, str) and not value.strip() and _called(arguments):
            raise Misfit
        return value
    if origin is Literal:
        if not any(value == choice and type(value) is type(choice) for choice in arguments):
            raise Misfit
        return value
    if origin in (typing.Union, types.UnionType):
        return _fit_any(value, arguments)
    if origin is tuple:
        return _fit_items(value, arguments)
    if annotation in (None, type(None)):
        if value is not None:
            raise Misfit
        return None
    if annotation is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise Misfit("not a finite number")
        return float(value)
    if annotation is Any:
        return freeze(value)
    if origin is not None:  # Mapping[str, str] and the like: only the container is checked
        annotation = origin
    if (isinstance(value, bool) and annotation is not bool) or not isinstance(value, annotation):
        raise Misfit(_kind_of(value))
    if isinstance(value, str) and (len(value) > LONGEST or "\0" in value):
        raise Misfit("with a NUL in it" if "\0" in value else f"{len(value):,} characters, at most {LONGEST:,}")
    return value


def _called(annotated: tuple[Any, ...]) -> Called | None:
    return next((mark for mark in annotated[1:] if isinstance(mark, Called)), None)


def _fit_any(value: Any, choices: tuple[Any, ...]) -> Any:
    reasons = []
    for choice in choices:
        try:
            return converted(value, choice)
        except Misfit as misfit:
            if choice is not type(None):  # its empty reason says nothing of the others
                reasons.append(misfit.reason)
    raise Misfit(min(reasons, key=len))  # an empty reason: the type is right, the range is not


def _fit_items(value: Any, items: tuple[Any, ...]) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise Misfit(_kind_of(value))
    if len(items) == 2 and items[1] is Ellipsis:
        return tuple(converted(item, items[0]) for item in value)
    if len(items) != len(value):
        raise Misfit(f"{len(value)} of them")
    return tuple(converted(item, kind) for item, kind in zip(value, items, strict=True))


def _kind_of(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a dictionary"
    if isinstance(value, list | tuple):
        return "a list"
    return "" if value is None else f"a {type(value).__name__}".replace("a int", "an int")
