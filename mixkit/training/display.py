"""What training tells while it goes on."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mixkit.runs.folder import Run
from mixkit.tasks.progress import Progress, quiet
from mixkit.training.budget import Budget


class TrainingDisplay:
    """Is told how training goes, and shows nothing; others show what they override."""

    def say(self, text: str) -> None:
        """A sentence for the user."""

    @contextmanager
    def listing(self) -> Iterator[Progress]:
        """The clips are being listed; what is given back is told how far that is."""
        yield quiet

    def opened(self, folder: Path) -> None:
        """The run folder is there."""

    def start(self, budget: Budget, best: str) -> None:
        """Training begins, so long; the best epoch is chosen by that figure."""

    def batch(self, epoch: int, batch: int, loss: float, clips_per_second: float) -> None:
        """A batch of an epoch is done; both are counted from 1."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        """An epoch is done and validated; of a refit, the record has no `valid`."""

    def stop(self) -> None:
        """Training has ended, or failed."""

    def ended(self, run: Run, plugins: tuple[str, ...]) -> None:
        """The run is complete, and its figures are drawn; its recipe may import these plugins."""

    def close(self) -> None:
        """Nothing more will be told."""
