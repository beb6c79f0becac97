"""Memory that does not suffice: said with what would help."""

import ctypes
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from mixkit.errors import RunError
from mixkit.model.classifier import Classifier
from mixkit.model.estimate import FLOAT
from mixkit.recipe.train import Train
from mixkit.storage.capacity import expect, memory

_SIGNS = (
    "DefaultCPUAllocator",
    "can't allocate memory",
    "Cannot allocate memory",
    "out of memory",
    "could not create a primitive",  # oneDNN's words for memory that it was not given
    "could not execute a primitive",
)

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h


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


def expect_training(model: Classifier, rows: int, device: torch.device) -> None:
    """Refuses a training that cannot fit, by the least that it takes: weights, gradients, one value a branch.

    Args:
        model: what is trained.
        rows: clips that are computed at once.
        device: that has to hold it all.

    Raises:
        SettingError: it has less memory, all of it.
    """
    weights = sum(p.numel() for p in model.parameters())
    once = model.recipe.train.checkpointing
    places = zip(model.mixer.sites, model.mixer.layers, strict=True) if model.place == "mixer" else ()
    values = sum(site.tokens * site.width * (1 if once else len(block.branches)) for site, block in places)
    state, step = 2 * FLOAT * weights, FLOAT // 2 * rows * values  # bf16
    most = torch.cuda.mem_get_info(device)[1] if device.type == "cuda" else memory()
    setting, fix = ("train.batch_size", "Use less, or a larger train.accumulation.")
    if state > step:
        setting, fix = ("model.width", "Use less, or a smaller model.depth.")
        if (named := model.recipe.network) is not None:
            setting, fix = (f"network.{named.name}", "Make it smaller.")
    expect(setting, "bytes of memory for a step", state + step, fix, most)


def keep_freed() -> None:
    """Lets this process keep the memory that it frees, for the next step to take up again.

    glibc gives large blocks back to the system at once, so that each tensor of a step is made of fresh pages, which
    the system has to clear. Elsewhere nothing happens.
    """
    tune = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if tune is not None:
        tune(_M_MMAP_MAX, 0)
        tune(_M_TRIM_THRESHOLD, -1)


def peak(device: torch.device) -> int:
    """Bytes at their highest so far: allocated on the GPU, or of the whole process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return held("VmHWM")


def held(line: str = "VmRSS") -> int:
    """Bytes of the whole process: those it holds now, or with VmHWM those it held at most."""
    status = Path("/proc/self/status")
    said = status.read_text().splitlines() if status.exists() else []
    if found := next((one for one in said if one.startswith(line)), None):  # some sandboxes leave lines out
        # ru_maxrss would begin with the peak of the parent, which an exec leaves in place.
        return 1024 * int(found.split()[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
