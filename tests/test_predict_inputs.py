"""What is heard of what somebody names: folders without traps, and names that every output can hold."""

import csv
import io
import json
import os
import re
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixkit.cli.inputs import escaped, inputs
from tests.conftest import Said
from tests.nursery import Nursery

NAMES = [
    b"not \xff utf-8.wav",
    b"new\nline.wav",
    b"\x1b[31mred.wav",
    b'comma, "quote".wav',
    b"-dash.wav",
    b"=1+1.wav",
    b"@here.wav",
    b"'quoted.wav",
    b"a" * 246 + b".wav",
    "left\u202efdp.wav".encode(),
    "caf\u00e9.wav".encode(),
    unicodedata.normalize("NFD", "caf\u00e9.wav").encode(),
    b"CASE.wav",
    b"case.wav",
    rb"back\slash \xff \n.wav",
    "三.wav".encode(),
]


@pytest.fixture
def oddly_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "odd"
    folder.mkdir()
    soundfile.write("sound.wav", np.zeros(800), 16_000)
    for name in NAMES:
        (folder / os.fsdecode(name)).write_bytes(Path("sound.wav").read_bytes() if name != b"case.wav" else b"")
    return folder


def restored(text: str) -> bytes:
    """The bytes of a name, by the rules of `escaped`."""

    def back(found: re.Match[str]) -> str:
        sign = found[0]
        if sign == "\\\\":
            return "\\"
        number = int(sign[2:], 16)
        return chr(0xDC00 + number) if sign[1] == "x" else chr(number)

    plain = re.sub(r"\\\\|\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\U[0-9a-f]{8}", back, text)
    return plain.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("name", NAMES)
def test_names_can_be_turned_back(name: bytes) -> None:
    text = escaped(os.fsdecode(name))
    assert restored(text) == name
    text.encode("utf-8")
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs") for character in text)


def test_plain_names_stay() -> None:
    for name in ("clips/dog 17.wav", "café/三　.wav", "a-b=c@d'.wav"):
        assert escaped(name) == name


def test_names_that_are_not_escaped_would_not_pass() -> None:
    with pytest.raises(UnicodeEncodeError):
        os.fsdecode(NAMES[0]).encode("utf-8")


@pytest.mark.parametrize(("form", "encoding"), [("--json", "utf-8"), ("--csv", "ascii"), ("table", "ascii")])
def test_odd_names_come_out_whole(
    oddly_named: Path, small_run: Path, nursery: Nursery, form: str, encoding: str
) -> None:
    variables = {"PYTHONIOENCODING": encoding, "LC_ALL": "C", "COLUMNS": "80"}
    forms = [form] if form != "table" else []
    fresh = (sys.executable, "-m", "mixkit") if form == "table" else None  # one that is started with that encoding
    ended = nursery.run(
        *("predict", small_run, oddly_named.name, *forms), folder=Path.cwd(), variables=variables, fresh=fresh
    )
    assert ended.code == 4
    assert ended.err == (
        "odd/case.wav: 0 samples of audio.\nerror: 1 of 16 recordings could not be read, for the reason above.\n"
    )
    assert "\x1b" not in ended.out
    if form == "table":
        assert "\u202e" not in ended.out
        return
    if form == "--json":
        assert ended.out.isascii()
        found = [json.loads(line)["file"] for line in ended.out.splitlines()]
    else:
        cells = [row["file"] for row in csv.DictReader(io.StringIO(ended.out))]
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
        found = [cell.removeprefix("'") for cell in cells]
    assert sorted(map(restored, found)) == sorted(b"odd/" + name for name in NAMES)


def test_cells_that_a_spreadsheet_would_compute(
    oddly_named: Path, small_run: Path, mixkit_command: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(oddly_named)
    named = ["=1+1.wav", "@here.wav", "'quoted.wav", "./-dash.wav"]
    said = mixkit_command("predict", small_run, "--csv", *named)
    files = [row["file"] for row in csv.DictReader(io.StringIO(said.out))]
    assert files == ["'=1+1.wav", "'@here.wav", "''quoted.wav", "./-dash.wav"]


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes")
def test_a_folder_is_searched_without_falling_into_traps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("in/b.WAV", "in/a.opus", "in/deep/er/c.mp3", "in/.hidden.wav", "in/.hidden/d.wav", "in/e.txt"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(path)
    Path("out").mkdir()
    Path("out/secret.wav").touch()
    links = {
        "in/leads_out.wav": "../out/secret.wav",
        "in/folder_out": "../out",
        "in/loop": ".",
        "in/loop.wav": "loop.wav",
        "in/nowhere.wav": "nothing.wav",
        "in/again.wav": "b.WAV",
        "in/hidden_by_link.wav": ".hidden.wav",
    }
    for link, target in links.items():
        Path(link).symlink_to(target)
    os.link("in/a.opus", "in/deep/twin.opus")
    os.mkfifo("in/pipe.wav")
    with inputs(["in"]) as found:
        assert [one.name for one in found] == [
            "in/a.opus",
            "in/b.WAV",
            "in/deep/er/c.mp3",
            "in/hidden_by_link.wav",
            "in/pipe.wav",
        ]
        pipe = found[-1]
        with pytest.raises(Exception, match="not a regular file") as caught, pipe.open(16_000):
            pass
        assert str(caught.value) == "in/pipe.wav: is not a regular file."
    with inputs(["in/leads_out.wav", "in/.hidden.wav", "in/e.txt", "in/e.txt"]) as found:
        assert [one.name for one in found] == ["in/leads_out.wav", "in/.hidden.wav", "in/e.txt", "in/e.txt"]


def test_what_came_by_standard_input_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"sound")))
    with inputs(["-"]) as (one,):
        assert one.name == "-"
        assert one.path is not None
        assert Path(one.path).read_bytes() == b"sound"
    assert not Path(one.path).exists()


def test_endless_standard_input_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixkit.audio.spool.MOST", 2**20)
    for size, good in ((2**20, True), (2**20 + 1, False)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(bytes(size))))
        if good:
            with inputs(["-"]):
                continue
        with pytest.raises(Exception, match="standard input") as caught, inputs(["-"]):
            pass
        assert str(caught.value) == "'-' is more than 1 MB on standard input. Name a file instead."
