"""Runs as processes of this machine: each with its share of the cores, and a GPU of its own where there are several."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from mixkit.study.engine import THREADS, Ended, Job, exit_code, start_worker
from mixkit.study.forks import Forked, ForkServer

VISIBLE = "CUDA_VISIBLE_DEVICES"
MOST = 4  # runs at once on a CPU, unless asked for: each takes about a gigabyte
PATIENCE = 30.0  # seconds for a run to save its state when it is asked to end


class Local:
    """Carries out jobs in processes that end with this one.

    Args:
        slots: how many at once.
        gpus: identifiers as `CUDA_VISIBLE_DEVICES` takes them; job by job each gets one that is free. Empty for none.
        forks: start them from a process that has imported what they need.
    """

    def __init__(self, slots: int, gpus: Sequence[str] = (), forks: bool = False):
        self.slots = slots
        self._gpus = list(gpus)
        self._forks = forks
        self._server: ForkServer | None = None
        self._running: dict[str, subprocess.Popen[bytes] | Forked] = {}
        self._on: dict[str, str] = {}

    def start(self, job: Job) -> None:
        """Begins a job."""
        environment = {THREADS: str(max(1, cores() // self.slots)), **os.environ, **job.environment}
        if self._gpus:
            load = {gpu: list(self._on.values()).count(gpu) for gpu in self._gpus}
            self._on[job.key] = environment[VISIBLE] = min(self._gpus, key=load.__getitem__)
        if self._forks:
            self._running[job.key] = self._living(environment).start(job.arguments, job.log, environment)
        else:  # Ctrl-C is for the driver, which asks its runs to end
            self._running[job.key] = start_worker(job.arguments, job.log, environment, new_session=True)

    def ended(self) -> list[Ended]:
        """Jobs that ended since the last time this was asked."""
        codes = {key: process.poll() for key, process in self._running.items()}
        found = [Ended(key, exit_code(code)) for key, code in codes.items() if code is not None]
        for job in found:
            self._forget(job.key)
        return found

    def kill(self, key: str) -> None:
        """Ends a job at once."""
        self._running[key].kill()
        self._running[key].wait()

    def close(self) -> None:
        """Ends all jobs that still run, after they had time to save what they have."""
        for process in self._running.values():
            process.terminate()
        end = time.monotonic() + PATIENCE
        for process in self._running.values():
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for key in list(self._running):
            self._forget(key)
        if self._server:
            self._server.close()
            self._server = None

    def _living(self, environment: Mapping[str, str]) -> ForkServer:
        if self._server and not self._server.lives():
            self._server.close()
            self._server = None
        self._server = self._server or ForkServer(environment)
        return self._server

    def _forget(self, key: str) -> None:
        process = self._running.pop(key)
        if process.stdin:
            process.stdin.close()
        self._on.pop(key, None)


def engine_for(device: str, jobs: int | None = None) -> Local:
    """What carries out runs on a device of this machine; without `jobs` as many at once as it bears.

    Runs are forked on Linux without CUDA, which a fork cannot use once it was asked for; elsewhere, and on a GPU, each
    imports what it needs.
    """
    import torch

    found = gpus(device)
    forks = sys.platform == "linux" and (device == "cpu" or not torch.cuda.is_available())
    return Local(jobs or usual_jobs(found, device), found, forks)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus(device: str) -> tuple[str, ...]:
    """The GPUs to divide among runs, as `CUDA_VISIBLE_DEVICES` takes them; none if the device names another or one."""
    if device not in ("auto", "cuda"):
        return ()
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    named = [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
    return tuple(named[:count] if named else map(str, range(count)))


def usual_jobs(found: Sequence[str], device: str) -> int:
    """How many runs at once unless asked for: one a GPU, or one a core, for a small network gains little from two."""
    if found:
        return len(found)
    return 1 if device.startswith(("cuda", "mps")) else min(MOST, cores())
