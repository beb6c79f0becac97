"""A study's folder, held by one process that signals end in order; and the runs that it finds there."""

import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from mixkit.errors import DamagedError, RunError, Stopped, printable
from mixkit.handlers import handled
from mixkit.plugins.copies import FOLDER
from mixkit.runs.folder import COMPLETE, RECIPE, Run
from mixkit.storage.atomic import remove_parts, writing
from mixkit.storage.lock import locked
from mixkit.study.record import RUNS, Record
from mixkit.version import __version__


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Within the block no other process works on the study; its folder is made.

    Raises:
        RunError: another process works on it, or the folder cannot be made.
    """
    shown = printable(folder)

    def refuse(holder: str) -> None:
        raise RunError(f"{shown} is worked on by {holder}. Wait for it, or end it.")

    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / ".lock", refuse):
        remove_parts(folder, below=False)  # in its runs others may be at work
        yield


@contextmanager
def stoppable() -> Iterator[None]:
    """Within the block, a signal that asks to end is an error, so that what was begun is ended in order."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number, "with its runs saved. The same command goes on.")

    with handled((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), stop):
        yield


def set_aside(run: Path, code: Mapping[str, bytes]) -> Path | None:
    """Moves a run away that other plugin code made than the study means, so that it does not count and is not lost.

    It happens when a plugin is edited while its study runs: a run that begins later has the new code.

    Args:
        run: folder of the run, which may not be there.
        code: of its plugins, as the study found it.

    Returns:
        Where it lies now; None if it stays, for nothing is wrong with it.

    Raises:
        RunError: it cannot be moved.
    """
    if not (run / RECIPE).is_file() or all(_holds(run / FOLDER / name, content) for name, content in code.items()):
        return None
    number = 1
    while (place := run.with_name(f"{run.name}.{number}")).exists():
        number += 1
    with writing(place):
        run.rename(place)
    return place


def remarks(record: Record) -> list[str]:
    """What the user should know of finished runs: those of another version, which count, and those that do not."""
    said = []
    versions = Counter(_version(trial.folder) for trial in record.trials if trial.state == "done")
    for version, count in sorted(versions.items()):
        if version not in ("", __version__):
            said.append(
                f"{_runs(count)} made by mixkit {printable(version)}; this is {__version__}. Counted all the same: "
                f"to make them again, remove them from {printable(record.folder / RUNS)}."
            )
    known = {trial.folder.name for trial in record.trials}
    others = [path for path in (record.folder / RUNS).glob(f"*/{COMPLETE}") if path.parent.name not in known]
    if others:
        said.append(f"{_runs(len(others))} there with other settings, seeds or plugin code: kept, and not counted.")
    return said


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content


def _version(run: Path) -> str:
    try:
        return str(Run(run).environment().get("mixkit", ""))
    except DamagedError:
        return ""


def _runs(count: int) -> str:
    return "1 finished run was" if count == 1 else f"{count} finished runs were"
