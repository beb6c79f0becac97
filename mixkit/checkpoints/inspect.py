"""What a file of training state may hold, checked before torch opens it.

torch.load with `weights_only=True` runs no code that a file names. It does take what no training wrote: compressed
records that unfold to a thousand times their size, tuples nested until the interpreter falls over, tensors of a
trillion elements in four bytes, another byte order.
"""

import os
import pickletools
import re
import sys
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

from mixkit.errors import DamagedError, printable
from mixkit.storage.regular import NotRegular, open_regular

PICKLE = 64 * 2**20  # bytes that describe the tensors; a thousand tensors take 0.2 MB
OVERHEAD = 512  # bytes of a zip entry beside its content: two headers and the alignment to 64

_NAMES = re.compile(
    r"(?P<folder>[\w.+-]{1,100})/"
    r"(data\.pkl|data/\d{1,9}|byteorder|version|\.format_version|\.storage_alignment|\.data/serialization_id)"
)


NESTING = 32
ELEMENTS = 2**48  # of a tensor; torch does not check that their bytes are a number of 64 bits
STORAGES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")

_GLOBALS = frozenset(
    ["collections OrderedDict", "torch._utils _rebuild_tensor_v2", *(f"torch {kind}Storage" for kind in STORAGES)]
)
_OPCODES = frozenset(
    [
        *("PROTO", "STOP", "GLOBAL", "REDUCE", "BUILD", "BINPERSID", "MARK", "BINPUT", "LONG_BINPUT", "BINGET"),
        *("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_DICT", "APPEND", "APPENDS"),
        *("SETITEM", "SETITEMS", "BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "NONE", "NEWTRUE"),
        *("NEWFALSE", "LONG_BINGET"),
    ]
)


class Odd(Exception):
    """Why a file is none that training wrote."""


def inspect_state(path: Path, what: str = "state of training") -> None:
    """Looks at a file of `torch.save` from outside: its zip entries, and the names that its pickle holds.

    Args:
        path: the file, about to be loaded with `weights_only=True`.
        what: it should be, for the error.

    Raises:
        DamagedError: it is missing, no regular file, or holds what training does not write.
    """
    try:
        with open_regular(path) as file:
            check_pickle(_records(file))
    except (Odd, OSError, ValueError, zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        # NotImplementedError, RuntimeError: zipfile's words for compressed and for encrypted entries
        reason = error if isinstance(error, Odd | NotRegular) else f"cannot be read ({_first_line(error)})"
        raise DamagedError(f"{printable(str(path))} {reason}. It is no {what}.") from None


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


def _folder(name: str) -> str:
    return name.partition("/")[0]


def _first_line(error: Exception) -> str:
    return printable((str(error) or type(error).__name__).split("\n")[0])


def check_pickle(content: bytes) -> None:
    """Goes through the instructions of a pickle that `torch.save` is said to have written.

    Args:
        content: the pickle.

    Raises:
        Odd: it holds an instruction or a name that no state of training needs.
    """
    stack: list[int | None] = []  # how deep each value is nested; None is a mark
    memo: dict[int, int] = {}
    number = 0
    argument: Any
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name not in _OPCODES:
            raise Odd(f"has the instruction {opcode.name}")
        if opcode.name == "GLOBAL" and argument not in _GLOBALS:
            raise Odd(f"names {short(argument.replace(' ', '.'))}")
        if isinstance(argument, int):
            number = argument
        if opcode.name == "BINPERSID" and not 0 <= number <= ELEMENTS:  # comes last in the words about a storage
            raise Odd(f"says {number} elements of a tensor")
        if opcode.name.endswith("BINPUT"):
            memo[argument] = _top(stack)
        elif opcode.name.endswith("BINGET"):
            stack.append(memo.get(argument, 0))
        else:
            _move(stack, opcode)
        if stack and (stack[-1] or 0) > NESTING:
            # hash() of a tuple of tuples of tuples overflows the stack of the interpreter
            raise Odd(f"nests values more than {NESTING} deep")


def _move(stack: list[int | None], opcode: pickletools.OpcodeInfo) -> None:
    """What an instruction does to the depths."""
    needs = opcode.stack_before
    taken = []
    if pickletools.markobject in needs:
        if None not in stack:
            raise Odd("has a mark too few")
        while (depth := stack.pop()) is not None:
            taken.append(depth)
        needs = needs[: needs.index(pickletools.markobject)]
    inner = max(taken, default=0)
    depths = [_top(stack, pop=True) for _ in needs]
    if opcode.name in ("TUPLE1", "TUPLE2", "TUPLE3", "TUPLE"):
        stack.append(1 + max([inner, *depths]))
    elif pickletools.markobject in opcode.stack_after:
        stack.append(None)
    elif needs and opcode.stack_after:  # a container and what goes into it
        stack.append(max(depths[-1], 1 + max([inner, *depths[:-1]])))
    elif opcode.stack_after:
        stack.append(0)


def _top(stack: list[int | None], pop: bool = False) -> int:
    if not stack or stack[-1] is None:
        raise Odd("has an instruction too many")
    depth = stack.pop() if pop else stack[-1]
    return depth or 0


def short(text: str) -> str:
    """A name from a file, safe to print and of a readable length."""
    return printable(text if len(text) <= 200 else f"{text[:197]}...")
