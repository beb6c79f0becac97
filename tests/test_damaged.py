"""A thousand damaged files among good ones: each is named, nothing crashes or hangs, and no training begins on them."""

import io
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.archives import Recordings, put
from tests.conftest import Said

Command = Callable[..., Said]

DICE = random.Random(0)
PLACES = {"format": 20, "channels": 22, "rate": 24, "bits": 34, "length": 40}  # of words in the header of a WAV


def sound(kind: str = "WAV", samples: int = 1600, subtype: str | None = None, odd: float = 0.0) -> bytes:
    """A short noise; `odd` stands somewhere in it."""
    body = np.random.default_rng(DICE.randrange(2**32)).uniform(-0.3, 0.3, samples)
    if odd:
        body[DICE.randrange(samples)] = odd
    content = io.BytesIO()
    soundfile.write(content, body, 16_000, subtype, format=kind)
    return content.getvalue()


def cut(kind: str) -> bytes:
    whole = sound(kind)
    return whole[: DICE.randrange(1, len(whole) * 9 // 10)]


def word(place: str, value: int) -> bytes:
    """A WAV that says something else in one place of its header."""
    layout = "<H" if place in ("format", "channels", "bits") else "<L"
    body = bytearray(sound())
    struct.pack_into(layout, body, PLACES[place], value)
    return bytes(body)


def spelt(old: bytes, new: bytes, kind: str = "WAV") -> bytes:
    """A file with another name for one of its parts."""
    body = sound(kind)
    assert old in body[:100]
    return body.replace(old, new, 1)


DAMAGE: dict[str, list[tuple[str, Callable[[], bytes]]]] = {  # suffix and content
    "cut short": [
        (".wav", lambda: cut("WAV")),
        (".flac", lambda: cut("FLAC")),
        (".aiff", lambda: cut("AIFF")),
        (".mp3", lambda: cut("MP3")),
    ],
    "wrong header": [
        (".wav", lambda: word("format", DICE.randrange(0x300, 0xFF00))),
        (".wav", lambda: word("channels", DICE.choice((0, 33, 1024, 65_535)))),
        (".wav", lambda: word("rate", DICE.choice((0, 1, 999, 384_001, 2**31 - 1, 2**32 - 1)))),
        (".wav", lambda: word("bits", DICE.choice((0, 77, 65_535)))),
        (".wav", lambda: word("length", DICE.randrange(10_000, 2**30))),
        (".wav", lambda: spelt(b"WAVE", b"WAVX")),
        (".wav", lambda: spelt(b"fmt ", b"what")),
        (".wav", lambda: spelt(b"data", b"date")),
        (".flac", lambda: spelt(b"fLaC", b"fLaX", "FLAC")),
        (".aiff", lambda: spelt(b"COMM", b"KOMM", "AIFF")),
    ],
    "no samples": [
        (".wav", lambda: sound(samples=0)),
        (".aiff", lambda: sound("AIFF", samples=0)),
        (".wav", lambda: sound(samples=0, subtype="FLOAT")),
    ],
    "not numbers": [
        (".wav", lambda: sound(subtype="FLOAT", odd=np.nan)),
        (".wav", lambda: sound(subtype="DOUBLE", odd=-np.inf)),
        (".aiff", lambda: sound("AIFF", subtype="FLOAT", odd=np.nan)),
    ],
    "mislabelled": [
        (".wav", lambda: b"RIFF, she said, and meant it" * DICE.randrange(1, 9)),
        (".mp3", lambda: b"<!doctype html><title>404</title>"),
        (".flac", lambda: b"\x89PNG\r\n\x1a\n" + DICE.randbytes(200)),
        (".ogg", lambda: b"PK\x03\x04" + DICE.randbytes(200)),
        (".wav", lambda: bytes(DICE.randrange(1, 4000))),
    ],
    "0 bytes": [(suffix, lambda: b"") for suffix in (".wav", ".flac", ".mp3", ".ogg", ".aiff")],
}

GOOD = {
    "plain": (".wav", Recordings(16_000)),
    "8 channels": (".wav", Recordings(16_000, channels=(8,))),
    "192 kHz": (".wav", Recordings(192_000)),
    "FLAC that is called WAV": (".wav", lambda label: sound("FLAC", samples=3200)),
    "24 bits": (".wav", Recordings(16_000, kinds=("PCM_24",))),
}


def damaged(count: int, kinds: tuple[str, ...] = tuple(DAMAGE)) -> dict[str, bytes]:
    """That many files, of each kind about as many as of any other."""
    files = {}
    for number in range(count):
        kind = kinds[number % len(kinds)]
        suffix, make = DAMAGE[kind][number // len(kinds) % len(DAMAGE[kind])]
        label = ("low", "high")[DICE.randrange(2)]
        files[f"{label}/{number:04d} {kind}{suffix}"] = make()
    return files


def good(count: int) -> dict[str, bytes]:
    """So many files of every kind that has to be read."""
    return {
        f"{label}/{kind} {number}{suffix}": make(label)
        for kind, (suffix, make) in GOOD.items()
        for label in ("low", "high")
        for number in range(count)
    }


def settings(root: Path) -> list[str]:
    lines = [f"task.folder.root = {str(root)!r}", "task.folder.seconds = 0.2", "task.folder.sample_rate = 16000"]
    return [word for line in lines for word in ("--set", line)]


def test_each_of_a_thousand_is_named_and_no_good_one(tmp_path: Path, mixkit_command: Command) -> None:
    bad, fine = damaged(1000), good(4)
    root = put(tmp_path / "sounds", {**bad, **fine})
    said = mixkit_command("data", "check", "folder", *settings(root), "--json", "--picture", tmp_path / "look.png")
    assert said.code == 4, said.err
    report = json.loads(said.out)
    assert sum(split["clips"] for split in report["splits"].values()) == len(bad) + len(fine)
    named = {
        str(Path(found["file"]).relative_to(root))
        for kind in ("unreadable", "empty")
        for found in report["findings"][kind]
    }
    assert named == set(bad)
    assert all(found["detail"] for kind in ("unreadable", "empty") for found in report["findings"][kind])
    assert sum(report["sample_rates"].values()) == len(fine)
    assert report["sample_rates"]["192000"] == report["channels"]["8"] == 8
    assert (tmp_path / "look.png").read_bytes().startswith(b"\x89PNG")
    assert "folder is not fit for training: " in said.err


@pytest.mark.parametrize("kind", DAMAGE)
def test_one_damaged_file_and_no_training_begins(kind: str, tmp_path: Path, mixkit_command: Command) -> None:
    bad = damaged(1, (kind,))
    root = put(tmp_path / "sounds", {**bad, **good(4)})
    said = train(root, tmp_path, mixkit_command)
    assert said.code in (2, 4), said.err
    assert str(root / next(iter(bad))) in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "runs").exists()


def test_a_thousand_are_one_error(tmp_path: Path, mixkit_command: Command) -> None:
    root = put(tmp_path / "sounds", {**damaged(1000), **good(4)})
    said = train(root, tmp_path, mixkit_command)
    assert said.code in (2, 4), said.err
    assert said.err.count("error: ") == 1
    assert len(said.err.splitlines()) < 30  # what a person still reads
    assert not (tmp_path / "runs").exists()


def test_good_ones_alone_are_trained_on(tmp_path: Path, mixkit_command: Command) -> None:
    """The control."""
    root = put(tmp_path / "sounds", good(4))
    assert train(root, tmp_path, mixkit_command).code == 0
    assert (tmp_path / "runs" / "run" / "results.json").is_file()


def train(root: Path, tmp_path: Path, mixkit: Command) -> Said:
    lines = ("model.width = 16", "model.depth = 1", "train.epochs = 1", "features.log_mel.bins = 32")
    small = [word for line in (*lines, "operator.roll_time.bands = 1") for word in ("--set", line)]
    place = ["--runs", tmp_path / "runs", "--name", "run", "--device", "cpu"]
    return mixkit("train", "asm_rh", "--with", "task/folder", *settings(root), *small, *place)
