"""Runs as processes of this machine: each with its share of the cores, and a GPU of its own where there are several."""

import os
import subprocess
import time
from collections.abc import Sequence

from mixkit.study.engine import THREADS, Ended, Job, exit_code, start_worker

VISIBLE = "CUDA_VISIBLE_DEVICES"
MOST = 4  # runs at once on a CPU, unless asked for: each takes about a gigabyte
PATIENCE = 30.0  # seconds for a run to save its state when it is asked to end


class Local:
    """Carries out jobs in processes that end with this one.

    Args:
        slots: how many at once.
        gpus: identifiers as `CUDA_VISIBLE_DEVICES` takes them; job by job each gets one that is free. Empty for none.
    """

    def __init__(self, slots: int, gpus: Sequence[str] = ()):
        self.slots = slots
        self._gpus = list(gpus)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._on: dict[str, str] = {}

    def start(self, job: Job) -> None:
        """Begins a job."""
        environment = {THREADS: str(max(1, cores() // self.slots)), **os.environ, **job.environment}
        if self._gpus:
            load = {gpu: list(self._on.values()).count(gpu) for gpu in self._gpus}
            self._on[job.key] = environment[VISIBLE] = min(self._gpus, key=load.__getitem__)
        # Ctrl-C is for the driver, which asks its runs to end
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

    def _forget(self, key: str) -> None:
        process = self._running.pop(key)
        if process.stdin:
            process.stdin.close()
        self._on.pop(key, None)


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
