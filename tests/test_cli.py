"""The command line: mistakes end in one message and exit code 2, with nothing written; results lie in run folders."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
import torch

from tests.conftest import Said

Command = Callable[..., Said]

QUICK = (
    "--with",
    "task/folder",
    "--set",
    "task.folder.seconds = 0.5",
    "--set",
    "model.width = 16",
    "--set",
    "model.depth = 2",
    "--set",
    "train.epochs = 2",
)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in a folder of its own."""
    monkeypatch.chdir(tmp_path)


def quick(root: object) -> tuple[str, ...]:
    return (*QUICK, "--set", f"task.folder.root = {str(root)!r}")


def expect_mistake(said: Said, start: str, tmp_path: Path, code: int = 2) -> None:
    assert said.code == code, said
    assert said.err.startswith(f"error: {start}"), said.err
    assert "Traceback" not in said.err
    assert said.out.count("epoch") == 0
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("line", "start"),
    [
        (
            "block.branches = [@operator.chanel()]",
            "--set \"block.branches = [@operator.chanel()]\": no operator named 'chanel'. Did you mean 'channel'?",
        ),
        ("train.epohcs = 3", '--set "train.epohcs = 3": '),
        ("trian.epochs = 3", '--set "trian.epochs = 3": '),
        ("train.epochs = 'two'", "--set \"train.epochs = 'two'\": train.epochs is 'two' (a str)."),
        ("train.epochs = -1", '--set "train.epochs = -1": train.epochs is -1. It takes an int, at least 1 or None.'),
        ("wide/operator.channel.hidden = 3", '--set "wide/operator.channel.hidden = 3": nothing uses '),
        ("operator.roll_time.bands = 1000", "operator.roll_time.bands is 1000"),
        ("train.batch_size = %SIZE", '--set "train.batch_size = %SIZE": macro %SIZE is never set.'),
        ("train.loss = 'evil:go'", "--set \"train.loss = 'evil:go'\": train.loss is 'evil:go' (a str)."),
    ],
)
def test_mistakes_in_settings(mixkit_command: Command, tmp_path: Path, line: str, start: str) -> None:
    expect_mistake(mixkit_command("train", "asm_rh", "--set", line), start, tmp_path)


def test_a_recipe_that_is_not_there(mixkit_command: Command, tmp_path: Path) -> None:
    said = mixkit_command("train", "recipes/asm_rg.gin")
    expect_mistake(said, "", tmp_path)
    assert "asm_rg" in said.err
    assert "Did you mean 'asm_rh'?" in mixkit_command("train", "asm_rg").err


def test_data_that_cannot_be_trained_on(mixkit_command: Command, tmp_path: Path, tones: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    single = tmp_path / "single"
    (single / "low").mkdir(parents=True)
    for path in (tones / "low").iterdir():
        (single / "low" / path.name).write_bytes(path.read_bytes())
    for root, start in [
        (tmp_path / "gone", "task.folder.root"),
        (empty, f"{empty}"),
        (single, "one class only"),
    ]:
        said = mixkit_command("train", "asm_rh", *quick(root))
        assert str(root) in said.err or "low" in said.err
        expect_mistake(said, start, tmp_path)


def test_a_copy_in_two_splits_is_a_leak(mixkit_command: Command, tmp_path: Path, tones: Path) -> None:
    held_out = ["--set", "task.folder.test_groups = ['low/5.wav', 'high/5.wav']"]
    assert mixkit_command("train", "asm_rh", *quick(tones), *held_out, "--name", "sound").code == 0
    copied = tones / "low" / "5.wav"
    copied.write_bytes((tones / "low" / "0.wav").read_bytes())
    said = mixkit_command("train", "asm_rh", *quick(tones), *held_out, "--name", "leaking")
    assert said.code == 2
    assert said.err == (
        "error: the same recording, sample for sample, stands in two splits (1 times). Leave one of each pair out:\n"
        f"  {tones}/low/0.wav (train) = {copied} (test)\n"
    )
    assert not (tmp_path / "runs" / "leaking").exists()


def test_a_clip_of_zero_samples_is_named(mixkit_command: Command, tmp_path: Path, tones: Path) -> None:
    bad = tones / "low" / "9.wav"
    soundfile.write(bad, torch.empty(0).numpy(), 16_000)
    said = mixkit_command("train", "asm_rh", *quick(tones))
    fault = f"  {bad}: 0 samples of audio. Remove the file, or list it in task.folder.skip.\n"
    expect_mistake(said, f"1 of 13 clips cannot be used (1 of 2 test):\n{fault}", tmp_path)
    skipping = mixkit_command("train", "asm_rh", *quick(tones), "--set", "task.folder.skip = ['low/9.wav']")
    assert skipping.code == 0, skipping


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA GPU")
def test_a_gpu_that_is_not_there(mixkit_command: Command, tmp_path: Path) -> None:
    said = mixkit_command("train", "asm_rh", "--device", "cuda")
    expect_mistake(said, "--device cuda was asked for, and torch sees no CUDA GPU. Use --device cpu or auto.", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (("train",), "no RECIPE. Name one, such as asm_rh, or a run to go on with: --resume runs/asm_rh/001."),
        (("train", "--resume", "runs/none"), "runs/none is no folder. Name a run, such as runs/asm_rh/001."),
        (("train", "asm_rh", "--resume", "x"), "--resume x goes on with the recipe of that run. Leave the others out."),
        (("evaluate", "runs/none"), "runs/none is no folder. Name a run, such as runs/asm_rh/001."),
        (("train", "asm_rh", "--with", "size/bsae"), '--with "size/bsae": '),
        (("train", "asm_rh", "--name", "../out"), "--name '../out' is no name for a folder."),
        (("train", "asm_rh", "--plugin", "gone.py"), "plugin gone.py is no file. Check the path."),
        (("copy", "asm_rg", "mine.gin"), "no recipe "),
        (("show", "."), ""),
    ],
)
def test_other_mistakes(mixkit_command: Command, tmp_path: Path, arguments: tuple[str, ...], start: str) -> None:
    expect_mistake(mixkit_command(*arguments), start, tmp_path)


def test_a_stranger_s_recipe_is_refused_with_its_line(mixkit_command: Command, tmp_path: Path) -> None:
    (tmp_path / "evil.gin").write_text("import os\ninclude 'asm_rh.gin'\nx/os.system.command = 'touch ran'\n")
    said = mixkit_command("train", "evil.gin")
    expect_mistake(said, "evil.gin:1: import os", tmp_path, code=3)
    assert "evil.gin:3: " in said.err
    assert not (tmp_path / "ran").exists()


def test_words_the_command_does_not_know(mixkit_command: Command) -> None:
    assert mixkit_command("train", "asm_rh", "--epoch-count", "3").code == 2
    assert mixkit_command("trian").code == 2
    assert mixkit_command("evaluate", "x", "--split", "all").code == 2


def test_train_evaluate_and_load(mixkit_command: Command, tmp_path: Path, tones: Path) -> None:
    said = mixkit_command("train", "asm_rh", *quick(tones), "--seed", "3", "--name", "first")
    assert said.code == 0, said
    assert said.err == ""
    run = tmp_path / "runs" / "first"
    assert sorted(path.name for path in run.iterdir()) == [
        "best.safetensors",
        "clips.jsonl",
        "environment.json",
        "events.jsonl",
        "figures",
        "last",
        "metrics.csv",
        "metrics.jsonl",
        "recipe.gin",
        "recipe.json",
        "results.json",
        "times.jsonl",
    ]
    assert sorted(path.name for path in (run / "figures").iterdir()) == [
        "confusion.csv",
        "confusion.png",
        "curves.png",
        "spectrograms.png",
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (run / "figures").glob("*.png"))
    results = json.loads((run / "results.json").read_text())
    assert results["seed"] == 3
    assert results["labels"] == ["high", "low"]
    for split in ("valid", "test"):
        assert 0 <= results[split]["accuracy"] <= 1
        assert 0 <= results[split]["auc"] <= 1
    for split in ("valid", "test"):
        found = mixkit_command("evaluate", run, "--split", split, "--json")
        assert found.code == 0, found
        document = json.loads(found.out)
        assert document[split] == results[split]
    assert "recall" in mixkit_command("evaluate", run).out
    (run / "results.json").unlink()  # as if it had been stopped just before its end
    gone_on = mixkit_command("train", "--resume", run)
    assert gone_on.code == 0, gone_on
    assert json.loads((run / "results.json").read_text()) == results
    assert mixkit_command("train", "--resume", run).out == f"{run} is complete: nothing is left to train.\n"
    again = mixkit_command("train", "asm_rh", *quick(tones), "--name", "first")
    assert again.code == 2
    assert "is already there" in again.err


def test_show_lists_settings_grid_and_costs(mixkit_command: Command) -> None:
    said = mixkit_command("show", "asm_rh", "--with", "size/base", "--set", "train.epochs = 3")
    assert said.code == 0
    assert "12 x 50 grid, 600 tokens of 768 channels" in said.out
    assert '--set "train.epochs = 3"' in said.out
    document = json.loads(mixkit_command("show", "asm_rh", "--with", "size/base", "--json").out)
    assert document["grid"] == {"frequency": 12, "time": 50, "tokens": 600}
    names = [row["name"] for row in document["operators"]]
    assert len(names) == 1 + 2 * 12 + 3
    assert document["parameters"] == sum(row["parameters"] for row in document["operators"])
    assert document["sources"]["model.width"].endswith("base.gin:6")


def test_list_check_and_copy(mixkit_command: Command, tmp_path: Path) -> None:
    said = mixkit_command("list")
    for name in ("hermit_frequency", "roll_time", "asm_rh", "size/base", "demo", "folder"):
        assert name in said.out
    assert set(json.loads(mixkit_command("list", "operators", "--json").out)) == {"operators"}
    assert mixkit_command("check", "asm_rh").code == 0
    assert mixkit_command("copy", "asm_rh", "mine.gin").code == 0
    assert mixkit_command("check", "mine.gin", "--with", "size/base").code == 0
    assert mixkit_command("copy", "asm_rh", "mine.gin").code == 2


def test_help_is_there_at_once_because_torch_is_not() -> None:
    code = "import sys; from mixkit.cli.app import app; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    help_text = subprocess.run(
        [sys.executable, "-m", "mixkit", "--help"], capture_output=True, text=True, check=True, env={**os.environ}
    ).stdout
    for command in ("train", "evaluate", "show", "list", "check", "copy"):
        assert command in help_text


def test_errors_of_ours_say_so(mixkit_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from mixkit.recipe import catalog

    def broken() -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(catalog, "names", broken)
    said = mixkit_command("list", "recipes")
    assert said.code == 1
    assert said.err.startswith("mixkit failed, and it is not your fault: ZeroDivisionError: oh\n")
    with pytest.raises(ZeroDivisionError):
        mixkit_command("--debug", "list", "recipes")


def test_a_long_error_is_folded_at_words_in_a_terminal_and_nowhere_else() -> None:
    command = [sys.executable, "-m", "mixkit", "check", "asm_rh", "--set", "operator.roll_time.expansoin = 2.0"]
    plain = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert plain.count("\n") == 1
    assert len(plain) > 100
    above, below = pty.openpty()
    ended = subprocess.run(command, stderr=below, env={**os.environ, "COLUMNS": "60"}, check=False)
    os.close(below)
    folded = os.read(above, 2**16).decode().replace("\r\n", "\n")
    os.close(above)
    assert ended.returncode == 2
    assert max(map(len, folded.splitlines())) <= 60
    assert folded.split() == plain.split()


def test_a_closed_pipe_is_no_error() -> None:
    script = f"{sys.executable} -m mixkit list | head -1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


def test_show_names_shipped_files_as_the_user_does(mixkit_command: Command) -> None:
    """By what `--with` takes, and not by the place of an installed package."""
    said = mixkit_command("show", "asm_rh", "--with", "size/base")
    written = {line.split(" = ")[0]: line.rpartition("# ")[2] for line in said.out.splitlines() if "  # " in line}
    assert written["recipe.task"] == "task/demo.gin:4"
    assert written["model.width"] == "size/base.gin:6"
    assert written["block.branches"] == "asm_rh.gin:9"
