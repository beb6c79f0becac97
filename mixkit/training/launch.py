"""One command, several processes: torchrun's agent starts them, watches them, and starts them again."""

import logging
import os
import signal
import sys
import uuid
from collections.abc import Sequence

import torch
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from mixkit.errors import MixkitError, RunError, Stopped
from mixkit.handlers import is_ignored

ENDING = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")
"""Signals by which the agent ends all processes; one that is ignored here is ignored in all of them."""


def launch(command: Sequence[str], count: int, restarts: int, device: str) -> int:
    """Runs mixkit in several processes of this machine, and waits for them.

    Args:
        command: the arguments of `mixkit`.
        count: processes, each with a GPU of its own, or with `--device cpu` with its share of the cores.
        restarts: how often all are started again after one has died.
        device: as on the command line.

    Returns:
        The exit code of the first that failed; it has said why. 0 if all went well.

    Raises:
        MixkitError: there are not so many GPUs.
        RunError: one was killed.
        Stopped: a signal asked for it; the processes have saved.
    """
    if device != "cpu" and torch.cuda.device_count() < count:
        raise MixkitError(
            f"--gpus {count} was asked for, and torch sees {torch.cuda.device_count()} CUDA GPU(s). "
            "Ask for as many as there are; --device cpu takes processes on the CPU instead."
        )
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=restarts,
        signals_to_handle=",".join(name for name in ENDING if not is_ignored(signal.Signals[name])),
    )
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # what matters is said below
    try:
        # -P: a file of the working folder is not to be taken for a module.
        elastic_launch(config, sys.executable)("-P", "-m", "mixkit", *command)
    except SignalException as stop:
        raise Stopped(int(stop.sigval), "and so were all its processes, each after its step.") from None
    except ChildFailedError as error:
        rank, first = error.get_first_failure()
        if first.exitcode >= 0:
            return int(first.exitcode)
        name = signal.Signals(-first.exitcode).name
        raise RunError(
            f"process {rank} of {count} was killed by {name}, and the others were stopped. "
            "Go on with --resume; --max-restarts N does so by itself."
        ) from None
    return 0
