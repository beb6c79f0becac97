"""Killed again and again, at any moment and in the middle of a save: the run still ends with the same bits."""

import os
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL

import pytest

from tests.faults.trainings import STEPS, bits, saved_at
from tests.nursery import Nursery, Prelude, Training

MOST = 6  # kills in a trial


@dataclass
class Campaign:
    """What came of some trials."""

    trials: int = 0
    identical: int = 0
    lost: int = 0
    kills: int = 0
    in_writes: int = 0
    resumed_at: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        return (
            f"{self.identical} of {self.trials} trials identical, {self.lost} lost; {self.kills} kills, "
            f"{self.in_writes} of them in a write; resumed at {len(self.resumed_at)} places"
        )


def campaign(
    nursery: Nursery,
    arguments: tuple[str, ...],
    undisturbed: Path,
    runs: Path,
    trials: int,
    prelude: Prelude | None = None,
    until_caught: bool = False,
) -> Campaign:
    """Trials of up to six kills each, half of them while a state is being written, and then a run to the end."""
    found, wanted = Campaign(), bits(undisturbed)
    in_place = prelude is not None and prelude[0] == "broken:in_place"  # its states have no bits to compare
    for trial in range(trials):
        dice = random.Random(trial)
        run = runs / f"{trial:03d}"
        command = (*arguments, "--runs", runs, "--name", run.name, "--resume", "auto")
        for kill in range(MOST):
            training = nursery.start(*command, prelude=prelude)
            if (trial + kill) % 2:
                wait_for_write(training, run / "last", dice.randint(1, 3))
            else:
                wait_for_step(training, run, dice)
            training.signal(SIGKILL)
            ended = training.wait()
            found.resumed_at.update(line for line in ended.out.splitlines() if line.startswith("Goes on after"))
            if ended.code != -SIGKILL:
                break
            found.kills += 1
            found.in_writes += any((run / "last").glob(".state*.part"))
        ended = nursery.run(*command, prelude=prelude)
        found.trials += 1
        if ended.code != 0:
            found.lost += 1
        elif not in_place:
            same = bits(run) == wanted
            found.identical += same
            if prelude is None:
                assert same, f"trial {trial} (its number is the seed) differs: {bits(run)}, {wanted}"
                assert len(saved_at(run)) == 2
                assert not list(run.rglob("*.part"))
        if until_caught and (found.lost if in_place else found.identical < found.trials):
            break
    return found


def wait_for_write(training: Training, last: Path, count: int) -> None:
    """Until so many states have begun to be written, and the last of them has not ended."""
    seen: set[str] = set()
    while training.poll() is None:
        for _ in range(20):
            try:
                names = {name for name in os.listdir(last) if name.startswith(".state")}  # noqa: PTH208 (fast)
            except FileNotFoundError:
                names = set()
            if names - seen:
                seen |= names
                count -= 1
                if not count:
                    return
            elif not names:
                seen.clear()


def wait_for_step(training: Training, run: Path, dice: random.Random) -> None:
    """Until a few steps more are saved, and a moment longer; now and then not even until the first."""
    if dice.random() < 0.15:
        time.sleep(dice.uniform(0, 0.8))
        return
    step = min(max(saved_at(run), default=0) + dice.randint(1, 3), STEPS) if run.is_dir() else 1
    while training.poll() is None and max(saved_at(run) if run.is_dir() else [], default=0) < step:
        time.sleep(0.002)
    time.sleep(dice.uniform(0, 0.1))


@pytest.mark.slow
def test_killed_and_resumed(
    nursery: Nursery,
    arguments: tuple[str, ...],
    undisturbed: Path,
    tmp_path: Path,
    release: bool,
    measured: list[str],
) -> None:
    found = campaign(nursery, arguments, undisturbed, tmp_path, 60 if release else 6)
    measured.append(f"SIGKILL: {found}")
    assert found.identical == found.trials, found
    assert found.kills >= (150 if release else 15), found
    assert found.in_writes >= 0.4 * found.kills, found
    assert len(found.resumed_at) >= (10 if release else 5), found


@pytest.mark.slow
def test_states_that_hold_too_little_are_caught(
    nursery: Nursery, arguments: tuple[str, ...], undisturbed: Path, tmp_path: Path
) -> None:
    """The control: weights and progress alone are not enough."""
    forget = ("broken:forget", ("optimizer", "random"))
    found = campaign(nursery, arguments, undisturbed, tmp_path, 8, forget, until_caught=True)
    assert found.identical < found.trials, found


@pytest.mark.slow
def test_states_that_are_written_in_place_are_lost(
    nursery: Nursery, arguments: tuple[str, ...], undisturbed: Path, tmp_path: Path
) -> None:
    """The control: without a temporary file, a kill in the middle of a save leaves nothing to go on from."""
    found = campaign(nursery, arguments, undisturbed, tmp_path, 40, ("broken:in_place", ()), until_caught=True)
    assert found.lost > 0, found
