"""Signals that ask a run to stop: it finishes its step, saves, and leaves."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from mixkit.errors import Stopped
from mixkit.handlers import handled

ASKING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGUSR1", "SIGHUP") if hasattr(signal, name))

AGENT = "TORCHELASTIC_RUN_ID"  # the variable by which torchrun's agent names the run to its processes
ECHO = 5.0  # seconds


def interactive() -> bool:
    """Whether somebody types here: in Python itself, IPython or a notebook."""
    return hasattr(sys, "ps1") or bool(sys.flags.interactive)


class Signals:
    """Listens for SIGTERM, SIGINT, SIGUSR1 and SIGHUP; one that was ignored from the start stays so.

    A signal that comes while nothing is to be saved stops the run at once; within `finishing` it waits to be asked
    for. A second one leaves at once in any case; where somebody types commands, as `KeyboardInterrupt`, and what is in
    memory stays. Below an agent of torchrun, one within `ECHO` is the first again: a scheduler tells every process, and
    the agent hands on what it was told.
    """

    def __init__(self) -> None:
        self.asked: int | None = None
        self._waits = False
        self._since = 0.0

    @contextmanager
    def listening(self) -> Iterator["Signals"]:
        """From here to the end of the block; only the main thread can listen."""
        with handled(ASKING, self._take):
            yield self

    @contextmanager
    def finishing(self) -> Iterator[None]:
        """A stretch that a signal does not cut short."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False

    def _take(self, number: int, frame: FrameType | None) -> Any:
        if self.asked is not None:
            if AGENT in os.environ and time.monotonic() - self._since < ECHO:
                return
            if interactive():  # all that somebody has in memory would go with the process
                raise KeyboardInterrupt
            if sys.stderr.isatty():
                os.write(2, b"\x1b[?25h")  # the bar has hidden the cursor
            os._exit(128 + number)
        self.asked, self._since = number, time.monotonic()
        if not self._waits:
            raise Stopped(number, "with nothing left to save.")
        os.write(2, b"\nFinishing the step and saving. Once more leaves at once.\n")
