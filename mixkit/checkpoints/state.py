"""The state of a training: all that it needs to go on, in files that prove themselves."""

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from mixkit.checkpoints.inspect import inspect_state
from mixkit.errors import DamagedError, printable
from mixkit.runs.folder import Run

FOLDER = "last"
KEPT = 2
"""States that are kept: the newest, and the one before in case the newest is damaged."""

_NAME = re.compile(r"state-(\d{9})-([0-9a-f]{64})\.pt")


def save_state(run: Run, step: int, state: Mapping[str, Any]) -> None:
    """Writes the state after a step, and then removes all but the last two.

    Its SHA-256 is part of its name, so that file and proof appear in one rename.

    Raises:
        RunError: the disk is full, or the folder cannot be written; the states before it are still there.
    """
    content = BytesIO()
    torch.save(dict(state), content)
    data = content.getbuffer()
    name = f"state-{step:09d}-{hashlib.sha256(data).hexdigest()}.pt"
    run.write(f"{FOLDER}/{name}", data)
    run.event("saved", step=step)
    for path in states(run):
        if (
            path.name.startswith(f"state-{step:09d}-") and path.name != name
        ):  # of a stop in validation, which was done again
            _remove(path)
    prune(run)


def prune(run: Run, used: Path | None = None) -> None:
    """Removes all states but the last two, and the one that is in use; a kill may have left more."""
    for path in states(run)[KEPT:]:
        if path != used:
            _remove(path)


def states(run: Run) -> list[Path]:
    """The files of state in a run, that of the latest step first; the clock has no say in it."""
    found = [path for path in (run.folder / FOLDER).glob("state-*.pt") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: path.name, reverse=True)


def step_of(path: Path) -> int:
    """The step after which one of `states` was saved."""
    return int(path.name.split("-")[1])


def load_state(path: Path) -> dict[str, Any]:
    """What `save_state` wrote, proven by the SHA-256 in its name.

    Args:
        path: one of `states`.

    Raises:
        DamagedError: the file is not what was written.
    """
    wanted = _NAME.fullmatch(path.name)
    if not wanted:
        raise DamagedError(f"{printable(str(path))} has no name of a state.")
    inspect_state(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != wanted[2]:
        raise DamagedError(f"{printable(str(path))} is not what was written: its SHA-256 is another.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler meets a damaged file with any kind of them
        first = printable(str(error).split("\n")[0])
        raise DamagedError(f"{printable(str(path))} cannot be read: {first}") from None
    if not isinstance(state, dict):
        raise DamagedError(f"{printable(str(path))} was not written by mixkit.")
    return state


def _remove(path: Path) -> None:
    with suppress(OSError):  # one that stays harms nobody, and is tried again at the next save
        path.unlink()
