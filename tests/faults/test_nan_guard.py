"""Numbers that are none, wherever they arise: the run stops at that step and says where, or leaves the step out."""

import json
import re
from pathlib import Path

import pytest
from safetensors.torch import load_file

from mixkit.checkpoints.state import load_state, states
from mixkit.runs.folder import Run
from tests.faults.trainings import BATCHES, bits, training
from tests.nursery import Nursery

ADVICE = (
    "Lower train.learning_rate, set train.gradient_clip = 1.0, or leave such steps out: train.on_bad_number = 'skip'."
)
FIRST = {
    "input": "the audio",
    "loss": "the loss",
    "gradient": r"the gradient of \S+",
    "weight": r"the weight mixer\.\S+",
}


@pytest.fixture
def command(sounds: Path, tmp_path: Path) -> tuple[str, ...]:
    return (*training(sounds, tmp_path / "small.gin"), "--runs", str(tmp_path), "--name", "run")


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize(("place", "step"), [("input", 1), ("loss", 6), ("gradient", 12), ("weight", 7)])
def test_it_stops_at_that_step(
    nursery: Nursery, command: tuple[str, ...], tmp_path: Path, place: str, step: int, value: str
) -> None:
    ended = nursery.run(*command, prelude=("broken:bad_number", (place, step, value)))
    epoch, batch = (step - 1) // BATCHES + 1, (step - 1) % BATCHES + 1
    assert ended.code == 2, ended.err
    assert re.fullmatch(
        rf"error: epoch {epoch}, batch {batch}, step {step}: the loss is \S+, the norm of the gradients \S+\. "
        rf"Not finite first: {FIRST[place]}\. Learning rate [0-9.e-]+; clips \S+\.wav.*\. {re.escape(ADVICE)}\n",
        ended.err,
    ), ended.err
    run = tmp_path / "run"
    expect_sound(run)
    assert not (run / "results.json").exists()
    found = states(Run(run))
    assert [int(path.name[6:15]) for path in found] == [before for before in (step - 1, step - 2) if before > 0]


def expect_sound(run: Path) -> None:
    """Of all that is kept, every number is one."""
    for path in states(Run(run)):
        assert all(bool(tensor.isfinite().all()) for tensor in load_state(path)["model"].values())
    best = run / "best.safetensors"
    assert not best.exists() or all(bool(tensor.isfinite().all()) for tensor in load_file(best).values())


def test_goes_on_from_the_last_good_state(
    nursery: Nursery, command: tuple[str, ...], undisturbed: Path, tmp_path: Path
) -> None:
    """A fault of the machine, not of the recipe: the resumed run is as if nothing had happened."""
    assert nursery.run(*command, prelude=("broken:bad_number", ("gradient", 7, "nan"))).code == 2
    ended = nursery.run("train", "--resume", tmp_path / "run", "--device", "cpu")
    assert "Goes on after epoch 1 of 3, 2 of 4 batches of the next." in ended.out
    assert bits(tmp_path / "run") == bits(undisturbed)


@pytest.mark.parametrize("place", ["input", "loss", "gradient"])
def test_left_out_and_said(nursery: Nursery, sounds: Path, tmp_path: Path, place: str) -> None:
    command = training(sounds, tmp_path / "small.gin", "train.on_bad_number = 'skip'")
    ended = nursery.run(*command, "--runs", tmp_path, "--name", "run", prelude=("broken:bad_number", (place, 6, "nan")))
    assert ended.code == 0, ended.err
    run = Run(tmp_path / "run")
    (event,) = [event for event in run.events() if event["event"] == "left out"]
    assert event["where"] == "epoch 2, batch 2, step 6"
    assert re.fullmatch(FIRST[place], event["first_bad"])
    assert len(event["clips"]) == 8
    assert all(clip.endswith(".wav") for clip in event["clips"])
    assert len(run.metrics()) == 3
    expect_sound(run.folder)


def test_a_learning_rate_that_is_none(nursery: Nursery, command: tuple[str, ...], tmp_path: Path) -> None:
    ended = nursery.run(*command, prelude=("broken:bad_number", ("schedule", 6, "nan")))
    assert ended.code == 2
    assert ended.err == "error: epoch 2, batch 2, step 6: the learning rate is nan. Look at train.schedule.\n"
    expect_sound(tmp_path / "run")


def test_scores_that_are_none(nursery: Nursery, command: tuple[str, ...], tmp_path: Path) -> None:
    """In validation: the best model stays that of the epoch before."""
    ended = nursery.run(*command, prelude=("broken:bad_number", ("metric", 2, "nan")))
    assert ended.code == 2
    assert ended.err.startswith("error: the network gives scores that are not finite, first for clip 0. ")
    expect_sound(tmp_path / "run")
    assert [record["epoch"] for record in Run(tmp_path / "run").metrics()] == [1]


def test_without_the_guard_it_ends_well(nursery: Nursery, command: tuple[str, ...], tmp_path: Path) -> None:
    """The control: the same fault spoils all weights, and nothing stops the run until they are to be kept."""
    ended = nursery.run(*command, prelude=("broken:unguarded", ("gradient", 3, "nan")))
    assert "Not finite first" not in ended.err
    spoilt = load_state(states(Run(tmp_path / "run"))[0])["model"]
    assert sum(bool(tensor.isnan().any()) for tensor in spoilt.values() if tensor.is_floating_point()) > 5


def test_every_step_bad_ends_the_run(nursery: Nursery, sounds: Path, tmp_path: Path) -> None:
    """Steps are left out, but not for ever."""
    command = training(sounds, tmp_path / "small.gin", "train.on_bad_number = 'skip'", "train.batch_size = 1")
    ended = nursery.run(
        *command, "--runs", tmp_path, "--name", "run", prelude=("broken:bad_number", ("loss", 0, "nan"))
    )
    assert ended.code == 2
    assert ended.err.startswith("error: epoch 1, batch 20, step 20: the loss is nan, ")
    assert " 20 steps in a row were so. Not finite first: the loss." in ended.err
    assert len([event for event in Run(tmp_path / "run").events() if event["event"] == "left out"]) == 19


def test_json_of_a_run_holds_no_nan(undisturbed: Path) -> None:
    """What other programs read is JSON, which has no NaN."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    json.loads((undisturbed / "results.json").read_text(), parse_constant=refuse)
