"""Where to compute, and in which precision."""

from contextlib import AbstractContextManager, nullcontext

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
    """`float32` or `bf16`; `auto` is bf16 where the hardware multiplies it faster (CUDA from Ampere on, AMX)."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bf16" if device.type == "cpu" and torch.cpu._is_amx_tile_supported() else "float32"


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Matrix products in the precision; everything else stays as it is."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
