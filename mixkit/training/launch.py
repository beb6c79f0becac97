"""One command, several processes: torchrun's agent starts them, watches them, and starts them again."""

import logging
import os
import signal
import sys
import uuid
from collections.abc import Sequence

import torch
from torch.distributed import DistError
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.elastic.rendezvous.api import RendezvousError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from mixkit.data.waveforms import in_words
from mixkit.errors import MixkitError, RunError, Stopped
from mixkit.handlers import is_ignored

ENDING = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")
"""Signals by which the agent ends all processes; one that is ignored here is ignored in all of them."""


MEETING = "MIXKIT_MEETING"
"""The variable that says how many machines share a run, where they meet, and what they call it: `2 node01:29500 77`."""


def launch(command: Sequence[str], count: int, restarts: int, device: str) -> int:
    """Runs mixkit in several processes of this machine, and waits for them; with others of other machines, if `MEETING`
    says so.

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
    nodes, endpoint, name = os.environ.get(MEETING, f"1 localhost:0 {uuid.uuid4().hex}").split()
    config = LaunchConfig(
        min_nodes=int(nodes),
        max_nodes=int(nodes),
        nproc_per_node=count,
        run_id=name,
        rdzv_backend="c10d",
        rdzv_endpoint=endpoint,
        max_restarts=restarts,
        signals_to_handle=",".join(name for name in ENDING if not is_ignored(signal.Signals[name])),
    )
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # what matters is said below
    try:
        # -P: a file of the working folder is not to be taken for a module.
        elastic_launch(config, sys.executable)("-P", "-m", "mixkit", *command)
    except SignalException as stop:
        raise Stopped(int(stop.sigval), "and so were all its processes, each after its step.") from None
    except (RendezvousError, DistError) as error:
        said = f"The others of {nodes} machines do not meet at {endpoint}, or no longer ({in_words(error)})."
        raise RunError(f"{said} A run that had begun goes on with --resume.") from None
    except ChildFailedError as error:
        rank, first = error.get_first_failure()
        if first.exitcode >= 0:
            return int(first.exitcode)
        name = signal.Signals(-first.exitcode).name
        raise RunError(
            f"process {rank} of {count * int(nodes)} was killed by {name}, and the others were stopped. "
            "Go on with --resume; --max-restarts N does so by itself."
        ) from None
    return 0
