"""`mixkit ablate` for real: small networks, the demo sounds, failures of every kind, and a driver that is killed."""

import csv
import json
import os
import random
import shlex
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from mixkit.report import tables, write
from mixkit.report.formats import to_csv
from mixkit.study.record import ArmRun, Record, read_study
from tests.nursery import Nursery

SMALL = ("task.demo.clips = 15", "task.demo.seconds = 0.5", "model.width = 16", "model.depth = 1", "train.epochs = 1")

# An operator for each way to fail. Memory that runs out ends a process as SIGKILL does.
FAILING = '''
import os, signal, time
import torch
from torch import nn
from mixkit import operator

class Failing(nn.Module):
    def __init__(self, site): super().__init__(); self.scale = nn.Parameter(torch.ones(site.width))
    def forward(self, x): self.fail(); return x * self.scale

@operator("raising", mixes=set())
class Raising(Failing):
    """Raises."""
    def fail(self): raise ValueError("no such sound")

@operator("killed", mixes=set())
class Killed(Failing):
    """Is killed."""
    def fail(self): os.kill(os.getpid(), signal.SIGKILL)

@operator("ended", mixes=set())
class Ended(Failing):
    """Is ended by another signal."""
    def fail(self): signal.signal(signal.SIGTERM, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGTERM)

@operator("hanging", mixes=set())
class Hanging(Failing):
    """Never ends."""
    def fail(self): time.sleep(3600)

@operator("nan", mixes=set())
class Nan(Failing):
    """Is not a number."""
    def forward(self, x): return x * self.scale * float("nan")
'''

STUDY = """
import failing
study.base = 'asm_rh'
study.set = {settings}
study.seeds = [0]
study.arms = {{
    'good': [],
    'raises': ['block.branches = [@operator.raising()]'],
    'is killed': ['block.branches = [@operator.killed()]'],
    'is ended': ['block.branches = [@operator.ended()]'],
    'hangs': ['block.branches = [@operator.hanging()]'],
    'is no number': ['block.branches = [@operator.nan()]', 'train.on_bad_number = \\'stop\\''],
    'cannot be built': ['operator.roll_time.bands = 1000'],
    'also good': ['block.branches = [@operator.shift(), @operator.channel()]'],
}}
"""


def small(*more: str) -> list[str]:
    return [word for line in (*SMALL, *more) for word in ("--set", line)]


def same(record: Record) -> Record:
    """A record without the place where it is."""
    folder = Path("study")
    trials = tuple(replace(trial, folder=folder / trial.folder.name) for trial in record.trials)
    return replace(record, folder=folder, trials=trials)


def results(trial: ArmRun) -> Any:
    return json.loads((trial.folder / "results.json").read_text())


def written(folder: Path) -> int:
    """How much there is of a study."""
    files = list(folder.glob("runs/[!.]*/*"))
    return len(files) + sum(path.read_bytes().count(b"\n") for path in files if path.suffix == ".jsonl")


def attempts(folder: Path) -> dict[str, int]:
    """How often each run was begun, by its log."""
    return {path.stem: path.read_text().count("$ mixkit train ") for path in folder.glob("logs/*.txt")}


def table(folder: Path) -> tuple[object, ...]:
    """What the study answers, but for speed, which no two runs share."""
    found = write.compare([folder])
    pace = ("clips_per_second", "memory", "seconds", "folder")
    lines = [{k: v for k, v in line.items() if k not in pace} for line in csv.DictReader(StringIO(to_csv(found)))]
    return tables.figures(found).rows, tables.differences(found).rows, lines


def children(process: int) -> list[int]:
    path = Path(f"/proc/{process}/task/{process}/children")
    return [int(number) for number in path.read_text().split()] if path.is_file() else []


@pytest.mark.slow
def test_a_plain_recipe(
    nursery: Nursery, mixkit_command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ("ablate", "mlp_mixer", "--quick", "--device", "cpu", "--jobs", 2, *small())
    said = nursery.run(*command, folder=tmp_path)
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[:2] == [
        "A quick look: one seed and a few epochs. It shows that everything works; its figures prove nothing.",
        "mlp_mixer-ablation: 3 arms x 1 seed = 3 runs.",
    ]
    assert [line.split("  ")[0] for line in lines[2:5]] == ["1/3", "2/3", "3/3"]
    assert all("seed 0: test accuracy " in line for line in lines[2:5])
    folder = "runs/mlp_mixer-ablation-quick"
    assert lines[-2:] == [
        f"All of it is in {folder}: study.json, runs/, logs/.",
        f"Next:  mixkit report {folder}    a page: figures, errors to listen to, commands",
    ]
    told = mixkit_command("compare", folder).out.splitlines()
    assert lines[5:-2] == ["", *told, ""]
    assert told[0] == "quick: a short study to see that everything works. Its figures prove nothing."
    record = read_study(tmp_path / "runs" / "mlp_mixer-ablation-quick")
    assert [trial.state for trial in record.trials] == ["done"] * 3
    assert record.quick
    again = mixkit_command(*command)
    assert again.out.splitlines()[2:] == ["3 of 3 runs are done already and are not repeated.", *lines[5:]]
    # a row made by hand is the row of the study, to the last bit
    row = record.trials[1]
    by_hand = nursery.run(*shlex.split(row.command)[1:], "--device", "cpu", "--runs", tmp_path, "--name", "hand")
    assert by_hand.code == 0, by_hand.err
    assert json.loads((tmp_path / "hand" / "results.json").read_text()) == results(row)


@pytest.mark.slow
def test_what_fails_is_told_and_the_rest_is_done(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(FAILING)
    (tmp_path / "many.gin").write_text(STUDY.format(settings=list(SMALL)))
    runs = tmp_path / "runs"
    command = ["ablate", tmp_path / "many.gin", "--plugin", tmp_path / "failing.py"]
    command += ["--jobs", 2, "--runs", runs, "--device", "cpu", "--minutes", 0.3]
    ended = nursery.run(*command)
    record = read_study(runs / "many")
    states = {trial.arm: (trial.state, trial.error) for trial in record.trials}
    assert ended.code == 1, (ended.out, ended.err, states)
    assert ended.err == "error: 6 runs have failed of 8. The same command again runs what is missing.\n"
    assert f"Next:  mixkit report {runs / 'many'} --plugin {tmp_path / 'failing.py'}    a page: " in ended.out
    assert states.pop("good") == states.pop("also good") == ("done", None)
    assert {state for state, _ in states.values()} == {"failed"}
    errors = {arm: str(error) for arm, (_, error) in states.items()}
    assert "ValueError: no such sound" in errors.pop("raises")
    assert errors.pop("is killed") == "killed (137), likely out of memory"
    assert errors.pop("is ended") == "ended by SIGTERM (143)"
    assert errors.pop("hangs") == "took longer than 0.3 min and was ended"
    assert "nan" in errors.pop("is no number").lower()
    assert errors.pop("cannot be built").startswith("operator.roll_time.bands is 1000")
    assert errors == {}
    for trial in record.trials:
        log = runs / "many" / "logs" / f"{trial.folder.name}.txt"
        assert log.read_text().startswith("$ mixkit train ")
        if trial.state == "failed":
            assert f"{trial.arm}, seed 0 failed:\n" in ended.out
            assert f"    log: {log}\n" in ended.out


@pytest.mark.slow
def test_a_study_killed_five_times_ends_as_one_left_alone(nursery: Nursery, tmp_path: Path) -> None:
    def command(runs: str) -> list[str]:
        words = ["ablate", "mlp_mixer", "--seeds", "0,1", "--jobs", "2", "--device", "cpu"]
        return [*words, "--runs", str(tmp_path / runs), *small("train.epochs = 3")]

    assert nursery.run(*command("alone")).code == 0
    alone = read_study(tmp_path / "alone" / "mlp_mixer-ablation")
    folder = tmp_path / "killed" / "mlp_mixer-ablation"
    generator = random.Random(0)
    done: dict[str, int] = {}
    kills = 0
    while kills < 5:
        driver = nursery.start(*command("killed"))
        target = written(folder) + generator.randint(12, 24)  # so that it gets somewhere, however slow the machine is
        while driver.poll() is None and written(folder) < target:
            time.sleep(0.01)
        if driver.poll() is not None:
            break
        if kills % 2:  # its workers too, in the same moment
            for worker in children(driver.pid):
                os.kill(worker, signal.SIGKILL)
        driver.signal(signal.SIGKILL)
        assert driver.wait().code == -signal.SIGKILL
        while driver.family():  # its runs end with it, by themselves, and one may have been about to be done
            time.sleep(0.01)
        kills += 1
        begun = attempts(folder)
        for path in folder.glob("runs/*/results.json"):
            assert done.setdefault(path.parent.name, begun[path.parent.name]) == begun[path.parent.name]
    last = nursery.run(*command("killed"))
    assert last.code == 0, last.err
    assert kills == 5
    assert done  # some ended before the last kill, and are counted
    assert f"{len(done)} of 6 runs are done already and are not repeated." in last.out
    begun = attempts(folder)
    assert {name: begun[name] for name in done} == done  # not one of them was begun again
    assert sum(begun.values()) > 6  # and others were: they had been killed
    killed = read_study(folder)
    assert same(killed) == same(alone)
    assert (folder / "study.json").read_bytes() == (alone.folder / "study.json").read_bytes()
    for one, other in zip(killed.trials, alone.trials, strict=True):
        assert results(one) == results(other)
    assert table(folder) == table(alone.folder)
    # the control: a run that is lost is made again, is counted, and until then the table is another
    lost = killed.trials[0].folder
    shutil.rmtree(lost)
    assert table(folder) != table(alone.folder)
    again = nursery.run(*command("killed"))
    assert again.code == 0, again.err
    assert "5 of 6 runs are done already and are not repeated." in again.out
    assert attempts(folder) == {**begun, lost.name: begun[lost.name] + 1}
    assert table(folder) == table(alone.folder)
