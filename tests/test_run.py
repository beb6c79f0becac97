"""The run folder: whole files or none, names that cannot hurt, and errors that say what was needed."""

import errno
import json
import os
import re
from pathlib import Path

import pytest

from mixkit.errors import RunError
from mixkit.recipe.schema import Block, Model, Recipe
from mixkit.recipe.train import Train
from mixkit.registry import Spec
from mixkit.runs.environment import environment
from mixkit.runs.folder import Run
from mixkit.training.session import ReadOnlyRun
from tests.fake_runs import fake_results
from tests.nursery import Nursery


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
    run.write_json("results.json", fake_results(accuracy=0.9))
    assert Run.open(run.folder).results().test.value("accuracy") == pytest.approx(0.9)


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
    for name, write in [("notes", lambda: run.write("notes", b"second")), ("times.jsonl", lambda: run.log({}, {}))]:
        with pytest.raises(RunError) as caught:
            write()
        assert re.fullmatch(
            rf"{run.folder}/{name} cannot be written: No space left on device; 0\.0 MB are needed, [0-9.,]+ MB are "
            r"free\. Free the disk, or name another folder with --runs\.",
            str(caught.value),
        )
    assert (run.folder / "notes").read_bytes() == b"first"
    assert sorted(path for path in run.folder.iterdir() if path.name != "times.jsonl") == before


def test_a_disk_that_is_full_while_weights_are_saved(nursery: Nursery, recipe: Recipe, tmp_path: Path) -> None:
    """A real limit on the size of files stands in for the disk."""
    script = f"""
import resource, signal, torch
from pathlib import Path
from mixkit.errors import RunError
from mixkit.runs.folder import Run
from mixkit.checkpoints.state import save_state
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save_state(Run(Path({str(tmp_path)!r})), 7, {{"x": torch.zeros(10**6)}})
except RunError as error:
    print(error)
"""
    done = nursery.run("-c", script)
    assert re.fullmatch(
        rf"{tmp_path}/last/state-000000007-[0-9a-f]{{64}}\.pt cannot be written: File too large; 4\.0 MB are needed, "
        r"[0-9.,]+ MB are free\. Free the disk, or name another folder with --runs\.\n",
        done.out,
    ), done.out
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
    for epoch in (1, 2):
        run.log({"epoch": epoch, "valid": {"accuracy": 0.5}}, {"epoch": epoch, "seconds": 1.5})
    with (run.folder / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 3, "va')
    assert [record["epoch"] for record in run.metrics()] == [1, 2]
    run.log({"epoch": 3, "valid": {"accuracy": 1.0}}, {"epoch": 3, "seconds": 1.5})
    assert [record["epoch"] for record in run.metrics()] == [1, 2, 3], "the torn line swallows nothing"
    assert (run.folder / "metrics.csv").read_text() == "epoch,valid.accuracy\n1,0.5\n2,0.5\n3,1.0\n"
    assert run.seconds() == 4.5


def test_epochs_that_are_trained_again_leave_no_trace(recipe: Recipe, tmp_path: Path) -> None:
    run = Run.create(recipe, tmp_path)
    for epoch in (1, 2, 3):
        run.log({"epoch": epoch}, {"epoch": epoch, "seconds": 1.0})
    (run.folder / "metrics.csv").unlink()  # as a kill leaves it between two files
    run.keep_epochs(2)
    assert [record["epoch"] for record in run.metrics()] == [1, 2]
    assert (run.folder / "metrics.csv").read_text() == "epoch\n1\n2\n"
    assert run.seconds() == 2.0


def test_opening_what_is_no_run(recipe: Recipe, tmp_path: Path) -> None:
    run = Run.create(recipe, tmp_path)
    for folder, message in [
        (tmp_path / "gone", f"{tmp_path / 'gone'} is no folder. Name a run, such as runs/asm_rh/001."),
        (tmp_path, f"{tmp_path} is no run: it has no recipe.gin. Did you mean {run.folder}?"),
    ]:
        with pytest.raises(RunError) as caught:
            Run.open(folder)
        assert str(caught.value) == message


def test_a_read_only_run_writes_nothing(recipe: Recipe, tmp_path: Path) -> None:
    """The other processes of a training have it; the control writes with the same calls."""
    plain = Run.create(recipe, tmp_path)
    plain.log({"epoch": 1}, {"epoch": 1, "seconds": 1.0})

    def write_all(run: Run) -> dict[Path, bytes | None]:
        run.write("notes", b"first")
        run.write_json("results.json", {})
        run.log({"epoch": 2}, {"epoch": 2, "seconds": 1.0})
        run.event("saved")
        run.keep_epochs(0)
        with run.hold():
            return {path: path.read_bytes() if path.is_file() else None for path in run.folder.rglob("*")}

    before = {path: path.read_bytes() for path in plain.folder.iterdir()}
    read_only = ReadOnlyRun(plain.folder)
    assert write_all(read_only) == before
    assert (read_only.identity, read_only.metrics()) == (plain.identity, [{"epoch": 1}])
    assert before.keys() < write_all(plain).keys()
