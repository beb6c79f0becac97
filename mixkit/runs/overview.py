"""What stands in a folder of runs: state, best figure, time, size."""

import os
from dataclasses import dataclass
from pathlib import Path

from mixkit.errors import DamagedError, RunError
from mixkit.runs.folder import Run
from mixkit.runs.records import read_best, read_facts
from mixkit.runs.results import Results
from mixkit.storage.lock import holder


@dataclass(frozen=True)
class Line:
    """One run.

    Args:
        run: its folder.
        recipe: name of its recipe.
        task: name of its task.
        seed: of the run; None where it cannot be told.
        fold: that is tested, or None.
        state: `complete`, `running`, `stopped` (it can go on) or `damaged`.
        epochs: that ended.
        best: the figure by which the recipe chooses the best epoch.
        valid: that figure of the best epoch on validation; None before the first epoch has ended.
        test: and on test; None before the end.
        seconds: spent in training.
        size: bytes on disk.
        started: when, as ISO 8601; empty where it cannot be told.
        note: protocol of a complete run and what it goes on from, holder of a running one, fault of a damaged one.
    """

    run: str
    recipe: str
    task: str
    seed: int | None
    fold: int | str | None
    state: str
    epochs: int
    best: str
    valid: float | None
    test: float | None
    seconds: float
    size: int
    started: str
    note: str


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
    best, facts = read_best(folder), read_facts(folder)
    about = (os.fspath(folder), facts.recipe, facts.task, facts.seed, facts.fold)
    try:
        records = run.metrics()
        chosen = [record["valid"].get(best) for record in records if record["best"]]
        ended = run.ended() if run.complete else None
        results = ended if isinstance(ended, Results) else None
        held, state = holder(folder / ".lock"), run.state
        how = "pretrained" if results is None else "refitted" if results.refit else ""
        said = (ended.protocol, how) if ended is not None else (held or "",)
        note = ", ".join(filter(None, (*said, f"extends {facts.parent}" if facts.parent else "")))
        values = (float(chosen[-1]) if chosen else None, results.test.value(best) if results else None)
        return Line(*about, state, len(records), best, *values, run.seconds(), size, facts.started, note)
    except (DamagedError, KeyError, TypeError, ValueError, AttributeError) as error:
        return Line(*about, "damaged", 0, best, None, None, 0.0, size, facts.started, str(error))
