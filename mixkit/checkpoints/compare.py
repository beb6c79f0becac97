"""What was loaded from a checkpoint, compared with what a run holds, before a number is copied."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mixkit.checkpoints.inspect import short
from mixkit.errors import DamagedError, printable


def check_state(path: Path, found: Any, wanted: Any, name: str = "") -> None:
    """Compares what was loaded with an example of what a run holds, all of it, before any of it is used.

    Args:
        path: the file, for the error.
        found: what `torch.load` gave.
        wanted: tensors of the same names, shapes and dtypes, such as a fresh `state_dict()`; other values stand for
            their type, an int also for a float's place.
        name: of the part that is looked at; empty for all of it.

    Raises:
        DamagedError: the first difference, by its name; or a tensor that is not dense, on the CPU and finite.
    """
    if isinstance(wanted, Tensor):
        _expect(path, name, isinstance(found, Tensor), "is no tensor")
        same = found.shape == wanted.shape and found.dtype == wanted.dtype
        difference = f"is {found.dtype} {list(found.shape)}; it should be {wanted.dtype} {list(wanted.shape)}"
        _expect(path, name, same, difference)
        _check_tensor(path, name, found)
    elif isinstance(wanted, Mapping):
        _expect(path, name, isinstance(found, Mapping), "is no mapping")
        for key in (*(key for key in wanted if key not in found), *(key for key in found if key not in wanted)):
            _expect(path, _inside(name, key), False, "is missing" if key in wanted else "has no place here")
        for key, value in wanted.items():
            check_state(path, found[key], value, _inside(name, key))
    elif isinstance(wanted, list | tuple):
        right = isinstance(found, list | tuple) and len(found) == len(wanted)
        _expect(path, name, right, f"is no list of {len(wanted)}")
        for number, (one, value) in enumerate(zip(found, wanted, strict=True)):
            check_state(path, one, value, _inside(name, number))
    else:
        kinds = (int, float) if type(wanted) is float else type(wanted)
        right = isinstance(found, kinds) and (isinstance(found, bool) <= isinstance(wanted, bool))
        _expect(path, name, right, f"is no {type(wanted).__name__}")


def check_optimizer(path: Path, found: Any, optimizer: torch.optim.Optimizer) -> None:
    """Compares a saved optimizer with a fresh one; what it remembers of a weight has that weight's shape, or none.

    Args:
        path: the file, for the error.
        found: the saved `state_dict()`.
        optimizer: the fresh one, about to take it up.

    Raises:
        DamagedError: the first difference, by its name.
    """
    fresh = optimizer.state_dict()
    weights = dict(enumerate(weight for group in optimizer.param_groups for weight in group["params"]))
    _expect(path, "optimizer", isinstance(found, Mapping) and found.keys() == fresh.keys(), "is no optimizer's state")
    check_state(path, found["param_groups"], fresh["param_groups"], "optimizer.param_groups")
    for group, kept in zip(fresh["param_groups"], found["param_groups"], strict=True):
        _expect(path, "optimizer.param_groups", group["params"] == kept["params"], "holds other weights")
    memory = found["state"]
    _expect(path, "optimizer.state", isinstance(memory, Mapping), "is no mapping")
    for number, kept in memory.items():
        name = f"optimizer.state.{number}"
        _expect(path, name, type(number) is int and number in weights, "is of no weight of the network")
        _expect(path, name, isinstance(kept, Mapping), "is no mapping")
        for key, value in kept.items():
            if isinstance(value, Tensor):
                shapes = (torch.Size(), weights[number].shape)
                _expect(path, f"{name}.{key}", value.shape in shapes, f"has the shape {list(value.shape)}")
                _check_tensor(path, f"{name}.{key}", value)
            else:
                _expect(path, f"{name}.{key}", value is None or isinstance(value, bool | int | float), "is no number")


def _check_tensor(path: Path, name: str, tensor: Tensor) -> None:
    dense = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    whole = dense and tensor.untyped_storage().nbytes() >= tensor.numel() * tensor.element_size()
    _expect(path, name, whole, "is not a dense tensor on the CPU")
    if tensor.is_floating_point():
        _expect(path, name, bool(tensor.isfinite().all()), "holds numbers that are not finite")


def _expect(path: Path, name: str, right: bool, fault: str) -> None:
    if not right:
        place = f"{printable(str(path))}: {short(name)}" if name else printable(str(path))
        raise DamagedError(f"{place} {fault}. The file does not belong to this run.")


def _inside(name: str, key: object) -> str:
    return f"{name}.{key}" if name else str(key)
