"""Signals: the step is finished and saved, the exit code is the shell's, nobody is left behind."""

import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.trainings import BATCHES, EPOCHS, STEPS, bits, saved_at, training
from tests.nursery import Nursery, Prelude, Training

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)
MOMENTS = ("start", "stepping", "validating", "saving")
LEAVE = 10.0  # seconds in which a training that was asked to has left
FRESH = (sys.executable, "-P", "-m", "mixkit")


@pytest.fixture(scope="module")
def commands(sounds: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[str, ...]]:
    """Trainings without and with workers, which save after epochs only: a state between is the signal's."""
    folder = tmp_path_factory.mktemp("recipes")
    return {
        workers: training(
            sounds, folder / f"{workers}.gin", "train.save_every_steps = None", f"train.workers = {workers}"
        )
        for workers in (0, 2)
    }


@pytest.fixture(scope="module")
def wanted(
    nursery: Nursery, commands: dict[int, tuple[str, ...]], tmp_path_factory: pytest.TempPathFactory
) -> dict[int, dict[str, str]]:
    """The bits of undisturbed runs."""
    runs = tmp_path_factory.mktemp("undisturbed")
    for workers, command in commands.items():
        ended = nursery.run(*command, "--runs", runs, "--name", workers)
        assert ended.code == 0, ended.err
    return {workers: bits(runs / str(workers)) for workers in commands}


@dataclass(frozen=True)
class Trial:
    """A signal at a moment."""

    number: signal.Signals
    group: bool
    moment: str
    workers: int
    seed: int


TRIALS = [
    Trial(SIGNALS[i % 4], bool(i // 4 % 2), MOMENTS[(i + i // 4) % 4], 2 * (i // 2 % 2), seed=i) for i in range(80)
]


def asked(
    nursery: Nursery, command: tuple[str, ...], runs: Path, trial: Trial, prelude: Prelude = ("broken:stages", (0.1,))
) -> tuple[list[str], str]:
    """Sends the signal of a trial; gives what was wrong with what followed, and what was said."""
    dice, name = random.Random(trial.seed), f"{trial.seed:03d}"
    notes = runs / f"{name}.notes"
    command = (*command, "--runs", str(runs), "--name", name)
    # Not with SIGINT: Python makes an exception of it, which a library that is being imported may swallow.
    fresh = FRESH if trial.moment == "start" and dice.random() < 0.5 and trial.number != signal.SIGINT else None
    run = nursery.start(*command, prelude=prelude, variables={"NOTES": str(notes)}, fresh=fresh)
    wait_for(run, trial.moment, notes, dice, 3.0 if fresh else 0.6)
    before, began = run.poll(), time.monotonic()
    run.signal(trial.number, trial.group)
    ended = run.wait(LEAVE)
    faults = []
    if before is None and ended.code not in (128 + trial.number, -trial.number if trial.moment == "start" else None, 0):
        faults.append(f"exit code {ended.code}")
    if "Traceback" in ended.err:
        faults.append(ended.err)
    while run.family() and time.monotonic() - began < LEAVE:
        time.sleep(0.05)
    if run.family():
        faults.append(f"left behind: {run.family()}")
    if trial.moment != "start" and ended.code != 0:
        place = f"Go on: mixkit train --resume {runs / name}"
        if place not in ended.err:
            faults.append(f"does not say how to go on: {ended.err}")
        at = [
            int(word.strip(".,")) for word in ended.err.split("after epoch ")[-1].split() if word.strip(".,").isdigit()
        ]
        if saved_at(runs / name)[:1] != [at[0] * BATCHES + at[1]] if len(at) > 1 else True:
            faults.append(f"the state is of step {saved_at(runs / name)}: {ended.err}")
    return faults, ended.err


def wait_for(run: Training, moment: str, notes: Path, dice: random.Random, longest: float) -> None:
    """Until the training is where the signal is to meet it."""
    if moment == "start":
        time.sleep(dice.uniform(0, longest))
        return
    count = dice.randint(1, STEPS if moment == "stepping" else EPOCHS)
    while run.poll() is None and (notes.read_text() if notes.exists() else "").split("\n").count(moment) < count:
        time.sleep(0.002)
    time.sleep(dice.uniform(0, 0.08))


@pytest.mark.slow
def test_signals_at_any_moment(
    nursery: Nursery,
    commands: dict[int, tuple[str, ...]],
    wanted: dict[int, dict[str, str]],
    tmp_path: Path,
    release: bool,
    measured: list[str],
) -> None:
    stopped = 0
    for trial in TRIALS if release else TRIALS[:8]:
        faults, said = asked(nursery, commands[trial.workers], tmp_path, trial)
        assert not faults, (trial, faults)
        folder = tmp_path / f"{trial.seed:03d}"
        stopped += "after epoch" in said
        ended = nursery.run(*commands[trial.workers], "--runs", tmp_path, "--name", folder.name, "--resume", "auto")
        assert ended.code == 0, (trial, said, ended.err)
        assert bits(folder) == wanted[trial.workers], trial
    count = 80 if release else 8
    measured.append(f"signals: {count} of {count} as they should be; {stopped} of them stopped a run that had begun")
    assert stopped >= count // 2, stopped


@pytest.mark.parametrize("workers", [0, 2])
def test_an_ignored_signal_does_no_harm(
    nursery: Nursery,
    commands: dict[int, tuple[str, ...]],
    wanted: dict[int, dict[str, str]],
    tmp_path: Path,
    workers: int,
) -> None:
    notes = tmp_path / "notes"
    command = (*commands[workers], "--runs", str(tmp_path), "--name", "run")
    run = nursery.start(*command, prelude=("broken:ignoring", SIGNALS), variables={"NOTES": str(notes)})
    wait_until(lambda: notes.exists(), run)
    for number in SIGNALS:
        run.signal(number, group=True)
    ended = run.wait()
    assert ended.code == 0, ended.err
    assert bits(tmp_path / "run") == wanted[workers]


def test_a_training_that_is_deaf_is_caught(
    nursery: Nursery, commands: dict[int, tuple[str, ...]], tmp_path: Path
) -> None:
    """The control."""
    trial = Trial(signal.SIGTERM, False, "stepping", 0, seed=0)
    assert "exit code -15" in asked(nursery, commands[0], tmp_path, trial, ("broken:deaf", ()))[0]


def test_an_orphan_is_seen(nursery: Nursery, commands: dict[int, tuple[str, ...]], tmp_path: Path) -> None:
    """The control of what follows."""
    run = nursery.start("--version", prelude=("broken:orphan", ()))
    assert run.wait().code == 0
    assert len(run.family()) == 1
    run.signal(signal.SIGKILL, group=True)


def test_a_second_signal_leaves_at_once(
    nursery: Nursery,
    commands: dict[int, tuple[str, ...]],
    wanted: dict[int, dict[str, str]],
    tmp_path: Path,
) -> None:
    notes = tmp_path / "notes"
    command = (*commands[0], "--runs", str(tmp_path), "--name", "run")
    run = nursery.start(*command, prelude=("broken:stages", (60.0,)), variables={"NOTES": str(notes)})
    wait_until(lambda: notes.exists(), run)
    run.signal(signal.SIGTERM)
    wait_until(lambda: "Once more leaves at once." in (run.notes / "err").read_text(), run)
    assert run.poll() is None
    run.signal(signal.SIGINT)
    assert run.wait(LEAVE).code == 130, "not after the minute that validation takes here"
    assert nursery.run(*command, "--resume", "auto").code == 0
    assert bits(tmp_path / "run") == wanted[0]


@pytest.mark.parametrize("moment", ["validating", "saving"])
def test_nobody_outlives_a_killed_parent(
    nursery: Nursery,
    commands: dict[int, tuple[str, ...]],
    wanted: dict[int, dict[str, str]],
    tmp_path: Path,
    moment: str,
) -> None:
    notes = tmp_path / "notes"
    command = (*commands[2], "--runs", str(tmp_path), "--name", "run")
    run = nursery.start(*command, prelude=("broken:stages", (60.0,)), variables={"NOTES": str(notes)})
    wait_until(lambda: notes.exists() and len(run.family()) > 2, run)
    run.signal(signal.SIGKILL)
    assert run.wait().code == -signal.SIGKILL
    until = time.monotonic() + LEAVE
    while run.family() and time.monotonic() < until:
        time.sleep(0.05)
    assert run.family() == []
    assert nursery.run(*command, "--resume", "auto").code == 0
    assert bits(tmp_path / "run") == wanted[2]


def wait_until(true: Callable[[], bool], run: Training) -> None:
    until = time.monotonic() + 60
    while not true():
        assert run.poll() is None, run.wait()
        assert time.monotonic() < until
        time.sleep(0.01)
