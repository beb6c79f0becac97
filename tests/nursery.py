"""Commands in processes of their own, forked from one that has imported what mixkit needs (tests/forks.py).

Importing torch takes seconds, and most tests of a command prove nothing about that. A forked training ends with the
same bits as one in a fresh interpreter, which a test shows.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LIMIT = 120.0  # seconds that any command of a test may take
MARK = "MIXKIT_TEST_OF"

Prelude = tuple[str, tuple[Any, ...]]
"""A function that a command calls before it begins, `broken:forget`, and its arguments."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, negative for the signal that killed it, and what it printed."""

    code: int
    out: str
    err: str


class Training:
    """A command that runs, in a session of its own.

    Args:
        nursery: that forked it; None for a process started here.
        process: its id, or the process started here.
        notes: folder of what it prints.
    """

    def __init__(self, nursery: "Nursery | None", process: "int | subprocess.Popen[bytes]", notes: Path):
        self.nursery = nursery
        self.process = process
        self.notes = notes
        self.pid = process if isinstance(process, int) else process.pid
        self.code: int | None = None

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        if self.code is None:
            if isinstance(self.process, int):
                assert self.nursery is not None
                self.code = self.nursery.ask({"do": "poll", "pid": self.pid})
            else:
                self.code = self.process.poll()
        return self.code

    def wait(self, limit: float = LIMIT) -> Ended:
        """Waits for its end; one that takes longer is killed, and the test fails."""
        until = time.monotonic() + limit
        while self.poll() is None:
            if time.monotonic() > until:
                for pid in self.family():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                out, err = self._said()
                raise AssertionError(f"a command still ran after {limit:g} s; it had printed\n{out}\n{err}")
            time.sleep(0.003)
        assert self.code is not None
        return Ended(self.code, *self._said())

    def signal(self, number: int, group: bool = False) -> None:
        """Sends it a signal, or to all of its group."""
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.pid, number)

    def family(self) -> list[int]:
        """All living processes of its session, and those that it started in sessions of their own."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
                pid = int(stat.parent.name)
                ours = int(session) == self.pid or f"{MARK}={self.notes}".encode() in self.variables(pid)
                if ours and state != "Z":
                    found.append(pid)
        return found

    def variables(self, pid: int) -> list[bytes]:
        """The environment that a process was started in, `NAME=VALUE`."""
        forked = self.notes / f"{pid}.environment"
        path = forked if forked.exists() else Path(f"/proc/{pid}/environ")
        return path.read_bytes().split(b"\0")

    def _said(self) -> tuple[str, str]:
        return (self.notes / "out").read_text(errors="replace"), (self.notes / "err").read_text(errors="replace")


class Nursery:
    """The process, and how to have it start commands."""

    def __init__(self, notes: Path):
        self.notes = notes
        self.count = 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.forks"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=surroundings(),
            start_new_session=True,
        )

    def start(
        self,
        *arguments: object,
        prelude: Prelude | None = None,
        variables: dict[str, str] | None = None,
        fresh: Sequence[str] | None = None,
        folder: Path | None = None,
        figures: bool = False,
    ) -> Training:
        """Starts `mixkit ARGUMENTS`.

        Args:
            arguments: of mixkit; with a leading `-m` or `-c` those of Python.
            prelude: called first.
            variables: of the environment, beside those of this process.
            fresh: what stands ahead of the arguments, to run them in an interpreter of their own: `python -m mixkit`,
                perhaps behind strace or torchrun.
            folder: where it works; without one in that of its notes, which is not the repository, whose changes are
                recorded in each run folder.
            figures: draw those of runs, which takes longer than most trainings here.
        """
        self.count += 1
        notes = self.notes / f"{self.count:04d}"
        notes.mkdir()
        for name in ("out", "err"):
            (notes / name).touch()  # a command may be killed before it opens them
        words = [str(argument) for argument in arguments]
        environment = surroundings() | {MARK: str(notes)} | (variables or {})
        if fresh is not None:
            with (notes / "out").open("wb") as out, (notes / "err").open("wb") as err:
                process = subprocess.Popen(
                    [*fresh, *words],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    cwd=folder or notes,
                    env=environment,
                    start_new_session=True,
                )
            return Training(None, process, notes)
        job = {
            "do": "start",
            "arguments": words,
            "prelude": prelude,
            "environment": environment,
            "outputs": [str(notes / name) for name in ("out", "err")],
            "folder": str(folder or notes),
            "figures": figures,
        }
        return Training(self, self.ask(job), notes)

    def run(self, *arguments: object, limit: float = LIMIT, **how: Any) -> Ended:
        """Starts `mixkit ARGUMENTS` and waits for its end."""
        return self.start(*arguments, **how).wait(limit)

    def ask(self, job: dict[str, Any]) -> Any:
        """The answer to a job."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(job), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        """Ends it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def surroundings() -> dict[str, str]:
    """The environment of commands: one thread, the modules of this repository."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("COV_", "PYTEST_"))}
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
