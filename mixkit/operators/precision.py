"""Parts that autocast would spoil, computed in the type that they are given."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Products on a device in the type of what is multiplied, also inside autocast."""
    lowered = device.type != "meta" and torch.is_autocast_enabled(device.type)
    return torch.autocast(device.type, enabled=False) if lowered else nullcontext()


def wide(x: Tensor) -> Tensor:
    """In float32, or float64 where it is: Fourier transforms take no less."""
    return x if x.dtype == torch.float64 else x.float()
