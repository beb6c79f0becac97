"""What a training writes into its run folder; and a writer that writes nothing, for all processes but the first."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from mixkit.checkpoints.state import prune, save_state
from mixkit.checkpoints.weights import save_weights, saved_epoch
from mixkit.model.classifier import Classifier
from mixkit.runs.folder import Run
from mixkit.training.progress import RunProgress


class Writer:
    """Writes a training into its run folder.

    Args:
        run: the folder.
    """

    def __init__(self, run: Run):
        self.run = run

    def hold(self) -> AbstractContextManager[None]:
        """Be the only writer of the folder.

        Raises:
            RunError: another process writes there.
        """
        return self.run.hold()

    def event(self, kind: str, **facts: Any) -> None:
        """Adds a line to `events.jsonl`."""
        self.run.event(kind, **facts)

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Writes a JSON document."""
        self.run.write_json(name, content)

    def keep_epochs(self, epochs: int) -> None:
        """Drops the records of later epochs."""
        self.run.keep_epochs(epochs)

    def save_state(self, step: int, state: Mapping[str, Any]) -> None:
        """Writes the state after a step."""
        save_state(self.run, step, state)

    def save_epoch(self, record: Mapping[str, Any], times: Mapping[str, Any], model: Classifier) -> None:
        """Writes the record of an epoch, and the weights if it is the best so far."""
        if record["best"]:
            save_weights(self.run, model, {"epoch": record["epoch"]})
        self.run.log(record, times)

    def mend(self, progress: RunProgress, model: Classifier, state: Path) -> None:
        """Writes what a kill right after a state kept from being written: weights of the best epoch, its record.

        Args:
            progress: as the state has it.
            model: to evaluate, as the state has it.
            state: its file; older ones that a kill has left are removed.
        """
        run = self.run
        run.keep_epochs(progress.epochs)
        if progress.epochs and all(record["epoch"] != progress.epochs for record in run.metrics()):
            run.keep_epochs(progress.epochs - 1)
            run.log(progress.record, progress.times)
        epoch = progress.best.get("epoch")
        if epoch is not None and epoch == progress.epochs and not progress.batches and saved_epoch(run) != epoch:
            save_weights(run, model, {"epoch": epoch})
        prune(run, state)


class NoRun(Writer):
    """A writer that writes nothing."""

    def hold(self) -> AbstractContextManager[None]:
        """Nothing to hold."""
        return nullcontext()

    def event(self, kind: str, **facts: Any) -> None:
        """Nothing."""

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Nothing."""

    def keep_epochs(self, epochs: int) -> None:
        """Nothing."""

    def save_state(self, step: int, state: Mapping[str, Any]) -> None:
        """Nothing."""

    def save_epoch(self, record: Mapping[str, Any], times: Mapping[str, Any], model: Classifier) -> None:
        """Nothing."""

    def mend(self, progress: RunProgress, model: Classifier, state: Path) -> None:
        """Nothing."""
