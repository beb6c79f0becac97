"""What carries out runs: an interface, so that a laptop and a cluster do the same study; and why a run failed."""

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mixkit.errors import printable

THREADS = "OMP_NUM_THREADS"
KILLED = 128 + signal.SIGKILL
STARTED = "$ mixkit "  # before the arguments of each attempt
END = 16_384  # bytes of a log that are looked at
LINES = 10
LETTERS = 300


@dataclass(frozen=True)
class Job:
    """One run to carry out.

    Args:
        key: name of the run folder.
        arguments: of `mixkit`, such as `("train", "recipe.gin")`.
        log: the file that what it prints is added to.
        environment: variables that it has beside ours.
    """

    key: str
    arguments: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """A job that has ended.

    Args:
        key: of the job.
        code: exit code; 128 + N where signal N ended it.
        why: what the engine knows of its end, if that says more than the code.
    """

    key: str
    code: int
    why: str = ""


class Engine(Protocol):
    """Carries out jobs, several at once."""

    slots: int

    def start(self, job: Job) -> None:
        """Begins a job; there are never more than `slots` at once."""

    def ended(self) -> list[Ended]:
        """Jobs that ended since the last time this was asked."""

    def kill(self, key: str) -> None:
        """Ends a job at once; it is then among those that ended."""

    def close(self) -> None:
        """Ends all jobs that still run, after they had time to save what they have."""


def start_worker(
    arguments: Sequence[str], log: Path, environment: Mapping[str, str], new_session: bool = False
) -> subprocess.Popen[bytes]:
    """`mixkit` in a process of its own, that ends when its input is closed: with this process at the latest."""
    with log.open("ab") as file:
        return subprocess.Popen(
            # -P: a torch.py in the working folder is not the torch that is meant
            [sys.executable, "-P", "-m", "mixkit.study.worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=new_session,
        )


def exit_code(returned: int) -> int:
    """What `Popen` returned, as a shell says it: 128 + N where signal N ended the process."""
    return returned if returned >= 0 else 128 - returned


def reason(code: int, log: Path) -> str:
    """Why a run failed, in a line or a few: from its exit code and the end of what it printed.

    Args:
        code: its exit code; 128 + N where signal N ended it.
        log: what it printed.
    """
    if code == KILLED:
        return f"killed ({code}), likely out of memory"
    if code > 128 and (code - 128) in {number.value for number in signal.Signals}:
        return f"ended by {signal.Signals(code - 128).name} ({code})"
    lines = [printable(line.rstrip()) for line in _end_of(log).split("\n") if line.strip()]
    attempts = [number for number, line in enumerate(lines) if line.startswith(STARTED)]
    lines = lines[attempts[-1] + 1 :] if attempts else lines
    starts = [number for number, line in enumerate(lines) if line.startswith(("error: ", "mixkit failed,"))]
    reported = lines[starts[-1] :] if starts else lines[-1:]
    reported = [line for line in reported if not line.startswith("Run the command again as")]
    text = "\n".join(line[:LETTERS] for line in reported[:LINES]).removeprefix("error: ")
    return text or f"ended with exit code {code} and said nothing"


def _end_of(log: Path) -> str:
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - END))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
