"""Which precision matrix products have: the choice of bf16, fp16 or float32, and autocast (AMP)."""

from contextlib import AbstractContextManager, nullcontext

import torch


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
