"""Figures for TensorBoard, beside what the terminal shows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mixkit.errors import MixkitError
from mixkit.training.display import Display


class TensorBoard:
    """Writes each epoch's figures to `RUN/tensorboard` and hands everything on.

    Args:
        display: that is told as well.

    Raises:
        MixkitError: TensorBoard is not installed.
    """

    def __init__(self, display: Display):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MixkitError(
                "--tensorboard needs the package tensorboard. Install it: pip install 'mixkit[tensorboard]'."
            ) from None
        self._make = SummaryWriter
        self._writer: Any = None
        self._folder = Path()
        self.display = display

    def opened(self, folder: Path) -> None:
        """A run folder is there."""
        self._folder = folder / "tensorboard"
        self.display.opened(folder)

    def say(self, text: str) -> None:
        """A sentence for the user."""
        self.display.say(text)

    def start(self, epochs: int, batches: int) -> None:
        """Training begins."""
        self.display.start(epochs, batches)

    def batch(self, epoch: int, batch: int, loss: float, clips_per_second: float) -> None:
        """A batch of an epoch is done."""
        self.display.batch(epoch, batch, loss, clips_per_second)

    def epoch(self, record: Mapping[str, Any]) -> None:
        """An epoch is done and validated."""
        if self._writer is None:
            # A run that goes on draws over what was drawn after the state that it went on from.
            self._writer = self._make(str(self._folder), purge_step=record["epoch"])
        for split in ("train", "valid"):
            for figure, value in record[split].items():
                if value is not None:
                    self._writer.add_scalar(f"{figure}/{split}", value, record["epoch"])
        self._writer.add_scalar("learning_rate", record["learning_rate"], record["epoch"])
        self._writer.add_scalar("clips_per_second", record["clips_per_second"], record["epoch"])
        self._writer.flush()
        self.display.epoch(record)

    def stop(self) -> None:
        """Training has ended, or failed."""
        if self._writer is not None:
            self._writer.close()
        self.display.stop()
