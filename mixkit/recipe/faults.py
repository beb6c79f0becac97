"""Everything that is wrong with a recipe, found in one pass and told in one report."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Literal

from mixkit.errors import MixkitError, TrustError, printable
from mixkit.recipe.limits import show_token

LISTED = 100  # a report of more is not read, and each fault costs a search for the name that was meant


Kind = Literal["wrong", "missing", "unused", "untrusted"]
"""Of a fault: what has to be set is `missing`, a setting that has no effect `unused`, what would run or read more than
was asked for `untrusted`."""


@dataclass(frozen=True)
class Place:
    """Where something stands.

    Args:
        file: as the user knows it; of an option, what it was given.
        line: of the file; None for all of it.
        option: of the command line, such as `--set`; empty for a file.
    """

    file: str
    line: int | None = None
    option: str = ""

    @property
    def named(self) -> str:
        """The file or the option."""
        return f'{self.option} "{show_token(self.file)}"' if self.option else self.file

    def __str__(self) -> str:
        return self.named if self.line is None else f"{self.named}:{self.line}"


@dataclass(frozen=True)
class Fault:
    """One thing wrong, and the fix."""

    place: Place
    message: str
    kind: Kind = "wrong"

    def __str__(self) -> str:
        place = str(self.place)
        return printable(f"{place}: {self.message}" if place else self.message)


class RecipeError(MixkitError):
    """A recipe that cannot be used. Its message is every fault, a line each, by file and line."""

    def __init__(self, faults: tuple[Fault, ...]):
        super().__init__(faults)
        self.faults = faults

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)


class UntrustedRecipeError(RecipeError, TrustError):
    """A recipe that would run code, or read a file, that the user did not ask for."""


class TooManyFaults(Exception):
    """The report is full; the loader stops looking and raises it."""


class Faults:
    """Collects faults.

    Args:
        limit: stop looking after so many.
    """

    def __init__(self, limit: int = LISTED):
        self._limit = limit
        self._found: dict[Fault, None] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, place: Place, message: str, kind: Kind = "wrong") -> None:
        """Notes a fault; the same one twice counts once.

        Raises:
            TooManyFaults: the report is full.
        """
        self._found.setdefault(Fault(place, message, kind))
        if len(self._found) >= self._limit:
            more = f"more is wrong; the first {self._limit} faults are listed."
            self._found.setdefault(Fault(replace(place, line=None), more, kind))
            raise TooManyFaults

    @contextmanager
    def report(self) -> Iterator[None]:
        """Ends the block below it with the report, if there is one.

        Raises:
            RecipeError: something is wrong.
            UntrustedRecipeError: something would run or read more than the user asked for. It alone is told: the names
                that a missing plugin brings, and all that uses them, would seem wrong too.
        """
        with suppress(TooManyFaults):
            yield
        order = sorted(self._found, key=_order)
        if untrusted := tuple(fault for fault in order if fault.kind == "untrusted"):
            raise UntrustedRecipeError(untrusted)
        if order:
            raise RecipeError(tuple(order))


def _order(fault: Fault) -> tuple[str, bool, int, str]:
    """By place; a fault of a whole file comes after those of its lines."""
    return fault.place.named, fault.place.line is None, fault.place.line or 0, fault.message


def refuse(message: str) -> RecipeError:
    """An error of a single fault, for the caller to raise."""
    return RecipeError((Fault(Place(""), message),))
