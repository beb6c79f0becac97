"""A page of runs that still train, written again as they go on; the report takes its place when all have ended."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mixkit.recipe.figures import Figure, figure
from mixkit.report.page import pictures, templates
from mixkit.report.plots import learning
from mixkit.report.tables import NONE, TextTable
from mixkit.report.write import FIX, PAGE, place_of
from mixkit.runs.folder import Run
from mixkit.runs.records import Epoch, read_best, read_epochs, read_facts
from mixkit.runs.results import text
from mixkit.storage.atomic import write_whole
from mixkit.study.record import is_study, read_study
from mixkit.version import __version__

EVERY = 2.0
"""Seconds from one look at the runs to the next."""

REFRESH = 5
"""Seconds after which a browser loads the page again."""


@dataclass(frozen=True)
class WatchedRun:
    """How far a run is.

    Args:
        name: its arm, or its folder.
        seed: of the run; None where it cannot be told.
        fold: that is tested, or None.
        state: `complete`, `running`, `stopped`, and of a study's runs `waiting` or `failed`.
        of: epochs that it is to have; None where it counts steps instead.
        shown: the figure by which it chooses its epoch.
        epochs: that ended.
    """

    name: str
    seed: int | None
    fold: int | str | None
    state: str
    of: int | None
    shown: Figure
    epochs: tuple[Epoch, ...]

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ("complete", "failed")

    @property
    def best(self) -> float | None:
        """Its best figure on validation so far."""
        values = [epoch.valid for epoch in self.epochs]
        return (min if self.shown.lower_is_better else max)(values) if values else None


def watch(
    folders: Sequence[Path],
    out: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Writes the page as often as something has changed, until all runs have ended or Ctrl-C ends it.

    Args:
        folders: studies and runs.
        out: folder to write, as of `report`.
        say: is told where the page is.
        sleep: waits so many seconds.

    Returns:
        Whether all have ended.

    Raises:
        RunError: a folder is neither a run nor a study, or the page cannot be written.
        DamagedError: the record of a study is not what mixkit wrote.
    """
    seen = progress(folders)
    path = place_of(folders, out) / PAGE
    _write(path, folders, seen)
    say(f"Wrote {path}, which follows what goes on. Open it in a browser; Ctrl-C ends this and leaves the runs alone.")
    try:
        while not all(one.ended for one in seen):
            sleep(EVERY)
            now = progress(folders)
            if now != seen:
                _write(path, folders, now)
                seen = now
        return True
    except KeyboardInterrupt:
        _write(path, folders, seen, watched=False)
        return False


def progress(folders: Sequence[Path]) -> list[WatchedRun]:
    """How far the runs are, of studies and by themselves."""
    found = []
    for folder in folders:
        if is_study(folder):
            for trial in read_study(folder).trials:
                state = "complete" if trial.state == "done" else trial.state
                found.append(_progress(trial.folder, text(trial.arm, 80), trial.seed, trial.fold, state))
        else:
            run, facts = Run.open(folder), read_facts(folder)
            found.append(_progress(folder, text(str(folder), 80), facts.seed, facts.fold, run.state))
    return found


def _progress(folder: Path, name: str, seed: int | None, fold: int | str | None, state: str) -> WatchedRun:
    best = read_best(folder)
    return WatchedRun(name, seed, fold, state, _epochs(folder), figure(best), read_epochs(folder, best))


def _epochs(folder: Path) -> int | None:
    """How many epochs the recipe of a run asks for."""
    try:
        found = json.loads((folder / "recipe.json").read_bytes())["train"]["epochs"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # it has not begun
    return found if isinstance(found, int) else None


def _write(path: Path, folders: Sequence[Path], seen: Sequence[WatchedRun], watched: bool = True) -> None:
    faults: list[str] = []
    shown = seen[0].shown
    drawn = [one.epochs for one in seen if one.epochs and one.shown == shown]
    content = (
        templates()
        .get_template("watch.html")
        .render(
            title=text(" and ".join(str(folder) for folder in folders), 80),
            says=_says(seen),
            refresh=REFRESH if watched and not all(one.ended for one in seen) else None,
            table=_table(seen),
            headline=shown,
            curves=pictures("learning curves", partial(learning, drawn, shown), faults) if drawn else None,
            faults=faults,
            written=time.strftime("%H:%M:%S"),
            version=__version__,
        )
    )
    write_whole(path, content.encode(), FIX)


def _says(seen: Sequence[WatchedRun]) -> str:
    states = [one.state for one in seen]
    if len(seen) == 1:
        return f"The run is {states[0]}, after {_of(seen[0])} epochs."
    counts = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    return f"{len(seen)} runs: {', '.join(counts)}."


def _of(one: WatchedRun) -> str:
    return f"{len(one.epochs)}" + (f" of {one.of}" if one.of else "")


def _table(seen: Sequence[WatchedRun]) -> TextTable:
    columns = ("run", "state", "seed", "fold", "epochs", "loss", "valid loss", "last", "best so far")
    rows = []
    for one in seen:
        last = one.epochs[-1] if one.epochs else None
        losses = (
            (NONE, NONE, NONE)
            if last is None
            else (f"{last.train_loss:.3f}", f"{last.valid_loss:.3f}", one.shown.show(last.valid))
        )
        about = (str(NONE if value is None else value) for value in (one.seed, one.fold))
        rows.append((one.name, one.state, *about, _of(one), *losses, one.shown.show(one.best)))
    return TextTable("progress", columns, tuple(rows), left=2)
