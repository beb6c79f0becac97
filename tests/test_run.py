"""The run folder: whole files or none, names that cannot hurt, and errors that say what was needed."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mixkit.errors import RunError
from mixkit.recipe.schema import Block, Model, Recipe, Train
from mixkit.registry import Spec
from mixkit.run import Run, environment


@pytest.fixture
def recipe() -> Recipe:
    block = Block((Spec("operator", "channel", {"expansion": 4.0}),))  # type: ignore[arg-type]
    return Recipe(Model((block,)), Train(), Spec("task", "demo"), name="mine")


def test_a_new_run_says_what_it_is(recipe: Recipe, tmp_path: Path) -> None:
    run = Run.create(recipe, tmp_path, environment=environment("cpu", "float32"))
    assert run.folder == tmp_path / "mine" / "001"
    assert sorted(path.name for path in run.folder.iterdir()) == ["environment.json", "recipe.gin", "recipe.json"]
    assert json.loads((run.folder / "environment.json").read_text())["precision"] == "float32"
    assert not run.complete
    with pytest.raises(RunError) as caught:
        run.results()
    assert str(caught.value) == f"{run.folder} has no results.json: training has not ended there."
    run.write_json("results.json", {"test": {"accuracy": 1.0}})
    assert Run.open(run.folder).results() == {"test": {"accuracy": 1.0}}


def test_runs_are_numbered_on(recipe: Recipe, tmp_path: Path) -> None:
    assert Run.create(recipe, tmp_path).folder.name == "001"
    (tmp_path / "mine" / "041").mkdir()
    assert Run.place(recipe, tmp_path).name == "042"
    assert Run.create(recipe, tmp_path, "night run").folder == tmp_path / "night run"


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "a/b", "-x", "nul\0", "line\nbreak", "x" * 200])
def test_names_that_are_none(recipe: Recipe, tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError) as caught:
        Run.create(recipe, tmp_path, name)
    assert str(caught.value).startswith(f"--name {name!r} is no name for a folder.")
    assert list(tmp_path.iterdir()) == []


def test_a_name_taken(recipe: Recipe, tmp_path: Path) -> None:
    Run.create(recipe, tmp_path, "first")
    with pytest.raises(RunError) as caught:
        Run.place(recipe, tmp_path, "first")
    assert str(caught.value) == f"{tmp_path / 'first'} is already there. Choose another --name, or remove it."


def test_a_write_that_fails_leaves_what_was_there(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create(recipe, tmp_path)
    run.write("notes", b"first")
    before = sorted(run.folder.iterdir())

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for write in (lambda: run.write("notes", b"second"), lambda: run.log({"epoch": 1})):
        with pytest.raises(RunError) as caught:
            write()
        assert str(caught.value) == (
            f"{run.folder} cannot be written: No space left on device. "
            "Free the disk, or name another folder with --runs."
        )
    assert (run.folder / "notes").read_bytes() == b"first"
    assert sorted(path for path in run.folder.iterdir() if path.name != "metrics.jsonl") == before


def test_a_disk_that_is_full_while_weights_are_saved(recipe: Recipe, tmp_path: Path) -> None:
    """A real limit on the size of files stands in for the disk."""
    script = f"""
import resource, signal, torch
from pathlib import Path
from mixkit.errors import RunError
from mixkit.run import Run
from mixkit.training.checkpoint import save_state
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save_state(Run(Path({str(tmp_path)!r})), {{"x": torch.zeros(10**6)}})
except RunError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        f"{tmp_path} cannot be written: File too large. Free the disk, or name another folder with --runs."
    )
    assert list((tmp_path / "last").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_may_not_be_written(recipe: Recipe, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match="cannot be written: Permission denied"):
        Run.create(recipe, tmp_path)


def test_a_file_where_the_folder_should_be(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(RunError, match=r"runs/mine/001 cannot be written: Not a directory\. Free the disk, or name"):
        Run.create(recipe, tmp_path / "runs")


def test_metrics_survive_a_torn_line(recipe: Recipe, tmp_path: Path) -> None:
    run = Run.create(recipe, tmp_path)
    assert run.metrics() == []
    run.log({"epoch": 1})
    run.log({"epoch": 2})
    with (run.folder / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 3, "va')
    assert [record["epoch"] for record in run.metrics()] == [1, 2]


def test_opening_what_is_no_run(recipe: Recipe, tmp_path: Path) -> None:
    run = Run.create(recipe, tmp_path)
    for folder, message in [
        (tmp_path / "gone", f"{tmp_path / 'gone'} is no folder. Name a run, such as runs/asm_rh/001."),
        (tmp_path, f"{tmp_path} is no run: it has no recipe.gin. Did you mean {run.folder}?"),
    ]:
        with pytest.raises(RunError) as caught:
            Run.open(folder)
        assert str(caught.value) == message
