"""The defaults of torch that a program can change for all of it: what mixkit makes does not depend on them."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from threading import Lock

import torch

_lock = Lock()
_inside: list[torch.dtype] = []
"""For each block of `float32_default` that is entered, the dtype that was the default before the first of them."""


@contextmanager
def torch_defaults() -> Iterator[None]:
    """Inside, a tensor is float32 on the CPU where nothing else is said; afterwards the defaults are the caller's."""
    elsewhere = torch.get_default_device().type != "cpu"
    with float32_default(), torch.device("cpu") if elsewhere else nullcontext():
        yield


@contextmanager
def float32_default() -> Iterator[None]:
    """As `torch_defaults`, but on the device that is the caller's default, such as `meta` in a plan without numbers.

    The default dtype is one for all threads: the first to enter changes it, and the last to leave changes it back.
    """
    with _lock:
        _inside.append(_inside[0] if _inside else torch.get_default_dtype())
        torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        with _lock:
            before = _inside.pop()
            torch.set_default_dtype(torch.float32 if _inside else before)


@contextmanager
def unchanged_defaults() -> Iterator[None]:
    """Whatever runs inside, such as a plugin, changes no default of those who come after it."""
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            torch.set_default_device(device)
