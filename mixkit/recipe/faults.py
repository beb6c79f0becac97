"""Everything that is wrong with a recipe, found in one pass and told in one report."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from mixkit.errors import MixkitError, TrustError, printable

LISTED = 100  # a report of more is not read, and each fault costs a search for the name that was meant


@dataclass(frozen=True)
class Place:
    """Where a line of a recipe stands; `line` is None for a whole file and for a `--set` line."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Fault:
    """One thing wrong; `trust` marks what would run or read more than the user asked for."""

    file: str
    line: int | None
    message: str
    trust: bool = False

    def __str__(self) -> str:
        place = str(Place(self.file, self.line))
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

    def add(self, place: Place, message: str, trust: bool = False) -> None:
        """Notes a fault; the same one twice counts once.

        Raises:
            TooManyFaults: the report is full.
        """
        self._found.setdefault(Fault(place.file, place.line, message, trust))
        if len(self._found) >= self._limit:
            self._found.setdefault(
                Fault(place.file, None, f"more is wrong; the first {self._limit} faults are listed.", trust)
            )
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
        self._raise()

    def _raise(self) -> None:
        if not self._found:
            return
        # a fault of a whole file comes after those of its lines
        order = sorted(self._found, key=lambda f: (f.file, f.line is None, f.line or 0, f.message))
        if untrusted := tuple(fault for fault in order if fault.trust):
            raise UntrustedRecipeError(untrusted)
        raise RecipeError(tuple(order))


def refuse(message: str, place: Place | None = None) -> RecipeError:
    """An error of a single fault, for the caller to raise."""
    return RecipeError((Fault(place.file if place else "", place.line if place else None, message),))
