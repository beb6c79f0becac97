"""Runs as jobs of a cluster, through submitit: each has a node's cores or GPU of its own, and a limit of time."""

import json
import math
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixkit.errors import MixkitError, printable
from mixkit.storage.atomic import write_whole
from mixkit.study.engine import KILLED, Ended, Job, exit_code, start_worker

if TYPE_CHECKING:
    import submitit

JOBS = "jobs.json"  # what was submitted: a driver that is started anew ends the jobs of one that was killed
MOST = 100  # jobs at once, unless asked for
USUAL_MINUTES = 24 * 60
PYTHON = f"{shlex.quote(sys.executable)} -P"  # a file of the working folder is not to be taken for a module


class Slurm:
    """Carries out jobs on a cluster. Partition, account and the like are taken from `SBATCH_PARTITION` and so on.

    Args:
        folder: for scripts and outputs of jobs; every node has to see it.
        slots: how many at once; None for 100.
        device: of each run; on `cpu` no GPU is asked for.
        minutes: that a run may take; None for a day.
        cluster: `slurm`, or `local` for jobs of this machine.
    """

    def __init__(
        self,
        folder: Path,
        slots: int | None = None,
        device: str = "auto",
        minutes: float | None = None,
        cluster: str = "slurm",
    ):
        self.slots = slots or MOST
        self._folder = folder
        self._executor = executor(folder, 0 if device == "cpu" else 1, minutes, cluster)
        self._jobs: dict[str, submitit.Job[int]] = {}
        self._cluster = cluster
        self._begun = False

    def start(self, job: Job) -> None:
        """Begins a job. Before the first one, those that a killed driver left behind are ended."""
        if not self._begun:
            self._begun = True
            self._end_former_ones()
        self._jobs[job.key] = self._executor.submit(carry_out, job.arguments, str(job.log), dict(job.environment))
        self._note()

    def ended(self) -> list[Ended]:
        """Jobs that ended since the last time this was asked."""
        done = {key: job for key, job in self._jobs.items() if job.done()}
        for key in done:
            del self._jobs[key]
        if done:
            self._note()
        return [_ended(key, job) for key, job in done.items()]

    def kill(self, key: str) -> None:
        """Ends a job at once."""
        self._jobs[key].cancel(check=False)

    def close(self) -> None:
        """Ends all jobs that still run or wait."""
        for job in self._jobs.values():
            job.cancel(check=False)
        self._jobs.clear()
        if self._begun:
            self._note()

    def _note(self) -> None:
        ids = {key: job.job_id for key, job in self._jobs.items()}
        write_whole(self._folder / JOBS, json.dumps(ids).encode())

    def _end_former_ones(self) -> None:
        import submitit

        try:
            former = json.loads((self._folder / JOBS).read_bytes())
        except (OSError, ValueError):
            return
        if self._cluster == "slurm":
            for number in former.values():
                submitit.SlurmJob(folder=self._folder, job_id=str(number)).cancel(check=False)


def carry_out(arguments: tuple[str, ...], log: str, environment: Mapping[str, str]) -> int:
    """What a job does; its exit code is 128 + N where signal N ended it."""
    with start_worker(arguments, Path(log), {**os.environ, **environment}) as worker:
        return exit_code(worker.wait())


def executor(folder: Path, gpus: int, minutes: float | None, cluster: str = "slurm") -> Any:
    """What hands functions to a cluster, each as a task of its own.

    Args:
        folder: for scripts and outputs of jobs.
        gpus: that a task has.
        minutes: that a job may take; None for a day.
        cluster: `slurm`, or `local` for jobs of this machine.

    Raises:
        MixkitError: submitit or sbatch is missing.
    """
    try:
        import submitit
    except ImportError:
        raise MixkitError("--engine slurm needs submitit. Install it: pip install 'mixkit[slurm]'") from None
    try:
        made = submitit.AutoExecutor(folder=folder, cluster=cluster, **{f"{cluster}_python": PYTHON})
    except RuntimeError:
        raise MixkitError(
            "--engine slurm finds no sbatch here. Log in to the cluster, or use --engine local."
        ) from None
    limit = USUAL_MINUTES if minutes is None else max(1, math.ceil(minutes))
    made.update_parameters(name="mixkit", timeout_min=limit, gpus_per_node=gpus, tasks_per_node=1)
    return made


def _ended(key: str, job: "submitit.Job[int]") -> Ended:
    """How a job ended; one that the cluster ended has no exit code of its own."""
    import submitit

    try:
        return Ended(key, int(job.result()))
    except (submitit.core.utils.FailedJobError, submitit.core.utils.UncompletedJobError):
        state = str(job.state)
    if "OUT_OF_MEMORY" in state:
        return Ended(key, KILLED)
    longer = "took longer than --minutes allow and was ended" if "TIMEOUT" in state else ""
    return Ended(key, KILLED, longer or f"ended by the cluster ({printable(state)})")
