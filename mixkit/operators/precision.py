"""Parts that autocast would spoil, computed in the type that they are given."""

from contextlib import AbstractContextManager, nullcontext

import torch


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Products on a device in the type of what is multiplied, also inside autocast."""
    lowered = device.type != "meta" and torch.is_autocast_enabled(device.type)
    return torch.autocast(device.type, enabled=False) if lowered else nullcontext()
