"""What stands in a folder of runs: state, best figure, time, size."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mixkit.errors import DamagedError, RunError
from mixkit.runs.folder import Run
from mixkit.storage.lock import holder


@dataclass(frozen=True)
class Line:
    """One run.

    Args:
        run: its folder.
        state: `complete`, `running`, `stopped` (it can go on) or `damaged`.
        epochs: that ended.
        valid: the highest accuracy on validation; None before the first epoch has ended.
        test: accuracy on test; None before the end.
        seconds: spent in training.
        size: bytes on disk.
        note: protocol of a complete run, holder of a running one, fault of a damaged one.
    """

    run: str
    state: str
    epochs: int
    valid: float | None
    test: float | None
    seconds: float
    size: int
    note: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def overview(folder: Path) -> list[Line]:
    """The runs in a folder and the folders in it, by name.

    Raises:
        RunError: there is no such folder.
    """
    if not folder.is_dir():
        raise RunError(f"{folder} is no folder. Name one with runs in it, such as runs.")
    found = [path.parent for path in sorted(folder.rglob("recipe.gin")) if not path.is_symlink()]
    return [_line(path) for path in found if not path.name.startswith(".")]  # one that is being made


def _line(folder: Path) -> Line:
    run = Run(folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    try:
        records = run.metrics()
        best = max((float(record["valid"]["accuracy"]) for record in records), default=None)
        results = run.results() if run.complete else None
        test = float(results["test"]["accuracy"]) if results else None
        held = holder(folder / ".lock")
        state = "complete" if results else "running" if held else "stopped"
        note = str(results["protocol"]) if results else held or ""
        return Line(os.fspath(folder), state, len(records), best, test, run.seconds(), size, note)
    except (DamagedError, KeyError, TypeError, ValueError) as error:
        return Line(os.fspath(folder), "damaged", 0, None, None, 0.0, size, str(error))
