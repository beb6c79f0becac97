"""Figures for TensorBoard, beside what the terminal shows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from mixkit.cli.views.training import Live
from mixkit.errors import MixkitError


class TensorBoard(Live):
    """Writes each epoch's figures to `RUN/tensorboard` as well.

    Args:
        console: see `Live`.

    Raises:
        MixkitError: TensorBoard is not installed.
    """

    def __init__(self, console: Console):
        super().__init__(console)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MixkitError(
                "--tensorboard needs the package tensorboard. Install it: pip install 'mixkit[tensorboard]'."
            ) from None
        self._make = SummaryWriter
        self._writer: Any = None
        self._folder = Path()

    def opened(self, folder: Path) -> None:
        """A run folder is there."""
        self._folder = folder / "tensorboard"
        super().opened(folder)

    def epoch(self, record: Mapping[str, Any]) -> None:
        """An epoch is done and validated."""
        if self._writer is None:
            # A run that goes on draws over what was drawn after the state that it went on from.
            self._writer = self._make(str(self._folder), purge_step=record["epoch"])
        for split in ("train", "valid"):
            for figure, value in record.get(split, {}).items():
                if value is not None:
                    self._writer.add_scalar(f"{figure}/{split}", value, record["epoch"])
        self._writer.add_scalar("learning_rate", record["learning_rate"], record["epoch"])
        self._writer.add_scalar("clips_per_second", record["clips_per_second"], record["epoch"])
        self._writer.flush()
        super().epoch(record)

    def stop(self) -> None:
        """Training has ended, or failed."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        super().stop()
