"""Runs that are forked from a process that has imported what they need (forkserver.py)."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mixkit.errors import RunError


class Forked:
    """A run, with those of `subprocess.Popen`'s methods that an engine needs."""

    stdin = None

    def __init__(self, server: "ForkServer", pid: int):
        self._server = server
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, negative for the signal that ended it; None while it runs."""
        if self.returncode is None:
            self.returncode = self._server.code_of(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end.

        Raises:
            subprocess.TimeoutExpired: it still runs after so many seconds.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired("mixkit", timeout or 0.0)
            time.sleep(0.01)
        return code

    def terminate(self) -> None:
        """Asks it to end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it at once."""
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        if self.poll() is None:  # until its end was asked for, no other process has its id
            os.kill(self.pid, number)


class ForkServer:
    """Starts the process, and asks it for runs. It ends with this one.

    Args:
        environment: with the number of threads that its runs compute with, unless they say another.
    """

    def __init__(self, environment: Mapping[str, str]):
        self._process = subprocess.Popen(
            # -P: a torch.py in the working folder is not the torch that is meant
            [sys.executable, "-P", "-m", "mixkit.study.forkserver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # a request that could not be sent is not tried again when the pipe is closed
            env=dict(environment),
            start_new_session=True,  # Ctrl-C is for the driver, which asks its runs to end
        )

    def start(self, arguments: Sequence[str], log: Path, environment: Mapping[str, str]) -> Forked:
        """`mixkit ARGUMENTS` in a process of its own; what it prints is added to the log."""
        job = {"arguments": [*arguments], "log": os.fspath(log.absolute()), "environment": dict(environment)}
        try:
            return Forked(self, self._ask(job))
        except (OSError, ValueError):
            raise RunError("the process that starts runs has ended, likely for want of memory.") from None

    def code_of(self, pid: int) -> int | None:
        """How a run ended, None while it runs."""
        try:
            code: int | None = self._ask({"ended": pid})
        except (OSError, ValueError):  # the server was killed, and its runs with it
            return -signal.SIGKILL
        return code

    def lives(self) -> bool:
        """Whether it can start runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """Ends the process, and what it still runs."""
        with self._process as process:
            process.kill()

    def _ask(self, request: dict[str, Any]) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())
