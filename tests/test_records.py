"""What a run leaves behind beside its weights: environment, code, CSV, TensorBoard, and the list of runs."""

import csv
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mixkit.errors import RunError
from mixkit.runs.environment import code, environment
from mixkit.runs.folder import Run
from mixkit.runs.overview import overview
from mixkit.storage.lock import locked

Command = Callable[..., Any]
SMALL = ["task.demo.clips = 4", "model.width = 16", "model.depth = 1", "train.epochs = 2", "train.batch_size = 16"]
LINES = [part for line in SMALL for part in ("--set", line)]


def git(folder: Path, *command: str) -> None:
    names = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", str(folder), *names, *command], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "op.py").write_text("first\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    return folder


def test_the_users_code_is_on_record(repository: Path) -> None:
    facts, difference = code(repository)
    assert facts is not None
    assert (facts["differs"], facts["new_files"], difference) == (False, [], "")
    assert len(facts["commit"]) == 40
    (repository / "op.py").write_text("second\n")
    (repository / "new.py").write_text("")
    facts, difference = code(repository)
    assert facts is not None
    assert (facts["differs"], facts["new_files"]) == (True, ["new.py"])
    assert "-first\n+second\n" in difference
    assert code(repository.parent) == (None, "")


@pytest.mark.parametrize(
    ("settings", "attributes"),
    [
        (["core.fsmonitor", "{}"], ""),
        (["diff.external", "{}"], ""),
        (["diff.own.textconv", "{}"], "*.py diff=own"),
        (["diff.own.command", "{}"], "*.py diff=own"),
        (["filter.own.clean", "{}"], "*.py filter=own"),
    ],
)
def test_a_folders_own_git_settings_run_nothing(repository: Path, settings: list[str], attributes: str) -> None:
    canary = repository.parent / "canary"
    payload = repository.parent / "payload.sh"
    payload.write_text(f"#!/bin/sh\ntouch {canary}\n")
    payload.chmod(0o755)
    git(repository, "config", settings[0], settings[1].format(payload))
    (repository / ".gitattributes").write_text(attributes)
    (repository / "op.py").write_text("second\n")
    assert code(repository)[0] is not None
    assert not canary.exists()
    subprocess.run(["git", "-C", str(repository), "diff", "HEAD"], capture_output=True, check=False)
    assert canary.exists(), "the control: plain git runs it"


def test_the_environment_names_versions_and_machine() -> None:
    found = environment("cpu", "float32")
    assert {"mixkit", "torch", "torchaudio", "numpy", "python", "platform", "threads", "command"} <= found.keys()
    assert found["cores"] == os.cpu_count()
    assert found["cuda"] is None
    json.dumps(found)


def test_a_run_keeps_its_figures_as_csv(mixkit_command: Command, tmp_path: Path) -> None:
    assert (
        mixkit_command("train", "asm_rh", *LINES, "--runs", str(tmp_path), "--name", "one", "--tensorboard").code == 0
    )
    run = Run.open(tmp_path / "one")
    rows = list(csv.DictReader((run.folder / "metrics.csv").read_text().splitlines()))
    assert [float(row["valid.accuracy"]) for row in rows] == [r["valid"]["accuracy"] for r in run.metrics()]
    assert [float(row["train.loss"]) for row in rows] == [r["train"]["loss"] for r in run.metrics()]
    assert [time["epoch"] for time in run.times()] == [1, 2]
    assert run.seconds() == sum(time["seconds"] for time in run.times()) > 0
    assert [event["event"] for event in run.events()] == ["saved", "saved"]
    drawn = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    seen = drawn.EventAccumulator(str(run.folder / "tensorboard")).Reload()
    assert [point.value for point in seen.Scalars("accuracy/valid")] == pytest.approx(
        [record["valid"]["accuracy"] for record in run.metrics()]
    )
    (tested,) = seen.Scalars("accuracy/test")
    assert tested.value == pytest.approx(run.results().test.values["accuracy"])
    assert seen.Images("confusion")


def test_a_rehearsal_writes_no_run(mixkit_command: Command, tmp_path: Path) -> None:
    said = mixkit_command("train", "asm_rh", *LINES, "--runs", str(tmp_path / "runs"), "--dry-run")
    assert said.code == 0, said.err
    assert "A step of 16 clips takes" in said.out
    assert "2 epochs" in said.out
    assert said.out.endswith("No run was written.\n")
    assert not (tmp_path / "runs").exists()


def test_the_list_of_runs(mixkit_command: Command, tmp_path: Path) -> None:
    def lines() -> dict[str, dict[str, Any]]:
        found = json.loads(mixkit_command("runs", str(tmp_path), "--json").out)
        return {Path(line["run"]).name: line for line in found}

    with pytest.raises(RunError, match="is no folder"):
        overview(tmp_path / "none")
    assert mixkit_command("runs", str(tmp_path)).out.strip().startswith(f"{tmp_path} holds no run. Train one: ")
    assert mixkit_command("train", "asm_rh", *LINES, "--runs", str(tmp_path), "--name", "done").code == 0
    run = Run.open(tmp_path / "done")
    done = lines()["done"]
    assert (done["state"], done["epochs"], done["test"]) == ("complete", 2, run.results().test.value("accuracy"))
    assert done["valid"] == max(record["valid"]["accuracy"] for record in run.metrics())
    (run.folder / "results.json").unlink()
    assert lines()["done"]["state"] == "stopped"
    with locked(run.folder / ".lock", lambda holder: None):
        held = lines()["done"]
    assert held["state"] == "running"
    assert held["note"].startswith(f"process {os.getpid()} on ")
    (run.folder / "results.json").write_text("{")
    assert lines()["done"]["state"] == "damaged"
    assert "complete" not in mixkit_command("runs", str(tmp_path)).out
