"""A process that has imported all that mixkit needs, and forks a child for each job.

Whatever a stranger's file does, it does in that child: run code, crash, hang, take memory. Importing torch takes
seconds, so that a fresh interpreter for each of thousands of files would be hours.
"""

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.forks import mixkit_ends

MOST_MEMORY = 4_000  # MB: a child that takes more is ended, to save the machine
MIB = 2**20


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Args:
        code: exit code; negative for the signal that ended it; None for one that ran out of time.
        out: what it printed.
        err: what it printed to stderr.
        seconds: of a processor that it took.
        memory: MB that it took beyond what the parent has already.
        events: what it opened, connected to or started, where it was watched.
        value: what a called function returned.
    """

    code: int | None
    out: str
    err: str
    seconds: float
    memory: float
    events: list[list[str]] = field(default_factory=list)
    value: Any = None


class Host:
    """The process, and how to give it jobs.

    Args:
        paths: folders from which its children can import, beside ours.
        environment: variables for it.
    """

    def __init__(self, paths: tuple[Path, ...] = (), environment: dict[str, str] | None = None):
        here = Path(__file__).parents[2]
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (here, *paths)))}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.host"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**variables, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})},
            start_new_session=True,
        )

    def mixkit(self, *arguments: object, **how: Any) -> Outcome:
        """Runs a command: `host.mixkit("check", "mine.gin", folder=tmp_path)`."""
        return self._do({"arguments": [os.fspath(a) if isinstance(a, Path) else str(a) for a in arguments]}, **how)

    def call(self, function: str, *arguments: Any, **how: Any) -> Outcome:
        """Calls `module:function` with arguments that JSON can hold."""
        return self._do({"function": function, "arguments": arguments}, **how)

    def close(self) -> None:
        """Ends it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def _do(
        self,
        job: dict[str, Any],
        folder: Path | None = None,
        environment: dict[str, str] | None = None,
        limit: float = 60.0,
        watched: bool = False,
    ) -> Outcome:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        more = {"folder": str(folder or "."), "environment": environment or {}, "limit": limit, "watched": watched}
        print(json.dumps({**job, **more}), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        assert answer, "the host has ended; its stderr says why"
        return Outcome(**json.loads(answer))


def main() -> None:
    """Takes jobs from stdin, a JSON document a line, and answers with their outcomes."""
    import gin  # noqa: F401
    import matplotlib.figure  # noqa: F401
    import safetensors.torch  # noqa: F401
    import scipy.signal  # noqa: F401
    import soundfile  # noqa: F401

    import mixkit.cli
    import mixkit.cli.views.recipe
    import mixkit.cli.views.results
    import mixkit.cli.views.training
    import mixkit.training.loop  # noqa: F401
    from mixkit.registry import REGISTRIES

    for registry in REGISTRIES.values():
        registry.names()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line))), file=answers, flush=True)


def _run(job: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        notes = Path(name)
        began = time.monotonic()
        child = os.fork()
        if not child:
            _be_child(job, notes)
        ended, usage, before, most = False, None, _own_memory(os.getpid()), 0.0
        status = 0
        while time.monotonic() - began < job["limit"]:
            done, status, usage = os.wait4(child, os.WNOHANG)
            if done:
                ended = True
                break
            most = max(most, _own_memory(child) - before)
            if most > MOST_MEMORY:
                os.killpg(child, signal.SIGKILL)
            time.sleep(0.003)
        if not ended:
            os.kill(child, signal.SIGKILL)
            _, status, usage = os.wait4(child, 0)
        seconds = usage.ru_utime + usage.ru_stime
        out, err = (_text(notes / key) for key in ("out", "err"))
        events = [json.loads(line) for line in _text(notes / "events").splitlines()]
        value = json.loads(_text(notes / "value") or "null")
    return {
        "code": os.waitstatus_to_exitcode(status) if ended else None,
        "out": out,
        "err": err,
        "seconds": seconds,
        "memory": most,
        "events": events,
        "value": value,
    }


def _be_child(job: dict[str, Any], notes: Path) -> None:
    code = 70
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, key in ((1, "out"), (2, "err")):
            os.dup2(os.open(notes / key, os.O_CREAT | os.O_WRONLY), number)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.chdir(job["folder"])
        os.environ.update(job["environment"])
        if job["watched"]:
            _watch(notes / "events")
        code = _call(job, notes) if "function" in job else mixkit_ends(job["arguments"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _call(job: dict[str, Any], notes: Path) -> int:
    module, _, name = job["function"].partition(":")
    value = getattr(importlib.import_module(module), name)(*job["arguments"])
    (notes / "value").write_text(json.dumps(value))
    return 0


WATCHED = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.system", "os.exec", "os.listdir")


def _watch(notes: Path) -> None:
    """Writes down every file that is opened for writing or reading, every connection, every process."""
    file = notes.open("w")
    busy = False

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal busy
        if busy or not (event in WATCHED or event.startswith(("socket.", "subprocess.", "os.posix_spawn"))):
            return
        busy = True
        path = arguments[0] if arguments else ""
        shown = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else repr(path)
        if event == "open":
            flags = arguments[2] if isinstance(arguments[2], int) else 0
            event = "write" if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) else "read"
            shown = os.path.join(os.getcwd(), shown)  # noqa: PTH109, PTH118
        if not shown.startswith(str(notes.parent)):
            print(json.dumps([event, shown]), file=file, flush=True)
        busy = False

    sys.addaudithook(hook)


def _text(path: Path) -> str:
    return path.read_text(errors="backslashreplace") if path.exists() else ""


def _own_memory(process: int) -> float:
    """MB of a process that are in memory, and in no file."""
    try:
        _, resident, of_files, *_ = map(int, Path(f"/proc/{process}/statm").read_text().split())
        return (resident - of_files) * resource.getpagesize() / MIB
    except (OSError, ValueError):
        return 0.0


if __name__ == "__main__":
    main()
