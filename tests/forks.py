"""The process that the nursery forks commands from.

A fork has what a process of its own has: exit code, output, signals, environment, working folder, no open files of
others, and the `python -m` processes that it starts, which are forked too.
"""

import atexit
import contextlib
import ctypes
import importlib
import json
import os
import pkgutil
import runpy
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from tests.nursery import MARK

SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)


def main() -> None:
    """Takes jobs from stdin, a JSON document a line, and answers each."""
    subprocess.Popen = ForkingPopen  # type: ignore[misc] # ahead of all who import it by name
    import scipy.signal  # noqa: F401
    import torch
    import torchmetrics.functional.classification  # noqa: F401

    import mixkit
    from mixkit.registry import REGISTRIES

    for module in pkgutil.walk_packages(mixkit.__path__, "mixkit."):
        if module.name not in ("mixkit.__main__", "mixkit.study.worker", "mixkit.study.forkserver"):  # programs
            importlib.import_module(module.name)
    for registry in REGISTRIES.values():
        registry.names()
    torch.optim.AdamW([torch.zeros(1)])  # the first of all imports much
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
    if not child:
        _live(lambda: _command(job))
    return child


def _command(job: dict[str, Any]) -> int:
    os.setsid()
    flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND
    outputs = [os.open(path, flags | os.O_NOCTTY) for path in job["outputs"]]
    _enter(job, [os.open(os.devnull, os.O_RDONLY), *outputs])
    if not job["figures"]:
        import mixkit.report.run_plots

        mixkit.report.run_plots.draw = lambda *_, **__: None
    ForkingPopen.prepare()
    if job["prelude"]:
        name, arguments = job["prelude"]
        module, _, function = name.partition(":")
        getattr(importlib.import_module(f"tests.faults.{module}"), function)(*arguments)
    words = job["arguments"]
    return python(words) if words[:1] in (["-m"], ["-c"]) else mixkit_ends(words)


def _live(run: Callable[[], int]) -> NoReturn:
    """What a forked process does, up to its end."""
    code = 70
    try:
        code = run()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        atexit._run_exitfuncs()  # as an interpreter does that ends: a fork runs none by itself
        ctypes.CDLL(None).fflush(None)  # what C libraries have printed
        os._exit(code)


def _enter(job: dict[str, Any], streams: Sequence[int]) -> None:
    """Takes on environment, folder and standard streams, and lets go of all other open files, as `exec` does."""
    os.environ.clear()
    os.environ.update(job["environment"])
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    nothing = os.open(os.devnull, os.O_RDWR)
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 (not closed: their objects still live, and will do that)
        if int(name) > 2:
            with contextlib.suppress(OSError):
                os.dup2(nothing, int(name), inheritable=False)
    encoding, _, errors = os.environ.get("PYTHONIOENCODING", "").partition(":")
    encoding = encoding or "utf-8"
    sys.stdin = sys.__stdin__ = os.fdopen(0, encoding=encoding, closefd=False)  # type: ignore[misc]
    sys.stdout = os.fdopen(1, "w", encoding=encoding, errors=errors or "strict", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding=encoding, errors="backslashreplace", closefd=False)
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc]
    os.chdir(job["folder"])
    if MARK in os.environ:  # /proc shows the environment of the nursery
        record = "\0".join(f"{name}={value}" for name, value in os.environ.items())
        Path(os.environ[MARK], f"{os.getpid()}.environment").write_text(record)


def mixkit_ends(arguments: list[str]) -> int:
    """The exit code of a command of mixkit, run in this process."""
    from mixkit.cli import main as mixkit

    sys.argv = ["mixkit", *arguments]
    return _code_of(mixkit)


def python(words: list[str]) -> int:
    """The exit code of `python WORDS`, run here: `-m MODULE ...` or `-c CODE ...`, perhaps behind -P or -u."""
    flags = [word for word in words[:2] if word in ("-P", "-u")]
    kind, what, *arguments = words[len(flags) :]
    sys.path[:1] = [] if "-P" in flags else [os.getcwd()]  # noqa: PTH109
    sys.argv = [what if kind == "-m" else "-c", *arguments]
    if kind == "-m":
        return _code_of(lambda: runpy.run_module(what, run_name="__main__", alter_sys=True))
    module = sys.modules["__main__"] = ModuleType("__main__")
    return _code_of(lambda: exec(compile(what, "<string>", "exec"), module.__dict__))


def _code_of(run: Callable[[], object]) -> int:
    try:
        run()
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            sys.stderr.write(f"{end.code}\n")
            return 1
        return end.code or 0
    return 0


class ForkingPopen(subprocess.Popen):  # type: ignore[type-arg]
    """`subprocess.Popen`, but that a `python -m` it starts is forked from this process as it was before the command."""

    _before: socket.socket | None = None

    @classmethod
    def prepare(cls) -> None:
        """Keeps this process as it is: another forks from it, and hands its children on to this one."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
        if not os.fork():
            ours.close()
            os.setsid()
            cls._serve(theirs)
        theirs.close()
        cls._before = ours

    @staticmethod
    def _serve(jobs: socket.socket) -> NoReturn:
        while True:
            message, streams, _, _ = socket.recv_fds(jobs, 2**20, 3)
            if not message:
                os._exit(0)
            near, far = socket.socketpair()
            between = os.fork()
            if not between:  # whose children are orphans when it ends, and so the command's
                child = os.fork()
                if child:
                    far.send(str(child).encode())
                    os._exit(0)
                far.recv(1)
                job = json.loads(message)
                if job["session"]:
                    os.setsid()
                _live(lambda: (_enter(job, streams), python(job["arguments"]))[1])  # noqa: B023
            os.waitpid(between, 0)
            jobs.send(near.recv(32))
            near.send(b".")
            for each in (near, far):
                each.close()
            for stream in streams:
                os.close(stream)

    def _execute_child(self, args: Any, *rest: Any) -> None:
        words = [args] if isinstance(args, str | bytes | os.PathLike) else [os.fsdecode(word) for word in args]
        if self._before is None or words[0] != sys.executable or "-m" not in words[1:3]:
            super()._execute_child(args, *rest)  # type: ignore[misc]
            return
        _, _, _, _, folder, environment, _, _, _, *pipes = rest[:15]
        reading, _, _, writing, _, telling = pipes
        job = {
            "arguments": words[1:],
            "environment": dict(os.environ if environment is None else environment),
            "folder": os.fspath(folder or os.getcwd()),  # noqa: PTH109
            "session": rest[-2],
        }
        streams = [own if own != -1 else number for number, own in enumerate((reading, writing, telling))]
        socket.send_fds(self._before, [json.dumps(job).encode()], streams)
        self.pid = int(self._before.recv(32))
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
