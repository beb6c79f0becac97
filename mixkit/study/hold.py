"""A study's folder held by one process, and signals that let it end in order."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from mixkit.errors import RunError, Stopped, printable
from mixkit.storage.atomic import remove_parts, writing
from mixkit.storage.lock import locked


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Within the block no other process works on the study; its folder is made.

    Raises:
        RunError: another process works on it, or the folder cannot be made.
    """
    shown = printable(str(folder))

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

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
