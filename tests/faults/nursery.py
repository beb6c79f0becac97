"""A process that has imported what training needs, and forks trainings that tests stop, kill and compare.

Unlike the host, which waits for each of its jobs, it hands out process ids: what happens to a training while it runs is
up to the test. A forked training ends with the same bits as one in a fresh interpreter, which a test shows.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LIMIT = 120.0  # seconds that any training of a test may take
MARK = "MIXKIT_TEST_OF"

Prelude = tuple[str, tuple[Any, ...]]
"""A function that a training calls before it begins, `broken:forget`, and its arguments."""


@dataclass(frozen=True)
class Ended:
    """How a training ended: its exit code, negative for the signal that killed it, and what it printed."""

    code: int
    out: str
    err: str


class Training:
    """A training that runs, in a session of its own.

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
                raise AssertionError(f"a training still ran after {limit:g} s; it had printed\n{out}\n{err}")
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
                ours = int(session) == self.pid or f"{MARK}={self.notes}".encode() in self.variables(
                    int(stat.parent.name)
                )
                if ours and state != "Z":
                    found.append(int(stat.parent.name))
        return found

    @staticmethod
    def variables(pid: int) -> list[bytes]:
        """The environment that a process was started in, `NAME=VALUE`."""
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")

    def _said(self) -> tuple[str, str]:
        return (self.notes / "out").read_text(errors="replace"), (self.notes / "err").read_text(errors="replace")


class Nursery:
    """The process, and how to have it start trainings."""

    def __init__(self, notes: Path):
        self.notes = notes
        self.count = 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
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
    ) -> Training:
        """Starts `mixkit ARGUMENTS`.

        Args:
            arguments: of mixkit.
            prelude: called first.
            variables: of the environment.
            fresh: what stands ahead of the arguments, to run them in an interpreter of their own: `python -m mixkit`,
                perhaps behind strace or torchrun.
        """
        self.count += 1
        notes = self.notes / f"{self.count:04d}"
        notes.mkdir()
        for name in ("out", "err"):
            (notes / name).touch()  # a training may be killed before it opens them
        words = [str(argument) for argument in arguments]
        if fresh is not None:
            with (notes / "out").open("wb") as out, (notes / "err").open("wb") as err:
                process = subprocess.Popen(
                    [*fresh, *words],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    cwd=notes,
                    env=surroundings() | {MARK: str(notes)} | (variables or {}),
                    start_new_session=True,
                )
            return Training(None, process, notes)
        job = {"do": "start", "arguments": words, "prelude": prelude, "variables": variables, "notes": str(notes)}
        return Training(self, self.ask(job), notes)

    def run(self, *arguments: object, **how: Any) -> Ended:
        """Starts `mixkit ARGUMENTS` and waits for its end."""
        return self.start(*arguments, **how).wait()

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
    """The environment of trainings: one thread, the modules of this repository."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("COV_", "PYTEST_"))}
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT), "COLUMNS": "200"}


def main() -> None:
    """Takes jobs from stdin, a JSON document a line, and answers each."""
    import scipy.signal  # noqa: F401
    import torch
    import torchmetrics.functional.classification  # noqa: F401

    import mixkit.cli.views.results
    import mixkit.cli.views.training
    import mixkit.report.run_plots
    import mixkit.training.loop
    from mixkit.registry import REGISTRIES

    for registry in REGISTRIES.values():
        registry.names()
    torch.optim.AdamW([torch.zeros(1)])  # the first of all imports much
    mixkit.report.run_plots.draw = lambda *_: None  # figures take longer than these trainings
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps(_poll(job["pid"]) if job["do"] == "poll" else _start(job)), file=answers, flush=True)


def _poll(pid: int) -> int | None:
    done, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if done else None


def _start(job: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(Path(job["notes"]) / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND), number)
        os.chdir(job["notes"])  # not the repository, whose changes are recorded in each run folder
        os.environ.update(job["variables"] or {})
        if job["prelude"]:
            name, arguments = job["prelude"]
            module, _, function = name.partition(":")
            getattr(importlib.import_module(f"tests.faults.{module}"), function)(*arguments)
        code = mixkit_ends(job["arguments"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        _end_workers()
        os._exit(code)


def mixkit_ends(arguments: list[str]) -> int:
    """The exit code of a command of mixkit, run in this process."""
    from mixkit.cli import main as mixkit

    sys.argv = ["mixkit", *arguments]
    try:
        mixkit()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return 0


def _end_workers() -> None:
    """What an interpreter does when it ends: the handlers of `atexit`, of which a fork runs none by itself."""
    import atexit

    atexit._run_exitfuncs()


if __name__ == "__main__":
    main()
