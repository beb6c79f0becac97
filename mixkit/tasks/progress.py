"""How far a long piece of work is: told once it has taken a while, so that a short one ends without a word."""

import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

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

    def _tell(self, total: int) -> None:
        if time.monotonic() - self._begun >= PATIENCE:
            self._progress(self._what, self._done, total)


@runtime_checkable
class LongListing(Protocol):
    """A task that may take long to list its clips."""

    def list_clips(self, progress: Progress) -> None:
        """Lists them now, and tells how far it is."""
