"""What the pickle of a state may say, read instruction by instruction, with none of them followed."""

import pickletools
from typing import Any

from mixkit.errors import printable

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
