"""`mixkit runs`: what each run is, sorted, and no name cut."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from mixkit.cli.commands import runs as command
from tests.conftest import Said
from tests.fake_runs import fake_results, fake_run

Command = Callable[..., Said]
LONG = "a_name_that_is_so_long_that_no_table_of_eighty_columns_has_room_for_it_at_all_" * 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fake_run(tmp_path / "b", fake_results(0, 0.8))
    fake_run(tmp_path / "a", fake_results(1, 0.9))
    fake_run(tmp_path / LONG[:90], fake_results(2, 0.6))
    return tmp_path


def order(said: Said) -> list[str]:
    return [Path(line["run"]).name[:1] for line in json.loads(said.out)] if said.out else []


def test_what_each_run_is(mixkit_command: Command, folder: Path) -> None:
    found = {Path(line["run"]).name: line for line in json.loads(mixkit_command("runs", folder, "--json").out)}
    assert found["a"].items() >= {"recipe": "asm_rh", "task": "demo", "seed": 1, "state": "complete"}.items()
    assert (found["a"]["best"], found["a"]["test"]) == ("accuracy", pytest.approx(0.9))
    text = mixkit_command("runs", folder).out
    for column in ("recipe", "task", "seed", "by", "valid", "test", "note"):
        assert column in text.splitlines()[1]
    assert LONG[:90] in text  # not a letter of it is cut


def test_runs_are_sorted(mixkit_command: Command, folder: Path) -> None:
    (folder / LONG[:90]).rename(folder / "c")
    assert order(mixkit_command("runs", folder, "--json")) == ["a", "b", "c"]
    assert order(mixkit_command("runs", folder, "--json", "--sort", "test")) == ["a", "b", "c"]
    (folder / "c").rename(folder / "0")
    assert order(mixkit_command("runs", folder, "--json", "--sort", "test")) == ["a", "b", "0"]
    assert order(mixkit_command("runs", folder, "--json", "--sort", "run")) == ["0", "a", "b"]
    assert mixkit_command("runs", folder, "--sort", "colour").code == 2


@pytest.mark.parametrize("width", [80, 120, 200])
def test_a_narrow_terminal_has_fewer_columns_and_whole_names(
    folder: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    from mixkit.runs.overview import overview

    console = Console(file=StringIO(), force_terminal=True, width=width, color_system=None, highlight=False)
    monkeypatch.setattr(command, "stdout", lambda: console)
    lines = overview(folder)
    command._show(lines)
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    letters = "".join(line.split("\u2502")[1].strip() for line in text.splitlines() if line.startswith("\u2502"))
    assert letters == "".join(line.run for line in lines)
    assert "No room here for " in text or width > 80


def test_no_runs_yet(mixkit_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = mixkit_command("runs")
    assert said.err == "error: there is no run yet: no folder runs here. Train one: mixkit train small_data.\n"
    (tmp_path / "runs").mkdir()
    assert mixkit_command("runs").out == "runs holds no run. Train one: mixkit train small_data --runs runs\n"
    assert mixkit_command("runs", "nowhere").err.startswith("error: nowhere is no folder.")
