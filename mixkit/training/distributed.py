"""Several processes at one run, each on a device of its own, as torchrun starts them."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Thread
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from mixkit.data.workers import leave_with
from mixkit.errors import MixkitError, RunError

T = TypeVar("T")

RESTARTS = "TORCHELASTIC_RESTART_COUNT"
"""The variable by which torchrun says how often it has started the processes again."""

PATIENCE = timedelta(minutes=30)
"""How long a process waits for the others before it gives up."""


class Processes:
    """The processes of a run, seen from one of them; alone, every method hands back what it was given.

    Args:
        rank: which one this is; 0 is the one that writes.
        ranks: how many there are.
    """

    def __init__(self, rank: int = 0, ranks: int = 1):
        self.rank = rank
        self.ranks = ranks
        # Words between processes are few and lie in memory: gloo carries them, whatever carries the gradients.
        self._words: Any = dist.new_group(backend="gloo", timeout=PATIENCE) if ranks > 1 else None

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and talks."""
        return self.rank == 0

    def same(self, make: Callable[[], T]) -> T:
        """What the first process makes, in all of them."""
        if self.ranks == 1:
            return make()
        box = [make() if self.first else None]
        dist.broadcast_object_list(box, src=0, group=self._words)
        return box[0]  # type: ignore[return-value]

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether any process has raised it."""
        if self.ranks == 1:
            return flags
        raised = torch.tensor(flags, dtype=torch.int32)
        dist.all_reduce(raised, dist.ReduceOp.MAX, group=self._words)
        return tuple(bool(flag) for flag in raised)

    def all(self, thing: T) -> list[T]:
        """The things of all processes, in the order of their ranks."""
        if self.ranks == 1:
            return [thing]
        box: list[T | None] = [None] * self.ranks
        dist.all_gather_object(box, thing, group=self._words)
        return box  # type: ignore[return-value]

    def average(self, x: Tensor | None) -> None:
        """Puts the mean over all processes in the place of each one's tensor."""
        if self.ranks > 1 and x is not None:
            dist.all_reduce(x)
            x /= self.ranks

    def own(self, x: Tensor) -> Tensor:
        """This process's rows of a batch that all have: every one of them, or a borrowed first where there are none."""
        rows = x[self.rank :: self.ranks]
        return rows if len(rows) else x[:1]

    def count(self, total: int) -> int:
        """How many rows of a batch of that many really are this process's."""
        return len(range(self.rank, total, self.ranks))

    def whole(self, x: Tensor, total: int) -> Tensor:
        """The batch that all processes together hold, from what `own` left to each.

        Args:
            x: this process's rows.
            total: rows of the whole batch.
        """
        if self.ranks == 1:
            return x
        most = -(-total // self.ranks)
        mine = torch.cat([x, x.new_zeros(most - len(x), *x.shape[1:])]).contiguous()
        parts = [torch.empty_like(mine) for _ in range(self.ranks)]
        dist.all_gather(parts, mine)
        return torch.stack(parts, dim=1).flatten(0, 1)[:total]


@contextmanager
def joined(device: str) -> Iterator[tuple[Processes, str]]:
    """Meets the other processes, if torchrun has started several; gives them, and this one's own device.

    Args:
        device: as on the command line: gradients travel by NCCL between GPUs, by gloo between CPUs.

    Raises:
        MixkitError: one device was asked for by number, which cannot be every process's.
        RunError: another process has gone.
    """
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    if ranks == 1:
        yield Processes(), device
        return
    if ":" in device or device == "mps":
        raise MixkitError(f"--device {device} is one device, and there are {ranks} processes. Use cuda, cpu or auto.")
    local = int(os.environ.get("LOCAL_RANK", "0"))
    on_gpu = device != "cpu" and torch.cuda.is_available()
    if on_gpu:
        if local >= torch.cuda.device_count():
            raise MixkitError(
                f"process {local} has no GPU: torch sees {torch.cuda.device_count()}. Start as many processes as GPUs."
            )
        torch.cuda.set_device(local)
    # Whoever started the processes may be killed; none of them may then wait for the others for ever.
    Thread(target=leave_with, args=(os.getppid(),), daemon=True).start()
    # torch keeps one store over all restarts, with the addresses of processes that have gone: each start takes its own.
    store, rank, _ = next(iter(rendezvous("env://", timeout=PATIENCE)))
    store = PrefixStore(f"start {os.environ.get(RESTARTS, '0')}", store)
    dist.init_process_group("nccl" if on_gpu else "gloo", store=store, rank=rank, world_size=ranks, timeout=PATIENCE)
    try:
        yield Processes(rank, ranks), f"cuda:{local}" if on_gpu else device
    except RuntimeError as error:
        if not _is_lost(error):
            raise
        lost = f"another of the {ranks} processes has gone, or what lies between their machines."
        raise RunError(f"{lost} Start all again: the run goes on from its last saved state by --resume.") from error
    dist.destroy_process_group()  # not after an error: it would wait for processes that may have gone


def _is_lost(error: RuntimeError) -> bool:
    """Whether an error says that another process does not answer; gloo's names its own source, and nothing else."""
    return isinstance(error, dist.DistError) or "/gloo/" in str(error)
