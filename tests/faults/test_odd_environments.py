"""N4, N5 and A5: odd surroundings, errors at the command line, and names that want to be obeyed by a terminal."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from tests.faults import audio
from tests.faults.conftest import recipe_text
from tests.faults.host import Host
from tests.nursery import Nursery

COMMANDS = (
    ("list",),
    ("show", "small.gin"),
    ("check", "small.gin"),
    ("train", "small.gin", "--runs", "runs"),
    ("evaluate", "RUN"),
    ("data", "check", "small.gin"),
)


@pytest.fixture
def work(tmp_path: Path, recordings: Path) -> Path:
    """A working folder with a recipe."""
    (tmp_path / "small.gin").write_text(recipe_text(recordings))
    return tmp_path


def odd_home(work: Path, way: str) -> dict[str, str]:
    """The environment of a way to be surrounded."""
    home = work / "home"
    if way == "read-only home":
        home.mkdir(mode=0o500)
    return {
        "no home": {"HOME": str(work / "nowhere" / "home"), "MIXKIT_DATA": ""},
        "read-only home": {"HOME": str(home), "MIXKIT_DATA": ""},
        "forty columns": {"COLUMNS": "40", "TERM": "xterm"},
        "no colour": {"NO_COLOR": "1", "TERM": "xterm-256color"},
        "no terminal": {"TERM": "dumb"},
        "no words": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
    }[way]


@pytest.mark.parametrize("way", ["no home", "read-only home", "forty columns", "no colour", "no terminal", "no words"])
def test_commands_work_in_odd_surroundings(host: Host, work: Path, stopped_run: Path, way: str, release: bool) -> None:
    environment = odd_home(work, way)
    for command in COMMANDS if release else COMMANDS[:3] + COMMANDS[5:]:
        arguments = [stopped_run if word == "RUN" else word for word in command]
        said = host.mixkit(*arguments, folder=work, environment=environment)
        assert said.code == 0, f"{command}: {said.out[-500:]}{said.err}"
        assert "\x1b" not in said.out


def test_commands_work_with_few_files_open(nursery: Nursery, work: Path) -> None:
    prelude = ("broken:few_files", (64,))
    done = nursery.run("train", "small.gin", "--runs", "runs", folder=work, prelude=prelude)
    assert done.code == 0, done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("command", ["list operators", "show small.gin"])
def test_a_reader_that_leaves(work: Path, command: str) -> None:
    """`mixkit show ... | head -1`"""
    piped = f"{sys.executable} -m mixkit {command} | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", piped], cwd=work, capture_output=True, text=True, env=_path(), timeout=120)
    assert done.returncode in (0, 141)  # as of a program that SIGPIPE ends; 0: it had written all before
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


def _path() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}


def test_errors_at_the_command_line(host: Host, work: Path, stopped_run: Path) -> None:
    """N5: a line or more, no traceback, and the exit code that the document promises."""
    (work / "evil.gin").write_text("import evil\n" + (work / "small.gin").read_text())
    (work / "typo.gin").write_text("trian.epochs = 3\n" + (work / "small.gin").read_text())
    damaged = Path(shutil.copytree(stopped_run, work / "damaged"))
    (damaged / "best.safetensors").write_bytes(b"evil")
    cases = {
        0: [("--version",), ("--help",), ("check", "small.gin")],
        2: [
            *(("check", name) for name in ("nothing", "nothing.gin", ".", "typo.gin", "")),
            *(("evaluate", name) for name in ("nothing", ".", "small.gin", "")),
            *(("train", *words) for words in ((), ("nothing",), ("small.gin", "--device", "evil"))),
            *(("train", "small.gin", *words) for words in (("--set", "x"), ("--with", "x"), ("--plugin", "x.py"))),
            *(("train", "small.gin", "--name", name) for name in ("../x", "/x", "", "\x1b[2J", "x" * 300)),
            *(("train", "--resume", name) for name in ("nothing", ".")),
            *(("data", "check", name) for name in ("nothing", "nothing.gin")),
            ("show", "small.gin", "--set", "task.folder.root = '/nothing'", "--evil"),
            ("train", "small.gin", "--set", "task.folder.root = '/nothing'"),
            ("data", "check", "small.gin", "--set", "task.folder.root = '\\x1b[2J'"),
            ("evil",),
        ],
        3: [(command, "evil.gin") for command in ("check", "show", "train")] + [("data", "check", "evil.gin")],
        4: [("evaluate", damaged)],
    }
    for code, commands in cases.items():
        for command in commands:
            said = host.mixkit(*command, folder=work)
            told = f"{command}: {said.code} {said.out[-300:]}{said.err[-800:]}"
            assert said.code == code, told
            assert "Traceback" not in said.err + said.out, told
            assert "\x1b" not in said.err + said.out, told
            assert code == 0 or said.err.strip(), told
    debug = host.mixkit("--debug", "check", "typo.gin", folder=work)
    assert "Traceback" in debug.err, "with --debug there is one"


NAMES = (
    "plain",
    "new\nline",
    "\x1b[31mred\x1b[2J",
    "comma, \"quote\" 'and' tab\t",
    "-rf",
    "=cmd|' C'!A0",
    "x" * 240,
    "\u202egnp.evil",
    "Case",
    "case",
    "e\u0301",
    "\u00e9",
    b"not \xff utf8".decode(errors="surrogateescape"),
    "[bold]markup",
)


@pytest.fixture
def odd_names(tmp_path: Path) -> Path:
    """Recordings under odd names, in folders that are odd labels; every other is no sound."""
    root = tmp_path / "odd"
    for label in ('low, "er"', "=high[red]"):
        (root / label).mkdir(parents=True)
        for number, name in enumerate(NAMES):
            path = root / label / f"{name}.wav"
            path.write_bytes(audio.written(audio.sound(0.3)) if number % 2 else b"RIFF of evil")
    return root


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_names_are_shown_and_not_obeyed(host: Host, odd_names: Path, work: Path, encoding: str) -> None:
    """A5."""
    line = f"task.folder.root = {str(odd_names)!r}"
    environment = {"PYTHONIOENCODING": encoding}
    for command in (("data", "check", "small.gin"), ("data", "check", "small.gin", "--json"), ("train", "small.gin")):
        said = host.mixkit(*command, "--set", line, folder=work, environment=environment)
        assert said.code in (2, 4), said.err
        everything = said.out + said.err
        assert "Traceback" not in everything
        assert not [mark for mark in ("\x1b", "\u202e", "\udcff") if mark in everything]
        if "--json" in command:
            assert said.out, said.err
            document = json.loads(said.out)
            files = [finding["file"] for finding in document["findings"]["unreadable"]]
            assert len(files) == len(set(files)) == 2 * len(NAMES[::2])
        elif command[0] == "data":
            assert "\\x1b[31m" in everything


def test_the_names_are_live(odd_names: Path) -> None:
    """The control: printed as they are, they clear a terminal, or cannot be written at all."""
    names = [path.name for path in odd_names.rglob("*.wav")]
    assert any("\x1b[2J" in name for name in names)
    rows = io.StringIO()
    csv.writer(rows).writerows([[name] for name in names])
    with pytest.raises(UnicodeEncodeError):
        rows.getvalue().encode()
    assert soundfile.info(str(next(odd_names.rglob("case.wav")))).frames
