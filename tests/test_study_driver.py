"""A study carried out: what fails stops nothing, what is done is not repeated, and one driver works at a time."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from mixkit.errors import RunError, Stopped
from mixkit.storage.lock import locked
from mixkit.study.definition import Study
from mixkit.study.driver import Progress, StudyFailed, drive
from mixkit.study.engine import Ended, Job
from mixkit.study.plan import Plan, plan
from mixkit.study.record import ArmRun, Record, read_study
from tests.fake_runs import fake_results

ARMS = {"A": ("train.epochs = 1",), "B": ("train.epochs = 2",)}


class Pretended:
    """An engine whose runs do nothing but end: with results, or as it is told for their keys."""

    def __init__(self, slots: int = 2, codes: dict[str, int] | None = None, hangs: tuple[str, ...] = ()):
        self.slots = slots
        self.started: list[str] = []
        self.most = 0
        self.closed = 0
        self._codes = codes or {}
        self._hangs = hangs
        self._running: dict[str, Job] = {}

    def start(self, job: Job) -> None:
        self.started.append(job.key)
        self._running[job.key] = job
        self.most = max(self.most, len(self._running))
        assert Path(job.arguments[1]).is_file()

    def ended(self) -> list[Ended]:
        keys = [key for key in self._running if key not in self._hangs]
        return [self._end(key, self._codes.get(key, 0)) for key in keys[:1]]

    def kill(self, key: str) -> None:
        self._hangs = tuple(other for other in self._hangs if other != key)
        self._codes = {**self._codes, key: 137}

    def close(self) -> None:
        self.closed += 1

    def _end(self, key: str, code: int) -> Ended:
        job = self._running.pop(key)
        if code == 0:
            run = Path(job.arguments[3]) / key
            run.mkdir(parents=True, exist_ok=True)
            (run / "recipe.gin").write_bytes(Path(job.arguments[1]).read_bytes())
            (run / "results.json").write_text(json.dumps(fake_results(accuracy=0.5)))
        elif code == 2:
            with job.log.open("a") as log:
                log.write("Reading.\nerror: mine.wav: 0 samples of audio.\nRemove the file.\n")
        return Ended(key, code)


class Noted:
    """A display that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.of: list[tuple[str, int]] = []
        self.last: Progress | None = None

    def say(self, text: str) -> None:
        self.said.append(text)

    def ended(self, trial: ArmRun, seconds: float, progress: Progress) -> None:
        self.of.append((trial.arm, trial.seed))
        self.last = progress

    def show(self, progress: Progress) -> None:
        pass


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixkit.study.driver.LOOK", 0.0)


def planned(folder: Path, seeds: tuple[int, ...] = (0, 1), arms: dict[str, tuple[str, ...]] = ARMS) -> Plan:
    return plan(Study("x", "asm_rh", seeds=seeds, arms=arms), folder)


def keys(record: Record, state: str | None = None) -> list[str]:
    return [trial.folder.name for trial in record.trials if state in (None, trial.state)]


def test_all_runs_are_carried_out(tmp_path: Path) -> None:
    made, engine, display = planned(tmp_path / "x"), Pretended(), Noted()
    record = drive(made, engine, display)
    assert sorted(engine.started) == sorted(keys(record, "done")) == sorted(keys(made.record))
    assert (engine.most, engine.closed) == (2, 1)
    assert record == read_study(tmp_path / "x")
    assert sorted(display.of) == sorted((arm, seed) for arm in ("asm_rh", "A", "B") for seed in (0, 1))
    assert display.last is not None
    assert display.last.left == 0
    assert display.said == []


def test_what_is_done_is_not_repeated(tmp_path: Path) -> None:
    first = drive(planned(tmp_path / "x"), Pretended(), Noted())
    before = (tmp_path / "x" / "study.json").read_bytes()
    engine, display = Pretended(), Noted()
    assert drive(planned(tmp_path / "x"), engine, display) == first
    assert engine.started == []
    assert display.said == ["6 of 6 runs are done already and are not repeated."]
    assert (tmp_path / "x" / "study.json").read_bytes() == before


def test_a_widened_study_runs_what_is_new(tmp_path: Path) -> None:
    drive(planned(tmp_path / "x"), Pretended(), Noted())
    engine = Pretended()
    record = drive(planned(tmp_path / "x", (0, 1, 2), {**ARMS, "C": ("train.epochs = 3",)}), engine, Noted())
    new = [trial.folder.name for trial in record.trials if trial.seed == 2 or trial.arm == "C"]
    assert sorted(engine.started) == sorted(new)
    assert len(keys(record, "done")) == 12


def test_a_failing_run_is_told_and_stops_nothing(tmp_path: Path) -> None:
    made = planned(tmp_path / "x")
    told, killed, silent = keys(made.record)[:3]
    display = Noted()
    with pytest.raises(StudyFailed) as caught:
        drive(made, Pretended(codes={told: 2, killed: 137, silent: 1}), display)
    assert str(caught.value) == "3 runs have failed of 6. The same command again runs what is missing."
    assert caught.value.exit_code == 1
    record = read_study(tmp_path / "x")
    assert {trial.folder.name: trial.error for trial in record.trials if trial.state == "failed"} == {
        told: "mine.wav: 0 samples of audio.\nRemove the file.",
        killed: "killed (137), likely out of memory",
        silent: "ended with exit code 1 and said nothing",
    }
    assert len(keys(record, "done")) == 3
    engine = Pretended()
    drive(planned(tmp_path / "x"), engine, Noted())
    assert sorted(engine.started) == sorted([told, killed, silent])
    assert {trial.error for trial in read_study(tmp_path / "x").trials} == {None}


def test_an_old_error_is_not_told_again(tmp_path: Path) -> None:
    made = planned(tmp_path / "x")
    key = keys(made.record)[0]
    for code, error in (
        (2, "mine.wav: 0 samples of audio.\nRemove the file."),
        (3, "ended with exit code 3 and said nothing"),
    ):
        with pytest.raises(StudyFailed):
            drive(planned(tmp_path / "x"), Pretended(codes={key: code}), Noted())
        assert read_study(tmp_path / "x").trials[0].error == error


def test_a_run_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    made = planned(tmp_path / "x")
    key = keys(made.record)[1]
    with pytest.raises(StudyFailed):
        drive(made, Pretended(hangs=(key,)), Noted(), minutes=0.01)
    failed = [(t.folder.name, t.error) for t in read_study(tmp_path / "x").trials if t.state == "failed"]
    assert failed == [(key, "took longer than 0.01 min and was ended")]


def test_a_run_that_was_begun_is_gone_on_with(tmp_path: Path) -> None:
    made = planned(tmp_path / "x")
    run = made.record.trials[0].folder
    run.mkdir(parents=True)
    (run / "recipe.gin").touch()
    (run / "environment.json").write_text('{"threads": 3}')
    arguments, environments = {}, []

    class Looking(Pretended):
        def start(self, job: Job) -> None:
            super().start(job)
            arguments[job.key] = job.arguments
            environments.append(dict(job.environment))

    with pytest.raises(StudyFailed):
        drive(made, Looking(codes={run.name: 1}), Noted(), device="cpu")
    recipe = tmp_path / "x" / "recipes" / f"{run.name}.gin"
    assert arguments[run.name] == (
        *("train", str(recipe), "--runs", str(run.parent), "--name", run.name),
        *("--resume", "auto", "--device", "cpu"),
    )


def test_a_run_killed_before_it_had_a_recipe_begins_anew(tmp_path: Path) -> None:
    made = planned(tmp_path / "x")
    run = made.record.trials[0].folder
    run.mkdir(parents=True)
    (run / ".recipe.gin.part").touch()
    drive(made, Pretended(), Noted())
    assert sorted(path.name for path in run.iterdir()) == ["recipe.gin", "results.json"]


def test_another_driver_is_told_who_works_here(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    engine = Pretended()
    with locked(tmp_path / "x" / ".lock", print):
        holder = (tmp_path / "x" / ".lock").read_text()
        with pytest.raises(RunError) as caught:
            drive(planned(tmp_path / "x"), engine, Noted())
    assert str(caught.value) == f"{tmp_path / 'x'} is worked on by {holder}. Wait for it, or end it."
    assert " since " in holder
    assert engine.started == []
    assert not (tmp_path / "x" / "study.json").exists()
    drive(planned(tmp_path / "x"), engine, Noted())  # the lock alone was in the way


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_a_signal_interrupts_waits(tmp_path: Path, number: signal.Signals) -> None:
    class Interrupted(Pretended):
        def ended(self) -> list[Ended]:
            if len(self.started) > 2:
                os.kill(os.getpid(), number)
            return super().ended()

    engine, before = Interrupted(), signal.getsignal(number)
    with pytest.raises(Stopped) as caught:
        drive(planned(tmp_path / "x"), engine, Noted())
    assert str(caught.value) == f"Stopped by {number.name} with its runs saved. The same command goes on."
    assert caught.value.exit_code == 128 + number
    assert signal.getsignal(number) == before
    states = [trial.state for trial in read_study(tmp_path / "x").trials]
    assert sorted(states) == ["done", "waiting", "waiting", "waiting", "waiting", "waiting"]
    assert engine.closed == 1


def test_a_result_that_is_no_longer_there_is_made_again(tmp_path: Path) -> None:
    record = drive(planned(tmp_path / "x"), Pretended(), Noted())
    lost = record.trials[2]
    (lost.folder / "results.json").unlink()
    (lost.folder / "recipe.gin").unlink()
    lost.folder.rmdir()
    engine = Pretended()
    assert drive(planned(tmp_path / "x"), engine, Noted()) == replace(record)
    assert engine.started == [lost.folder.name]
