"""What a training has around it: device, display, signals and the other processes; only the first of those writes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mixkit.runs.folder import Run
from mixkit.training.display import TrainingDisplay
from mixkit.training.distributed import Processes, joined
from mixkit.training.signals import Signals


class ReadOnlyRun(Run):
    """A run as all processes but the first have it: what would write does nothing."""

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Nothing to hold."""
        yield

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Nothing."""

    def keep_epochs(self, epochs: int) -> None:
        """Nothing."""

    def log(self, record: Mapping[str, Any], times: Mapping[str, Any]) -> None:
        """Nothing."""

    def event(self, kind: str, **facts: Any) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Session:
    """What a training has around it.

    Args:
        device: of this process, as on the command line.
        display: is told how it goes.
        signals: that may ask to stop.
        processes: that share the work.
    """

    device: str
    display: TrainingDisplay
    signals: Signals
    processes: Processes

    def own(self, run: Run) -> Run:
        """The run as this process may use it."""
        return run if self.processes.first else ReadOnlyRun(run.folder)


@contextmanager
def open_session(device: str, display: TrainingDisplay | None) -> Iterator[Session]:
    """Listens for signals, and meets the other processes, if torchrun has started several.

    Raises:
        MixkitError: one device was asked for by number, which cannot be every process's.
    """
    with Signals().listening() as signals, joined(device) as (processes, own_device):
        yield Session(own_device, (display if processes.first else None) or TrainingDisplay(), signals, processes)
