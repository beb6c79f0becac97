"""Files that stand where a state or weights should, and are something else; no code in them, but other harm."""

import gzip
import io
import os
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from tests.faults.pickles import records_of, zipped
from tests.faults.tensors import header_of, with_header

Change = Callable[[dict[str, Any]], object]


def tensor(size: int, stride: int, numel: int, kind: str = "Float", location: str = "cpu") -> bytes:
    """The pickle of `{"model": {"w": tensor}}` with these words about it, whatever its record holds."""

    def number(value: int) -> bytes:
        return b"\x8a\x08" + value.to_bytes(8, "little", signed=True)

    def word(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    storage = b"(" + word("storage") + f"ctorch\n{kind}Storage\n".encode() + word("0") + word(location)
    storage += number(numel) + b"tQ"
    call = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00" + number(size) + b"\x85" + number(stride)
    return b"\x80\x02}" + word("model") + b"}" + word("w") + call + b"\x85\x89ccollections\nOrderedDict\n)RtRss."


def saved(value: Any, **how: Any) -> bytes:
    """What torch writes."""
    file = io.BytesIO()
    torch.save(value, file, **how)
    return file.getvalue()


def _other_tensors() -> dict[str, Any]:
    dense = torch.eye(4)
    return {
        "sparse": dense.to_sparse(),
        "quantized": torch.quantize_per_tensor(dense, 0.1, 0, torch.qint8),
        "complex": dense.to(torch.complex64),
        "nowhere": dense.to("meta"),
        "a parameter": torch.nn.Parameter(dense),
        "eight bits": dense.to(torch.float8_e4m3fn),
        "conjugate": dense.to(torch.complex64).conj(),
    }


def states(good: bytes) -> Mapping[str, bytes]:
    """Zip tricks and tensors that are not what they say, in the place of a state."""
    records = records_of(good)
    content = records["data.pkl"]
    rest = {name: record for name, record in records.items() if name != "data.pkl"}
    found = {
        "compressed": zipped(content, rest, compressed=True),
        "a compressed bomb": zipped(tensor(2**25, 1, 2**25), {"data/0": bytes(2**27)}, compressed=True),
        "a record that is not there": zipped(tensor(4, 1, 4)),
        "a record shorter than said": zipped(tensor(2**22, 1, 2**22), {"data/0": bytes(16)}),
        "a record longer than said": zipped(tensor(4, 1, 4), {"data/0": bytes(2**20)}),
        "a trillion elements from four bytes": zipped(tensor(2**40, 0, 1), {"data/0": bytes(4)}),
        "elements behind the end": zipped(tensor(4, 2**20, 4), {"data/0": bytes(16)}),
        "a negative size": zipped(tensor(-4, 1, 4), {"data/0": bytes(16)}),
        "a negative stride": zipped(tensor(4, -1, 4), {"data/0": bytes(16)}),
        "a size that wraps": zipped(tensor(2**62, 4, 2**62), {"data/0": bytes(16)}),
        "quantized storage": zipped(tensor(4, 1, 4, "QInt8"), {"data/0": bytes(4)}),
        "complex storage": zipped(tensor(4, 1, 4, "ComplexDouble"), {"data/0": bytes(64)}),
        "on a card": zipped(tensor(4, 1, 4, location="cuda:7"), {"data/0": bytes(16)}),
        "on no device": zipped(tensor(4, 1, 4, location="evil"), {"data/0": bytes(16)}),
        "other byte order": zipped(content, rest | {"byteorder": b"big"}),
        "no byte order": zipped(content, rest | {"byteorder": b"evil"}),
        "no pickle": zipped(content, rest).replace(b"data.pkl", b"data.pkx"),
        "a script": zipped(content, rest | {"constants.pkl": content, "code/__torch__.py": b"import evil"}),
        "a stranger's entry": zipped(content, rest | {"../../evil.py": b"x"}),
        "an absolute entry": zipped(content, rest | {"/evil.py": b"x"}),
        "two folders": _added(zipped(content, rest), "other/data.pkl", content),
        "an entry twice": _added(zipped(content, rest), "archive/data.pkl", b"\x80\x02}."),
        "an entry twice in other letters": _added(zipped(content, rest), "archive/DATA.pkl", b"\x80\x02}."),
        "encrypted": _flagged(zipped(content, rest), 1),
        "overlapping entries": _overlapping(zipped(content, rest)),
        "something before": b"#!/bin/sh\ntouch $CANARY\nexit\n" + zipped(content, rest),
        "something behind": zipped(content, rest) + bytes(10),
        "something between": _hollow(zipped(content, rest)),
        "a comment": _commented(zipped(content, rest)),
        "half": good[: len(good) // 2],
        "nothing": b"",
        "zeros": bytes(1000),
        "text": b"last words\n",
        "an older format": saved({"epochs": 1}, _use_new_zipfile_serialization=False),
        "gzip": gzip.compress(good),
        "no dictionary": saved([1, 2, 3]),
        "another dictionary": saved({"epochs": 1}),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what torch calls beta, or old
        other = {f"a tensor: {label}": saved({"model": {"w": value}}) for label, value in _other_tensors().items()}
    return found | other


def honest_states(good: bytes) -> Mapping[str, bytes]:
    """C4: states that training wrote, of another run."""
    changes: dict[str, Change] = {
        "a weight missing": lambda state: state["model"].popitem(),
        "a weight too many": lambda state: state["model"].update(extra=torch.ones(2)),
        "another shape": lambda state: _each(state, lambda weight: weight[None]),
        "another dtype": lambda state: _each(state, lambda weight: weight.double()),
        "not a number": lambda state: _each(state, lambda weight: weight.clone().fill_(float("nan"))),
        "infinite": lambda state: _each(state, lambda weight: weight.clone().fill_(float("inf"))),
        "expanded": lambda state: _each(state, lambda weight: weight.new_zeros(1).expand(weight.shape)),
        "no model": lambda state: state.pop("model"),
        "no optimizer": lambda state: state.pop("optimizer"),
        "an empty optimizer": lambda state: state.update(optimizer={}),
        "memory of another shape": lambda state: _memory(state, lambda kept: torch.ones(7, 7)),
        "memory that is no number": lambda state: _memory(state, lambda kept: kept * float("nan")),
        "another number of groups": lambda state: state["optimizer"]["param_groups"].append({}),
        "text for a weight": lambda state: _each(state, lambda weight: "evil"),
    }
    found = {}
    for label, change in changes.items():
        state = torch.load(io.BytesIO(good), weights_only=True)
        change(state)
        found[label] = saved(state)
    return found


def weights(good: bytes) -> Mapping[str, bytes]:
    """Headers of safetensors that lie, and honest weights of something else."""

    def changed(change: Change) -> bytes:
        header = header_of(good)
        change(header)
        return with_header(good, header)

    def first(header: dict[str, Any]) -> dict[str, Any]:
        return next(header[name] for name in header if name != "__metadata__")

    def tell(**words: Any) -> bytes:
        return changed(lambda header: header["__metadata__"].update(words))

    body = good[8 + int.from_bytes(good[:8], "little") :]
    last = max(end for name, told in header_of(good).items() if name != "__metadata__" for end in told["data_offsets"])
    return {
        "a header of 2^63 bytes": b"\xff" * 7 + b"\x7f" + good[8:],
        "a header longer than the file": (len(good) + 1).to_bytes(8, "little") + good[8:],
        "a header of 100 MB": (10**8 + 1).to_bytes(8, "little") + b"{" + b" " * 1000,
        "a header of nothing": bytes(8) + good[8:],
        "no JSON": with_header(good, b"{evil"),
        "no UTF-8": with_header(good, b'{"\xff": 1}'),
        "a list": with_header(good, b"[1]"),
        "nesting": with_header(good, b"[" * 100_000),
        "an unknown dtype": changed(lambda header: first(header).update(dtype="EVIL")),
        "a wider dtype": changed(lambda header: first(header).update(dtype="F64")),
        "a narrower dtype": changed(lambda header: first(header).update(dtype="F16")),
        "offsets past the end": changed(lambda header: first(header).update(data_offsets=[0, 2**40])),
        "offsets backwards": changed(lambda header: first(header).update(data_offsets=[64, 0])),
        "negative offsets": changed(lambda header: first(header).update(data_offsets=[-64, 0])),
        "overlapping offsets": changed(lambda header: header.update(x={**first(header)})),
        "a hole": with_header(good[: -len(body)] + body + bytes(64), header_of(good)),
        "a size that wraps": changed(lambda header: first(header).update(shape=[2**63, 2])),
        "a negative size": changed(lambda header: first(header).update(shape=[-1, -1])),
        "a size that is no number": changed(lambda header: first(header).update(shape=["evil"])),
        "another size": changed(lambda header: first(header).update(shape=[1, *first(header)["shape"]])),
        "an empty weight too many": changed(
            lambda header: header.update(x={"dtype": "F32", "shape": [0, 2**40], "data_offsets": [last, last]})
        ),
        "words that are no text": changed(lambda header: header["__metadata__"].update(labels=["low", "high"])),
        "no words": changed(lambda header: header.pop("__metadata__")),
        "no recipe": changed(lambda header: header["__metadata__"].pop("recipe")),
        "no labels": changed(lambda header: header["__metadata__"].pop("labels")),
        "another format": tell(format="mixkit 99"),
        "labels that are no JSON": tell(labels="evil"),
        "labels that are no list": tell(labels='{"low": 1}'),
        "labels that are numbers": tell(labels="[1, 2]"),
        "labels nested": tell(labels="[" * 100_000 + "]" * 100_000),
        "labels the same": tell(labels='["low", "low"]'),
        "one label more": tell(labels='["low", "high", "evil"]'),
        "no label": tell(labels="[]"),
        "a million labels": tell(labels=str(["a" * 3] * 300_000).replace("'", '"')),
        "another recipe": _rewritten(good, "model.depth = 1", "model.depth = 2"),
        "a wide recipe": _rewritten(good, "model.width = 8", "model.width = 60000"),
        "not a number": good[: -len(body)] + struct.pack("<f", float("nan")) * (len(body) // 4),
        "infinite": good[: -len(body)] + struct.pack("<f", float("inf")) * (len(body) // 4),
        "half": good[: len(good) // 2],
        "one byte less": good[:-1],
        "nothing": b"",
        "seven bytes": b"\x01" * 7,
    }


def specials(outside: Path) -> Mapping[str, Callable[[Path], object]]:
    """What is no file, under the name of one."""
    return {
        "a pipe": os.mkfifo,
        "a folder": Path.mkdir,
        "a loop": lambda path: path.symlink_to(path.name),
        "a dangling link": lambda path: path.symlink_to(outside / "nothing"),
        "a device": lambda path: path.symlink_to("/dev/zero"),
    }


def _each(state: dict[str, Any], change: Callable[[torch.Tensor], Any]) -> None:
    name = next(name for name, weight in state["model"].items() if weight.ndim == 2)
    state["model"][name] = change(state["model"][name])


def _memory(state: dict[str, Any], change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    kept = next(kept for kept in state["optimizer"]["state"].values() if kept["exp_avg"].ndim == 2)
    kept["exp_avg"] = change(kept["exp_avg"])


def _rewritten(good: bytes, old: str, new: str) -> bytes:
    header = header_of(good)
    assert old in header["__metadata__"]["recipe"], header["__metadata__"]["recipe"]
    header["__metadata__"]["recipe"] = header["__metadata__"]["recipe"].replace(old, new)
    return with_header(good, header)


def _added(content: bytes, name: str, record: bytes) -> bytes:
    file = io.BytesIO(content)
    with warnings.catch_warnings(), zipfile.ZipFile(file, "a") as archive:
        warnings.simplefilter("ignore")  # Duplicate name
        archive.writestr(zipfile.ZipInfo(name), record)
    return file.getvalue()


def _flagged(content: bytes, flag: int) -> bytes:
    data = bytearray(content)
    at = data.find(b"PK\x01\x02")
    data[at + 8] |= flag
    return bytes(data)


def _overlapping(content: bytes) -> bytes:
    """Every entry of the list leads to the first record."""
    data, at = bytearray(content), 0
    while (at := data.find(b"PK\x01\x02", at)) >= 0:
        data[at + 42 : at + 46] = bytes(4)
        at += 4
    return bytes(data)


def _commented(content: bytes) -> bytes:
    return content[:-2] + struct.pack("<H", 4) + b"evil"


def _hollow(content: bytes) -> bytes:
    """A kilobyte that no entry holds, ahead of the list of entries."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        at = archive.start_dir
    data = bytearray(content[:at] + bytes(200_000) + content[at:])
    data[-6:-2] = struct.pack("<I", at + 200_000)
    return bytes(data)
