"""Where to compute, and in which precision."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

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


def precision_of(name: str, device: torch.device) -> str:
    """`float32`, `bf16` or `fp16`; `auto` is bf16 where the hardware multiplies it: CUDA from Ampere on, some CPUs."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bf16" if device.type == "cpu" and bf16_instructions() else "float32"


def bf16_instructions() -> str:
    """Those with which this CPU multiplies bf16 faster than float32, "AMX" or "AVX512_BF16"; "" where it has none."""
    if torch.cpu._is_amx_tile_supported():
        return "AMX"
    return "AVX512_BF16" if torch.cpu._is_avx512_bf16_supported() else ""


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Matrix products in the precision; everything else stays as it is."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16 if precision == "bf16" else torch.float16)


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
