"""The same bits: twice, with any number of workers, stopped anywhere; and what changes them is refused."""

import json
import os
import shutil
import sys
import time
from pathlib import Path

import pytest
import soundfile

from mixkit.runs.folder import Run
from tests.faults.trainings import BATCHES, EPOCHS, STEPS, bits, make_sounds, saved_at, training
from tests.nursery import Ended, Nursery, Prelude

FRESH = (sys.executable, "-P", "-m", "mixkit")
SPEC = "train.augmentations = [@augmentation.gain(), @augmentation.time_shift(), @augmentation.spec_augment()]"
HERMIT = "block.branches = [@operator.hermit_frequency()]"
NOISE = "train.augmentations = [@augmentation.noise(), @augmentation.mixup()]"
RECIPES: tuple[tuple[str, ...], ...] = (
    ("train.average = 0.9", "train.precision = 'bf16'", "train.accumulation = 3", SPEC),
    ("train.precision = 'fp16'", "train.balance = 'sampler'", "train.steps = 10", HERMIT),
    (
        "train.schedule = @schedule.step_decay()",
        "train.balance = 'weights'",
        "model.stages = [@early/stage(), @late/stage()]",
        "stage.width = 8",
        "stage.depth = 1",
        "late/stage.downsample = @downsample.patches()",
        "block.branches = [@operator.convolution(), @operator.channel()]",
        "branch.norm = 'batch'",
        "model.stem = @stem.convolution()",
        "model.pool = @pool.attention()",
        "model.positional = 'axes'",
        "train.average = 0.5",
        "train.checkpointing = True",
    ),
    ("block.branches = [@operator.token(), @operator.channel()]", "train.loss = @loss.bce()", "train.patience = 1"),
    ("block.branches = [@operator.attention(), @operator.channel()]", "train.optimizer = @optimizer.adam()", NOISE),
    ("block.branches = [@operator.frequency(), @operator.time(), @operator.channel()]", "train.checkpointing = True"),
    ("block.branches = [[@operator.shift(), @operator.channel()]]", "model.head = @head.mlp()"),
    ("block.branches = [@operator.perspective()]", "train.deterministic = True", "train.workers = 2"),
    (
        "block.branches = [[@operator.roll(), @operator.channel()]]",
        "operator.roll.bands = 1",
        "block.layer_scale = 0.1",
        "train.accumulation = 8",
    ),
    ("train.augmentations = [@augmentation.time_roll(), @augmentation.mixup()]", "model.positional = 'whole'"),
    (
        "model.prefix = 2",
        "model.pool = @pool.prefix()",
        "block.branches = [@operator.attention(), @operator.channel()]",
    ),
    (
        "recipe.features = @features.pcen()",
        "features.pcen.learned = True",
        "train.average = 0.9",
        "train.accumulation = 2",
        SPEC,
    ),
    ("train.gradient_clip = None", "train.on_bad_number = 'skip'", "train.best = 'auc'", "model.depth = 2"),
)
"""Between them: every operator that stands alone, head, loss, optimizer, schedule, augmentation and way to compute."""


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(RECIPES)))
def test_twice_and_resumed(nursery: Nursery, sounds: Path, tmp_path: Path, release: bool, number: int) -> None:
    """Run twice, and a third time stopped in the middle of an epoch; another seed is the control."""
    if number >= 3 and not release:
        pytest.skip("of the release size")
    command = (*training(sounds, tmp_path / "small.gin", *RECIPES[number]), "--runs", tmp_path)
    for name in ("first", "again", "other"):
        ended = nursery.run(*command, "--name", name, *(["--seed", "1"] if name == "other" else []))
        assert ended.code == 0, ended.err
    at = 9 if "train.steps = 10" in RECIPES[number] else 6  # in the epoch that ends early, where there is one
    assert nursery.run(*command, "--name", "stopped", prelude=("broken:stop_at", (at,))).code == 143
    assert nursery.run("train", "--resume", tmp_path / "stopped", "--device", "cpu").code == 0
    first = bits(tmp_path / "first")
    assert bits(tmp_path / "again") == first
    assert bits(tmp_path / "stopped") == first
    other = bits(tmp_path / "other")
    assert other["weights"] != first["weights"]
    assert other["metrics.jsonl"] != first["metrics.jsonl"]


def test_workers_and_the_cache_change_nothing(nursery: Nursery, tmp_path: Path, release: bool) -> None:
    """Recordings of another sample rate, which are kept once they are resampled. A control draws from one generator."""
    sounds = make_sounds(tmp_path / "sounds", ".flac", 22_050)
    time.sleep(2.1)  # what changed less than two seconds ago is not kept
    found = {}
    settings = [(0, "0"), (1, "0"), (2, "1"), (2, "1"), *([(4, "0"), (4, "1"), (0, "1"), (3, "1")] if release else [])]
    lines = ("train.augmentations = [@augmentation.time_shift(), @augmentation.noise()]",)
    for turn, (workers, cache) in enumerate(settings):
        command = training(sounds, tmp_path / "small.gin", f"train.workers = {workers}", *lines)
        variables = {"MIXKIT_AUDIO_CACHE": cache, "MIXKIT_DATA": str(tmp_path / "data")}
        ended = nursery.run(*command, "--runs", tmp_path, "--name", turn, variables=variables)
        assert ended.code == 0, ended.err
        found[turn] = bits(tmp_path / str(turn)) | {"recipe.gin": ""}  # where the workers stand
    assert all(one == found[0] for one in found.values())
    assert any(path.is_file() for path in (tmp_path / "data").rglob("*")), (
        "nothing was kept: the cache has not been tried"
    )
    for workers in (0, 2):
        command = training(sounds, tmp_path / "small.gin", f"train.workers = {workers}", *lines)
        ended = nursery.run(
            *command, "--runs", tmp_path, "--name", f"global {workers}", prelude=("broken:global_generator", ())
        )
        assert ended.code == 0, ended.err
    assert bits(tmp_path / "global 0")["weights"] != bits(tmp_path / "global 2")["weights"]


def stopped(nursery: Nursery, command: tuple[str, ...], run: Path, step: int) -> None:
    """A run that a signal stopped after that many steps; -1 while it was validated for the first time."""
    prelude: Prelude = ("broken:stop_at", (step,))
    ended = nursery.run(*command, "--runs", run.parent, "--name", run.name, prelude=prelude)
    assert ended.code == 143, (ended.code, ended.err)
    assert not (run / "results.json").exists()


@pytest.mark.slow
def test_stopped_at_any_step(
    nursery: Nursery, arguments: tuple[str, ...], undisturbed: Path, tmp_path: Path, release: bool
) -> None:
    """Orderly, at the first and last step, at the end of an epoch, in validation; each epoch is recorded once."""
    wanted = bits(undisturbed)
    for step in range(-1, STEPS + 1) if release else (-1, 0, 1, BATCHES, STEPS):
        run = tmp_path / f"at {step}"
        stopped(nursery, arguments, run, step)
        ended = nursery.run("train", "--resume", run, "--device", "cpu")
        assert ended.code == 0, ended.err
        assert bits(run) == wanted, step
        assert [record["epoch"] for record in Run(run).metrics()] == list(range(1, EPOCHS + 1))


@pytest.mark.parametrize("part", ["optimizer", "random", "model", "progress"])
def test_a_resume_that_forgets_is_caught(
    nursery: Nursery, arguments: tuple[str, ...], undisturbed: Path, tmp_path: Path, part: str
) -> None:
    """The control: what is compared depends on each part of the state."""
    stopped(nursery, arguments, tmp_path / "run", 6)
    ended = nursery.run("train", "--resume", tmp_path / "run", "--device", "cpu", prelude=("broken:forget", (part,)))
    assert ended.code == 0, ended.err
    assert bits(tmp_path / "run") != bits(undisturbed)


def test_a_complete_run_stays_as_it_is(
    nursery: Nursery, arguments: tuple[str, ...], undisturbed: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(undisturbed, tmp_path / "run"))

    def look() -> dict[Path, tuple[int, int]]:
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in (run, *run.rglob("*"))}

    before = look()
    for words in (("train", "--resume", run), (*arguments, "--runs", tmp_path, "--name", "run", "--resume", "auto")):
        ended = nursery.run(*words, "--device", "cpu")
        assert (ended.code, ended.err) == (0, "")
        assert ended.out == f"{run} is complete: nothing is left to train.\n"
        assert look() == before
    (run / "results.json").unlink()
    assert nursery.run("train", "--resume", run, "--device", "cpu").code == 0
    assert look() != before, "the control: a run that is not complete changes"
    assert bits(run) == bits(undisturbed)


@pytest.fixture
def half(nursery: Nursery, sounds: Path, tmp_path: Path) -> Path:
    """A run that was stopped half-way, on recordings of its own."""
    own = Path(shutil.copytree(sounds, tmp_path / "own"))
    stopped(nursery, training(own, tmp_path / "small.gin"), tmp_path / "half", 6)
    return tmp_path / "half"


def refused(ended: Ended, run: Path, *changes: str) -> None:
    assert ended.code == 2, ended.err
    assert ended.err == (
        f"error: {run} was started under other conditions, and would not end with the same bits:\n"
        + "".join(f"  {change}\n" for change in changes)
        + "Bring them back, or go on all the same with --allow-changes.\n"
    )
    assert not (run / "results.json").exists()


def allowed(ended: Ended, run: Path, *changes: str) -> None:
    assert ended.code == 0, ended.err
    assert f"The last bits of the figures may differ from an undisturbed run's: {'; '.join(changes)}." in ended.out
    assert Run(run).events()[-1]["event"] != "resumed"
    assert [event["changed"] for event in Run(run).events() if event["event"] == "resumed"] == [list(changes)]


@pytest.mark.slow
def test_other_conditions_are_refused(nursery: Nursery, half: Path, tmp_path: Path, sounds: Path) -> None:
    """Each is first refused, with the whole message, and then allowed, with the broken promise in the events."""
    again = ("train", "--resume", half, "--device", "cpu")
    environment = json.loads((half / "environment.json").read_text())
    conditions = environment["conditions"]
    simple = {"ATEN_CPU_CAPABILITY": "default", "DNNL_MAX_CPU_ISA": "SSE41"}
    # The slow instructions also leave float32 products to torch; where torch has them anyway, one change remains.
    instructions = [f"instructions: {conditions['instructions']}, now DEFAULT"]
    instructions += ["products: oneDNN, now torch"] if conditions["products"] == "oneDNN" else []
    cases = {
        ("threads: 1, now 2",): {"prelude": ("broken:threads", (2,))},
        tuple(instructions): {"variables": simple, "fresh": FRESH},
        (f"torch: {conditions['torch']}, now 2.99.0",): {"prelude": ("broken:version", ("torch", "2.99.0"))},
        (f"mixkit: {conditions['mixkit']}, now 9.9.9",): {"prelude": ("broken:version", ("mixkit", "9.9.9"))},
    }
    for changes, how in cases.items():
        copy = Path(shutil.copytree(half, tmp_path / "copy"))
        refused(nursery.run("train", "--resume", copy, "--device", "cpu", **how), copy, *changes)
        ended = nursery.run("train", "--resume", copy, "--device", "cpu", "--allow-changes", **how)
        allowed(ended, copy, *changes)
        shutil.rmtree(copy)
    text = (half / "recipe.gin").read_text()
    (half / "recipe.gin").write_text(text.replace("train.batch_size = 8", "train.batch_size = 5"))
    now = nursery.run(*again)
    assert f"  recipe: {conditions['recipe'][:12]}..., now " in now.err
    assert now.code == 2
    (half / "recipe.gin").write_text(text)
    clip = next((tmp_path / "own" / "train").glob("low-*.wav"))
    sound, rate = soundfile.read(clip)
    soundfile.write(clip, sound[:-100], rate)
    now = nursery.run(*again)
    assert f"  data: {conditions['data'][:12]}..., now " in now.err
    assert now.code == 2
    assert nursery.run(*again, "--allow-changes").code == 0
    (resumed,) = [event for event in Run(half).events() if event["event"] == "resumed"]
    assert resumed["changed"][0].startswith(f"data: {conditions['data'][:12]}..., now ")


def test_the_same_recordings_elsewhere_are_the_same(
    nursery: Nursery, half: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """The control of the fingerprint of data: a folder that moved goes on, to the same bits."""
    (tmp_path / "own").rename(tmp_path / "moved")
    os.symlink(tmp_path / "moved", tmp_path / "own")  # noqa: PTH211 (where its recipe says)
    assert nursery.run("train", "--resume", half, "--device", "cpu").code == 0
    assert bits(half)["weights"] == bits(undisturbed)["weights"]
    assert saved_at(half) == saved_at(undisturbed)
