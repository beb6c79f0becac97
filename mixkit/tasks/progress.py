"""How far a long piece of work is: told once it has taken a while, so that a short one ends without a word."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Protocol, runtime_checkable

from mixkit.registry import Clip
from mixkit.tasks.clip import expect_split

Progress = Callable[[str, int, int], None]
"""Is told what is done, how much of it, and of how much; 0 where nobody knows."""

PATIENCE = 3.0  # seconds
EVERY = 1000  # clips, between two looks at the clock


def quiet(what: str, done: int, total: int) -> None:
    """Tells nobody."""


class Patient:
    """Counts what is done, and tells of it from `PATIENCE` on.

    Args:
        progress: is told.
    """

    def __init__(self, progress: Progress = quiet):
        self._progress = progress
        self._begun = time.monotonic()
        self._what, self._done = "", 0

    def begin(self, what: str, total: int = 0) -> None:
        """A piece of work begins."""
        self._what, self._done = what, 0
        self._tell(total)

    def one(self, total: int = 0) -> None:
        """One more of it is done."""
        self._done += 1
        if self._done % EVERY == 0:
            self._tell(total)

    def tell(self, what: str, done: int, total: int) -> None:
        """So much is done of a piece of work that counts for itself."""
        if time.monotonic() - self._begun >= PATIENCE:
            self._progress(what, done, total)

    def _tell(self, total: int) -> None:
        self.tell(self._what, self._done, total)


@runtime_checkable
class LongListing(Protocol):
    """A task that may take long to list its clips."""

    def list_clips(self, progress: Progress) -> None:
        """Lists them now, and tells how far it is."""


class ListedOnce(ABC):
    """A task that lists its clips when they are first asked for, keeps them, and tells `_patient` how far it is."""

    _patient = Patient()

    def clips(self, split: str) -> tuple[Clip, ...]:
        """The clips of a split, in the same order every time.

        Raises:
            MixkitError: there is no such split, or what lists the clips is not as it has to be.
        """
        expect_split(split)
        return self._clips[split]

    def list_clips(self, progress: Progress) -> None:
        """Lists all clips now, so that the user can be told how far that is.

        Raises:
            MixkitError: as of `clips`.
        """
        self._patient = Patient(progress)
        try:
            self._clips  # noqa: B018 - kept from here on
        finally:
            self._patient = Patient()

    @cached_property
    def _clips(self) -> dict[str, tuple[Clip, ...]]:
        return self._divided()

    @abstractmethod
    def _divided(self) -> dict[str, tuple[Clip, ...]]:
        """All clips, split by split."""
