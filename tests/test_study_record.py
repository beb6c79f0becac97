"""The record of a study: what is written is read, what is not ours is refused, and `done` is what the disk says."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mixkit.errors import DamagedError, RunError
from mixkit.study.record import Arm, ArmRun, Record, is_study, read_study, write_study


def record(folder: Path) -> Record:
    arms = (Arm("base", ()), Arm("Ä -> b", ("train.epochs = 2",), {"accuracy": 97.5}, "best of ten"))
    trials = tuple(
        ArmRun(arm.name, seed, None, folder / "runs" / f"{arm.name[0]}{seed}", "waiting", None, "mixkit train x")
        for arm in arms
        for seed in (0, 1)
    )
    return Record("x", folder, "asm_rh", ("size/tiny",), ("a = 1",), "base", arms, trials, True, "a note")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = record(tmp_path)
    assert not is_study(tmp_path)
    write_study(written)
    assert is_study(tmp_path)
    assert read_study(tmp_path) == written


def test_a_study_can_be_moved(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    write_study(record(tmp_path / "here"))
    (tmp_path / "here").rename(tmp_path / "there")
    assert read_study(tmp_path / "there") == record(tmp_path / "there")


def test_done_is_what_the_run_folder_says(tmp_path: Path) -> None:
    written = record(tmp_path)
    states = ("running", "done", "failed", "failed")
    trials = [replace(t, state=s, error="no") for t, s in zip(written.trials, states, strict=True)]
    write_study(replace(written, trials=tuple(trials)))
    for trial in (trials[0], trials[2]):
        trial.folder.mkdir(parents=True)
        (trial.folder / "results.json").touch()
    found = [(trial.state, trial.error) for trial in read_study(tmp_path).trials]
    assert found == [("done", None), ("waiting", "no"), ("done", None), ("failed", "no")]


def _trial(**changes: Any) -> Callable[[Any], None]:
    return lambda data: data["trials"][0].update(changes)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("arms"),
        lambda data: data.update(more=1),
        lambda data: data.update(base="nobody"),
        lambda data: data.update(name=3),
        lambda data: data.update(quick="yes"),
        lambda data: data["arms"].append(data["arms"][0]),
        lambda data: data["arms"][0].update(lines=[3]),
        lambda data: data["arms"][1].update(value={"accuracy": "high"}),
        _trial(arm="nobody"),
        _trial(seed="0"),
        _trial(state="lost"),
        _trial(folder="../elsewhere"),
        _trial(folder="/etc"),
        _trial(folder=3),
    ],
)
def test_what_mixkit_did_not_write_is_refused(tmp_path: Path, change: Callable[[Any], None]) -> None:
    write_study(record(tmp_path))
    path = tmp_path / "study.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data))
    assert read_study(tmp_path) == record(tmp_path)  # the change alone is at fault
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(DamagedError) as caught:
        read_study(tmp_path)
    assert str(caught.value) == (f"{path} is not what mixkit wrote. Run `mixkit ablate` again: finished runs are kept.")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_a_torn_record_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "study.json").write_bytes(content)
    with pytest.raises(DamagedError):
        read_study(tmp_path)


def test_what_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        read_study(tmp_path / "none")
    assert str(caught.value) == f"{tmp_path / 'none'} is no folder. Name a study, such as runs/asm_rh-ablation."
    with pytest.raises(RunError) as caught:
        read_study(tmp_path)
    assert str(caught.value) == f"{tmp_path} is no study: it has no study.json."
    (tmp_path / "mine").mkdir()
    write_study(record(tmp_path / "mine"))
    with pytest.raises(RunError) as caught:
        read_study(tmp_path)
    assert str(caught.value) == f"{tmp_path} is no study: it has no study.json. Did you mean {tmp_path / 'mine'}?"
