"""What a file of training state may hold, checked before torch opens it; and what is in it, before a number is copied.

torch.load with `weights_only=True` runs no code that a file names. It does take what no training wrote: compressed
records that unfold to a thousand times their size, tuples nested until the interpreter falls over, tensors of a
trillion elements in four bytes, another byte order.
"""

import json
import os
import re
import stat
import sys
import zipfile
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from mixkit.errors import DamagedError, printable
from mixkit.training.pickled import Odd, check_pickle, short

PICKLE = 64 * 2**20  # bytes that describe the tensors; a thousand tensors take 0.2 MB
OVERHEAD = 512  # bytes of a zip entry beside its content: two headers and the alignment to 64

_NAMES = re.compile(
    r"(?P<folder>[\w.+-]{1,100})/"
    r"(data\.pkl|data/\d{1,9}|byteorder|version|\.format_version|\.storage_alignment|\.data/serialization_id)"
)


def inspect_state(path: Path, what: str = "state of training") -> None:
    """Looks at a file of `torch.save` from outside: its zip entries, and the names that its pickle holds.

    Args:
        path: the file, about to be loaded with `weights_only=True`.
        what: it should be, for the error.

    Raises:
        DamagedError: it is missing, no regular file, or holds what training does not write.
    """
    try:
        # Without O_NONBLOCK, opening a pipe that nobody writes to waits for ever.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Odd("is not a regular file")
            check_pickle(_records(file))
    except (Odd, OSError, ValueError, zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        # NotImplementedError, RuntimeError: zipfile's words for compressed and for encrypted entries
        reason = error if isinstance(error, Odd) else f"cannot be read ({_first_line(error)})"
        raise DamagedError(f"{printable(str(path))} {reason}. It is no {what}.") from None


def read_labels(path: Path, text: str) -> tuple[str, ...]:
    """The labels that a file of weights carries in its header.

    Args:
        path: the file, for the error.
        text: a JSON list of different names.

    Raises:
        DamagedError: it is something else.
    """
    try:
        labels = json.loads(text)
    except (ValueError, RecursionError):
        labels = None
    right = isinstance(labels, list) and labels and all(isinstance(label, str) for label in labels)
    if not right or len(set(labels)) < len(labels):
        raise DamagedError(f"{printable(str(path))} carries no list of labels in its header. Train anew.")
    return tuple(labels)


def check_state(path: Path, found: Any, wanted: Any) -> None:
    """Compares what was loaded with an example of what a run holds, all of it, before any of it is used.

    Args:
        path: the file, for the error.
        found: what `torch.load` gave.
        wanted: tensors of the same names, shapes and dtypes, such as a fresh `state_dict()`; other values stand for
            their type, an int also for a float's place.

    Raises:
        DamagedError: the first difference, by its name; or a tensor that is not dense, on the CPU and finite.
    """
    _compare(path, "", found, wanted)


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
    _compare(path, "optimizer.param_groups", found["param_groups"], fresh["param_groups"])
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


def _records(file: BinaryIO) -> bytes:
    """The pickle of a torch file, if its zip entries are stored, once each, and fill the file."""
    size = os.fstat(file.fileno()).st_size
    begins = file.read(4)
    file.seek(max(size - 22, 0))  # the last 22 bytes of a zip file without a comment
    ends = file.read(22)
    if begins != b"PK\x03\x04" or not ends.startswith(b"PK\x05\x06"):
        raise Odd("is not in the zip format of torch")
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        names = [entry.orig_filename for entry in entries]
        for entry in entries:
            match = _NAMES.fullmatch(entry.orig_filename)
            if not match or not entry.orig_filename.startswith(f"{_folder(names[0])}/"):
                raise Odd(f"has an entry {short(entry.orig_filename)!r}")
            if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
                raise Odd(f"has a compressed entry {entry.orig_filename!r}")
        if len(set(names)) != len(names):
            raise Odd("has an entry twice")
        held = sum(entry.file_size for entry in entries)
        if not 0.95 * size - OVERHEAD * (len(entries) + 1) <= held <= size or min(_places(entries)) != 0:
            raise Odd(f"has {size} bytes, and entries of {held}")
        folder = _folder(names[0])
        if f"{folder}/byteorder" not in names or archive.read(f"{folder}/byteorder") != sys.byteorder.encode():
            raise Odd("has another byte order than this machine")
        if f"{folder}/data.pkl" not in names or archive.getinfo(f"{folder}/data.pkl").file_size > PICKLE:
            raise Odd("has no list of its tensors, or one too long")
        return archive.read(f"{folder}/data.pkl")


def _places(entries: list[zipfile.ZipInfo]) -> list[int]:
    """Where entries begin, in order; none reaches into the next."""
    ordered = sorted(entries, key=lambda entry: entry.header_offset)
    for entry, after in pairwise(ordered):
        if entry.header_offset + 30 + len(entry.orig_filename) + entry.file_size > after.header_offset:
            raise Odd(f"has entries that overlap, {entry.orig_filename!r} and {after.orig_filename!r}")
    return [entry.header_offset for entry in ordered] or [-1]


def _compare(path: Path, name: str, found: Any, wanted: Any) -> None:
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
            _compare(path, _inside(name, key), found[key], value)
    elif isinstance(wanted, list | tuple):
        right = isinstance(found, list | tuple) and len(found) == len(wanted)
        _expect(path, name, right, f"is no list of {len(wanted)}")
        for number, (one, value) in enumerate(zip(found, wanted, strict=True)):
            _compare(path, _inside(name, number), one, value)
    else:
        kinds = (int, float) if type(wanted) is float else type(wanted)
        right = isinstance(found, kinds) and (isinstance(found, bool) <= isinstance(wanted, bool))
        _expect(path, name, right, f"is no {type(wanted).__name__}")


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


def _folder(name: str) -> str:
    return name.partition("/")[0]


def _first_line(error: Exception) -> str:
    return printable((str(error) or type(error).__name__).split("\n")[0])
