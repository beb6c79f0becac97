"""What `mixkit ablate` says to a mistake, before it writes anything; and how a study looks."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mixkit.cli.views.study import Shown, size_of
from mixkit.runs.records import read_epochs
from mixkit.study.driver import Progress
from mixkit.study.record import Arm, ArmRun, Record
from tests.fake_runs import fake_results, fake_run

MISTAKES = {
    "a seed that is no number": (
        ["asm_rh", "--seeds", "0,x"],
        "error: --seeds is '0,x'. It takes numbers, such as 0,1,2.\n",
    ),
    "a seed twice": (["asm_rh", "--seeds", "1,1"], "error: --seeds names 1 more than once. Name each once.\n"),
    "folds of another kind": (
        ["asm_rh", "--folds", "1,,2"],
        "error: --folds is '1,,2'. It takes folds, such as 1,2, or all.\n",
    ),
    "folds of a task without": (
        ["asm_rh", "--folds", "all"],
        "error: task demo has no folds: its clips are divided once. Leave study.folds and --folds out. "
        "Tasks with folds: casia, esc50, folder, ravdess, urbansound8k.\n",
    ),
    "a name for no folder": (
        ["asm_rh", "--name", "../x"],
        "error: --name '../x' is no name for a folder. Use letters, digits, '.', '-' and '_'.\n",
    ),
    "no such recipe": (
        ["study/perspective"],
        "error: no recipe 'study/perspective'. Did you mean 'study/perspectives'?",
    ),
    "a line that no arm uses": (
        ["asm_rh", "--set", "operator.shift.edges = 'keep'"],
        "error: --set \"operator.shift.edges = 'keep'\": nothing uses operator.shift.edges. Remove it, or write "
        "@operator.shift() where it is due.\n",
    ),
    "a line that is none": (
        ["study/perspectives", "--set", "block.droppath = 0.1"],
        "error: --set \"block.droppath = 0.1\": block.droppath is no setting. Did you mean 'drop_path'? "
        "Known: branches, drop_path, layer_scale, residual.\n",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_before_anything_is_written(
    mixkit_command: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    said = mixkit_command("ablate", *arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err == message or (not message.endswith("\n") and said.err.startswith(message))
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_needs_a_plugin_says_so(mixkit_command: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "mine.gin"
    path.write_text("import gated_time\nstudy.base = 'asm_rh'\nstudy.drop = ['roll_time']\n")
    said = mixkit_command("ablate", path, "--runs", tmp_path / "runs")
    assert said.code == 3
    assert said.err == (
        f"error: {path}:1: import gated_time: that plugin is not loaded. If you trust it, "
        "add --plugin gated_time (a path or an installed module).\n"
    )


def record(folder: Path) -> Record:
    arms = (Arm("base", ()), Arm("with\x1b[2Jcontrol", ("train.epochs = 2",)))
    runs = folder / "runs"
    trials = (
        ArmRun("base", 0, 1, runs / "a", "done", None, ""),
        ArmRun("with\x1b[2Jcontrol", 0, 1, runs / "b", "failed", "no sound\nin it", ""),
        ArmRun("base", 1, 1, runs / "c", "running", None, ""),
        ArmRun("with\x1b[2Jcontrol", 1, 1, runs / "d", "waiting", None, ""),
    )
    return Record("x", folder, "asm_rh", (), (), "base", arms, trials, True)


def shown(tmp_path: Path, terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100, highlight=False, color_system=None)
    made = record(tmp_path)
    with Shown(console, made) as display:
        display.ended(made.trials[0], 75.0, Progress(made, 400.0))
        display.ended(made.trials[1], 5.0, Progress(made, 20_000.0))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_plain_lines_where_there_is_no_terminal(tmp_path: Path) -> None:
    assert shown(tmp_path, terminal=False) == (
        "2/4  base, seed 0, fold 1: done, 75 s; 7 min left\n"
        "2/4  with\\x1b[2Jcontrol, seed 0, fold 1: failed: no sound, 5 s; 5.6 h left\n"
        "with\\x1b[2Jcontrol, seed 0, fold 1 failed:\n"
        "    no sound\n"
        "    in it\n"
        f"    log: {tmp_path / 'logs' / 'b.txt'}\n"
    )


def test_a_table_where_there_is_one(tmp_path: Path) -> None:
    text = shown(tmp_path, terminal=True)
    for part in ("x (quick)", "done", "running", "failed", "waiting", "2 of 4 runs, time left 5.6 h"):
        assert part in text
    assert "\x1b[2Jcontrol" not in text


def test_the_table_says_how_far_each_run_is(tmp_path: Path) -> None:
    before = " ".join(shown(tmp_path, terminal=True).split())
    assert "base, seed 1, fold 1 │ starting │" in before
    fake_run(tmp_path / "runs" / "c", fake_results(1, 0.8))
    (tmp_path / "runs" / "c" / "results.json").unlink()
    epochs = read_epochs(tmp_path / "runs" / "c", "accuracy")
    text = " ".join(shown(tmp_path, terminal=True).split())
    last, best = epochs[-1], max(epoch.valid for epoch in epochs)
    row = f"base, seed 1, fold 1 │ 12 │ {last.train_loss:.3f} │ accuracy {last.valid:.1%} │ {best:.1%} │"
    assert row in text


def test_the_size_of_a_study(tmp_path: Path) -> None:
    assert size_of(record(tmp_path)) == "2 arms x 2 seeds = 4 runs"
