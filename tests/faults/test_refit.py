"""A refit is exact: stopped anywhere in either pass, or between them, and shared among processes."""

import hashlib
import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from mixkit.runs.folder import Run
from tests.faults.trainings import STEPS, bits, digest, saved_at, training
from tests.nursery import Nursery

CLIPS = 32  # of training and validation together, in batches of 8


@pytest.fixture(scope="module")
def command(sounds: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    recipe = tmp_path_factory.mktemp("recipe") / "small.gin"
    return training(sounds, recipe, "train.refit = True", "train.average = 0.5")


@pytest.fixture(scope="module")
def undisturbed(nursery: Nursery, command: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("undisturbed")
    ended = nursery.run(*command, "--runs", runs, "--name", "run")
    assert ended.code == 0, ended.err
    return runs / "run"


def all_bits(run: Path) -> dict[str, str]:
    """Of both passes."""
    second = {name: hashlib.sha256((run / "refit" / name).read_bytes()).hexdigest() for name in ("metrics.jsonl",)}
    return {**bits(run), **second, "refitted": digest(load_file(run / "refit.safetensors"))}


@pytest.mark.slow
def test_stopped_at_any_step_of_both_passes(
    nursery: Nursery, command: tuple[str, ...], undisturbed: Path, tmp_path: Path, release: bool
) -> None:
    """At the end of the first pass, at the first and last step of the refit, and once more where it went on."""
    wanted = all_bits(undisturbed)
    again = json.loads((undisturbed / "results.json").read_text())["refit"]["steps"]
    assert again >= 4
    for step in range(STEPS + again + 1) if release else (STEPS, STEPS + 1, STEPS + again):
        run = tmp_path / f"at {step}"
        prelude = ("broken:stop_at", (step,))
        ended = nursery.run(*command, "--runs", tmp_path, "--name", run.name, prelude=prelude)
        assert ended.code == 143, (step, ended.err)
        assert (run / "refit").exists() == (step > STEPS)
        assert ("of the refit" in ended.err + ended.out) == (step > STEPS)
        if step == STEPS + 1:  # a second time, a step later
            assert saved_at(run / "refit")[0] == 1
            ended = nursery.run("train", "--resume", run, "--device", "cpu", prelude=("broken:stop_at", (1,)))
            assert ended.code == 143, ended.err
            assert saved_at(run / "refit")[0] == 2
        ended = nursery.run("train", "--resume", run, "--device", "cpu")
        assert ended.code == 0, ended.err
        assert all_bits(run) == wanted, step


def test_what_a_kill_keeps_from_being_written_is_made_good(
    nursery: Nursery, command: tuple[str, ...], undisturbed: Path, tmp_path: Path
) -> None:
    """Weights, last record and results follow from the last state of a refit; one of the first pass is none of it."""
    ended = nursery.run(*command, "--runs", tmp_path, "--name", "run", prelude=("broken:stop_at", (STEPS + 2,)))
    assert ended.code == 143, ended.err
    run = tmp_path / "run"
    assert nursery.run("train", "--resume", run, "--device", "cpu").code == 0
    for name in ("results.json", "refit.safetensors", "refit/metrics.jsonl", "refit/times.jsonl"):
        (run / name).unlink()
    assert nursery.run("train", "--resume", run, "--device", "cpu").code == 0
    found, wanted = all_bits(run), all_bits(undisturbed)
    assert found["refitted"] == wanted["refitted"]
    assert Run(run / "refit").metrics()[-1] == Run(undisturbed / "refit").metrics()[-1]
    (run / "results.json").unlink()
    (run / "refit.safetensors").unlink()
    for path in (run / "refit" / "last").iterdir():
        path.unlink()
    newest = max((run / "last").iterdir())
    (run / "refit" / "last" / newest.name).write_bytes(newest.read_bytes())
    ended = nursery.run("train", "--resume", run, "--device", "cpu")
    assert ended.code == 4
    assert ended.err.endswith("belongs to another run.\n"), ended.err


@pytest.mark.slow
def test_two_processes_refit_as_one(nursery: Nursery, sounds: Path, tmp_path: Path) -> None:
    """To the rounding of float32, without the dice that are each process's own."""
    lines = ("train.refit = True", "train.steps = 7", "block.drop_path = 0.0", "head.linear.dropout = 0.0")
    command = training(sounds, tmp_path / "small.gin", *lines)
    assert nursery.run(*command, "--runs", tmp_path, "--name", "alone").code == 0
    ended = nursery.start(*command, "--runs", tmp_path, "--name", "two", "--gpus", 2).wait()
    assert ended.code == 0, ended.err
    assert ended.out.count("Refit, that is once more") == 1
    one, two = (load_file(tmp_path / name / "refit.safetensors") for name in ("alone", "two"))
    assert max(float((one[name] - two[name]).abs().max()) for name in one) <= 1e-5
    found, wanted = (Run(tmp_path / name).results() for name in ("two", "alone"))
    assert found.refit == wanted.refit
    assert found.test.confusion == wanted.test.confusion
