"""What training tells while it goes on: the shape of a display, and one that shows nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol


class Display(Protocol):
    """What training tells while it goes on."""

    def say(self, text: str) -> None:
        """A sentence for the user."""

    def opened(self, folder: Path) -> None:
        """The run folder is there."""

    def start(self, epochs: int, batches: int) -> None:
        """Training begins."""

    def batch(self, epoch: int, batch: int, loss: float, clips_per_second: float) -> None:
        """A batch of an epoch is done; both are counted from 1."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        """An epoch is done and validated."""

    def stop(self) -> None:
        """Training has ended, or failed."""


class Quiet:
    """A display that shows nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def opened(self, folder: Path) -> None:
        """Nothing."""

    def start(self, epochs: int, batches: int) -> None:
        """Nothing."""

    def batch(self, epoch: int, batch: int, loss: float, clips_per_second: float) -> None:
        """Nothing."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""
