"""Where to compute, and whether the same bits come out every time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mixkit.errors import MixkitError


def choose_device(name: str) -> torch.device:
    """The device by its name on the command line: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.

    Raises:
        MixkitError: there is no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise MixkitError(f"--device {name!r} is no device. Use auto, cpu, cuda, cuda:N or mps.") from None
    if device.type not in ("cpu", "cuda", "mps"):
        raise MixkitError(f"--device {name!r} is no device for mixkit. Use auto, cpu, cuda, cuda:N or mps.")
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            seen = "no CUDA GPU" if count == 0 else f"{count} CUDA GPU(s), counted from 0"
            raise MixkitError(f"--device {name} was asked for, and torch sees {seen}. Use --device cpu or auto.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise MixkitError("--device mps was asked for, and torch sees no Apple GPU. Use --device cpu or auto.")
    return device


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Only operations that give the same bits every time, and an error where there is none; as before afterwards."""
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]
