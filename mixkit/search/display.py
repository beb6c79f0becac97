"""What a search tells while it goes on."""

from typing import Protocol

from mixkit.search.trial import Trial


class SearchDisplay(Protocol):
    """What a search tells while it goes on."""

    def say(self, text: str) -> None:
        """A sentence for the user."""

    def ended(self, trial: Trial, what: str, seconds: float, left: float | None) -> None:
        """A trial has ended."""

    def show(self, running: list[str], left: float | None) -> None:
        """Time has passed."""
