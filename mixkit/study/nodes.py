"""One run as a job on several machines of a cluster: an agent of torchrun on each, which meet at the first."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from mixkit.study.slurm import carry_out, executor
from mixkit.training.launch import MEETING

PORT, PORTS = 29_000, 3_000  # jobs that share a machine meet at ports of their own
CORES = 4  # to a process: one that trains, and its data workers


def submit(
    arguments: Sequence[str], folder: Path, nodes: int, count: int, device: str, minutes: float | None
) -> tuple[str, Path]:
    """Hands a training to Slurm. Partition, account and the like are taken from `SBATCH_PARTITION` and so on.

    Args:
        arguments: of `mixkit`; the run has to go on with its last state when the job is started again, as Slurm does
            after a machine was lost.
        folder: for the script and what the job prints; every node has to see it.
        nodes: how many machines.
        count: processes on each, each with a GPU of its own.
        device: on `cpu` no GPU is asked for.
        minutes: that the job may take; None for a day.

    Returns:
        The number of the job, and the file that the first machine prints to.

    Raises:
        MixkitError: submitit or sbatch is missing.
    """
    script = executor(folder, 0 if device == "cpu" else count, minutes)
    script.update_parameters(
        nodes=nodes,
        cpus_per_task=CORES * count,
        slurm_srun_args=["--kill-on-bad-exit=1"],  # an agent that failed has nobody to wait for
        slurm_additional_parameters={"requeue": True},
    )
    job = script.submit(carry_out_node, tuple(arguments), str(folder)).job_id
    return str(job), folder / _log(str(job), 0)


def carry_out_node(arguments: tuple[str, ...], folder: str) -> None:
    """What the job does on each machine; its exit code is that of the training.

    The warning that submitit has Slurm send ahead of the limit of time would end the processes, which SIGTERM, at the
    limit, makes save.
    """
    import submitit

    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # which they inherit
    here = submitit.JobEnvironment()
    endpoint = f"{here.hostnames[0]}:{PORT + int(here.raw_job_id) % PORTS}"
    meeting = {MEETING: f"{here.num_nodes} {endpoint} {here.job_id}"}
    sys.exit(carry_out(arguments, os.path.join(folder, _log(here.job_id, here.node)), meeting))  # noqa: PTH118


def _log(job: str, node: int) -> str:
    return f"{job}-{node}.txt"
