"""How far a recipe unfolds: things that hold themselves are named, and size and depth are bounded."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mixkit.recipe.faults import Faults, Place

VALUES = 50_000
REFERENCES = 24  # one inside the other; a recipe needs about six, and Python's stack holds about fifty
LISTS = 64


class TooMuch(Exception):
    """The recipe unfolds to more than can be held; it is noted as a fault."""


class Unfolding:
    """Keeps count while references and macros are filled in.

    Args:
        faults: what is wrong is noted here.
    """

    def __init__(self, faults: Faults):
        self._faults = faults
        self._known: dict[tuple[Any, ...], tuple[Any, int]] = {}
        self._open: list[str] = []
        self._lists = 0
        self._values = 0

    def spend(self, values: int, place: Place) -> None:
        """Counts values.

        Raises:
            TooMuch: there are more than a recipe can hold.
        """
        self._values += values
        if self._values > VALUES:
            self._faults.add(place, f"the recipe unfolds to more than {VALUES:,} values. Write it shorter.")
            raise TooMuch

    def once(self, key: tuple[Any, ...], place: Place, build: Callable[[], Any]) -> Any:
        """What was built before is used again, but counted again: that is how large the recipe is, written out."""
        if key in self._known:
            value, size = self._known[key]
            self.spend(size, place)
            return value
        before = self._values
        value = build()
        self._known[key] = (value, self._values - before)
        return value

    @contextmanager
    def inside(self, what: str, place: Place) -> Iterator[bool]:
        """Steps into a reference or macro; False if it stands within itself, which is noted.

        Raises:
            TooMuch: it is nested too deep.
        """
        if what in self._open:
            chain = " -> ".join([*self._open[self._open.index(what) :], what])
            self._faults.add(place, f"{what} holds itself: {chain}. Take it out of one of them.")
            yield False
            return
        if len(self._open) >= REFERENCES:
            raise self._too_deep(place)
        self._open.append(what)
        try:
            yield True
        finally:
            self._open.pop()

    @contextmanager
    def inside_list(self, place: Place) -> Iterator[None]:
        """Steps into a list.

        Raises:
            TooMuch: it is nested too deep.
        """
        if self._lists >= LISTS:
            raise self._too_deep(place)
        self._lists += 1
        try:
            yield
        finally:
            self._lists -= 1

    def _too_deep(self, place: Place) -> TooMuch:
        self._faults.add(place, f"references are nested more than {REFERENCES} deep. Write fewer inside each other.")
        return TooMuch()
