"""Memory that does not suffice: said with what would help."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from mixkit.errors import RunError
from mixkit.recipe.schema import Train

_SIGNS = ("DefaultCPUAllocator", "can't allocate memory", "out of memory")


@contextmanager
def explained(settings: Train) -> Iterator[None]:
    """Turns an allocation that failed into an error that names the settings which decide about memory."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        first = (str(error) or type(error).__name__).split("\n")[0]
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and not any(sign in first for sign in _SIGNS):
            raise
        raise RunError(
            f"a step with train.batch_size = {settings.batch_size} does not fit into memory ({first[:200]}). "
            f"Compute it in parts, train.accumulation = {2 * settings.accumulation}; keep fewer activations, "
            "train.checkpointing = True; or lower train.batch_size."
        ) from None


def peak(device: torch.device) -> int:
    """Bytes at their highest so far: allocated on the GPU, or of the whole process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return held("VmHWM")


def held(line: str = "VmRSS") -> int:
    """Bytes of the whole process: those it holds now, or with VmHWM those it held at most."""
    status = Path("/proc/self/status")
    if status.exists():
        # ru_maxrss would begin with the peak of the parent, which an exec leaves in place.
        return 1024 * next(int(found.split()[1]) for found in status.read_text().splitlines() if found.startswith(line))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
