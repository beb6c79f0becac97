"""Two processes, by gloo: the same run as one to float32 rounding, ended together, started again, and resumed."""

import json
import os
import re
import sys
import time
from pathlib import Path
from signal import SIGHUP, SIGKILL, SIGTERM

import pytest
from safetensors.torch import load_file

from mixkit.runs.folder import Run
from tests.faults.trainings import EPOCHS, SPLITS, saved_at, training
from tests.nursery import LIMIT, Ended, Nursery, Training

PORT = 29_000 + os.getpid() % 3000
FRESH = (sys.executable, "-P", "-m", "mixkit")
LINES = ("train.balance = 'weights'", "block.drop_path = 0.0", "head.linear.dropout = 0.0", "train.accumulation = 2")
"""Without dropout, whose dice are each process's own; with mixing over the whole batch, class weights and parts."""


@pytest.fixture(scope="module")
def command(sounds: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The training that all of these tests share; its last batch is one clip, its splits are odd."""
    assert SPLITS["train"] % 8 == 1
    assert SPLITS["valid"] % 2 == SPLITS["test"] % 2 == 1
    return training(sounds, tmp_path_factory.mktemp("recipe") / "small.gin", *LINES)


@pytest.fixture(scope="module")
def alone(nursery: Nursery, command: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained by one process."""
    runs = tmp_path_factory.mktemp("alone")
    assert nursery.run(*command, "--runs", runs, "--name", "run").code == 0
    return runs / "run"


def two(nursery: Nursery, *words: object, **how: object) -> Training:
    """`mixkit ... --gpus 2`, on the CPU."""
    return nursery.start(*words, "--gpus", 2, **how)


def node(number: int) -> tuple[object, ...]:
    """torchrun on one of two machines, which meet at a port of the first; each has its own agent, and ranks from 0."""
    meeting = ("--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{PORT}", "--rdzv-id", "nodes")
    place = ("--nnodes", 2, "--node-rank", number, "--nproc-per-node", 1, "--local-addr", "127.0.0.1")
    return ("-m", "torch.distributed.run", *place, *meeting, "-m", "mixkit")


def expect_alike(run: Path, other: Path, tolerance: float = 1e-5) -> None:
    """Weights as near as rounding allows, and figures that come from whole counts the very same."""
    weights, others = load_file(run / "best.safetensors"), load_file(other / "best.safetensors")
    assert weights.keys() == others.keys()
    assert max(float((weights[name] - others[name]).abs().max()) for name in weights) <= tolerance
    found, wanted = (json.loads((folder / "results.json").read_text()) for folder in (run, other))
    for split in ("valid", "test"):
        assert found[split]["clips"] == wanted[split]["clips"] == SPLITS[split]
        assert found[split]["confusion"] == wanted[split]["confusion"]
        assert sum(map(sum, found[split]["confusion"])) == SPLITS[split], "no clip twice, none missing"
        assert found[split]["loss"] == pytest.approx(wanted[split]["loss"], rel=1e-5)
    for record, one in zip(Run(run).metrics(), Run(other).metrics(), strict=True):
        assert record["epoch"] == one["epoch"]
        assert record["valid"]["accuracy"] == one["valid"]["accuracy"]
        assert record["train"]["loss"] == pytest.approx(one["train"]["loss"], rel=1e-4)


@pytest.mark.slow
def test_the_same_as_one(nursery: Nursery, command: tuple[str, ...], alone: Path, tmp_path: Path) -> None:
    """By `--gpus 2`, in interpreters of its own, and by torchrun on two machines; said once, and written once."""
    ended = two(nursery, *command, "--runs", tmp_path, "--name", "gpus", fresh=FRESH).wait()
    assert ended.code == 0, ended.err
    assert ended.out.count("25 train, 7 valid, 5 test clips") == 1
    assert ended.out.count("All of it is in ") == 1
    assert [record["epoch"] for record in Run(tmp_path / "gpus").metrics()] == list(range(1, EPOCHS + 1))
    expect_alike(tmp_path / "gpus", alone)
    assert json.loads((tmp_path / "gpus" / "environment.json").read_text())["processes"] == 2
    nodes = [nursery.start(*node(number), *command, "--runs", tmp_path, "--name", "nodes") for number in range(2)]
    ended, other = (started.wait() for started in nodes)
    assert ended.code == other.code == 0, (ended.err, other.err)
    assert (ended.out + other.out).count("All of it is in ") == 1
    expect_alike(tmp_path / "nodes", alone)
    assert json.loads((tmp_path / "nodes" / "environment.json").read_text())["processes"] == 2


PYRAMID = (  # no bias stands right ahead of a BatchNorm, where its gradient is rounding, which Adam makes large
    "model.stages = [@early/stage(), @late/stage()]",
    "stage.width = 8",
    "stage.depth = 1",
    "late/stage.downsample = @downsample.convolution()",
    "block.branches = [@operator.convolution(), @operator.channel()]",
    "block.drop_path = 0.0",
    "model.stem = @stem.convolution()",
    "head.linear.dropout = 0.0",
    "train.epochs = 1",
)


@pytest.mark.slow
def test_batch_norm_counts_the_clips_of_all(nursery: Nursery, sounds: Path, tmp_path: Path) -> None:
    """The last batch is one clip; the process that borrows it counts for nothing."""
    command = (*training(sounds, tmp_path / "small.gin", *PYRAMID), "--runs", tmp_path)
    assert nursery.run(*command, "--name", "one").code == 0
    ended = two(nursery, *command, "--name", "two").wait()
    assert ended.code == 0, ended.err
    expect_alike(tmp_path / "two", tmp_path / "one", tolerance=1e-4)
    assert any(name.endswith(".variance") for name in load_file(tmp_path / "two" / "best.safetensors"))
    parts = two(nursery, *command, "--name", "parts", "--set", "train.accumulation = 2").wait()
    assert parts.code == 2
    assert "train.accumulation is 2; BatchNorm of several processes counts a whole batch. Set it to 1" in parts.err


@pytest.mark.slow
@pytest.mark.parametrize("epochs", ["None", "1"])
def test_frozen_parts(nursery: Nursery, sounds: Path, tmp_path: Path, epochs: str) -> None:
    """For the whole run, and for an epoch, after which their gradients are exchanged as well."""
    freezing = ("train.freeze = ['stem', 'blocks.0']", f"train.freeze_epochs = {epochs}")
    words = training(sounds, tmp_path / "small.gin", *LINES, *freezing)
    assert nursery.run(*words, "--runs", tmp_path, "--name", "alone").code == 0
    ended = two(nursery, *words, "--runs", tmp_path, "--name", "two").wait()
    assert ended.code == 0, ended.err
    expect_alike(tmp_path / "two", tmp_path / "alone")


@pytest.mark.slow
def test_flexible_patches(nursery: Nursery, sounds: Path, tmp_path: Path) -> None:
    """Both processes draw the same sizes: a run in which each drew for itself would be another than that of one."""
    lines = ("block.branches = [@operator.pooling(), @operator.channel()]",)
    lines += ("model.stem = @stem.patches()", "stem.patches.size = (8, 4)", "stem.patches.stride = (8, 4)")
    lines += ("stem.patches.flexible = [(4, 4), (8, 4), (8, 2)]", "model.positional = 'whole'", "train.epochs = 1")
    # Pooling takes its input away, and the bias ahead of it has a gradient of rounding, which Adam makes large.
    lines += ("train.optimizer = @optimizer.adam()", "optimizer.adam.eps = 0.001")
    words = training(sounds, tmp_path / "small.gin", *LINES, *lines)
    assert nursery.run(*words, "--runs", tmp_path, "--name", "alone").code == 0
    ended = two(nursery, *words, "--runs", tmp_path, "--name", "two").wait()
    assert ended.code == 0, ended.err
    expect_alike(tmp_path / "two", tmp_path / "alone")


@pytest.mark.slow
def test_learned_features_have_the_gradients_of_all(nursery: Nursery, sounds: Path, tmp_path: Path) -> None:
    lines = ("recipe.features = @features.pcen()", "features.pcen.learned = True", "train.epochs = 1", *LINES)
    # Where a band hardly learns its gradient is rounding, which Adam makes large without a larger eps.
    lines += ("train.optimizer = @optimizer.adam()", "optimizer.adam.eps = 0.001")
    lines += ("train.augmentations = [@augmentation.power_mixup()]",)
    command = (*training(sounds, tmp_path / "small.gin", *lines), "--runs", tmp_path)
    assert nursery.run(*command, "--name", "one").code == 0
    ended = two(nursery, *command, "--name", "two").wait()
    assert ended.code == 0, ended.err
    expect_alike(tmp_path / "two", tmp_path / "one")
    mixing = ("--set", "train.augmentations = [@augmentation.cutmix()]")
    refused = two(nursery, *command, "--name", "mixed", *mixing).wait()
    assert refused.code == 2
    assert "train.augmentations names cutmix, which mixes features of several processes" in refused.err


@pytest.mark.slow
def test_another_split_of_the_work_is_caught(
    nursery: Nursery, command: tuple[str, ...], alone: Path, tmp_path: Path
) -> None:
    """The control: both processes learn from the same half of each batch."""
    plugin = tmp_path / "wrong.py"
    plugin.write_text(
        "from mixkit.training.distributed import Processes\n"
        "Processes.own = lambda self, x: x[: -(-len(x) // self.ranks)]\n"
    )
    ended = two(nursery, *command, "--runs", tmp_path, "--name", "run", "--plugin", plugin).wait()
    assert ended.code == 0, ended.err
    with pytest.raises(AssertionError):
        expect_alike(tmp_path / "run", alone)


def workers(launcher: Training) -> list[int]:
    """The processes that train, and not the one that watches them."""
    return sorted(
        pid for pid in launcher.family() if any(name.startswith(b"RANK=") for name in launcher.variables(pid))
    )


def under_way(launcher: Training, run: Path, step: int) -> list[int]:
    """Its processes, when so many steps are saved."""
    until = time.monotonic() + LIMIT
    while not (run.is_dir() and saved_at(run) and saved_at(run)[0] >= step):
        assert launcher.poll() is None, launcher.wait()
        assert time.monotonic() < until
        time.sleep(0.005)
    return workers(launcher)


def slowly(tmp_path: Path) -> tuple[object, ...]:
    """A plugin that makes each step take longer."""
    plugin = tmp_path / "slow.py"
    plugin.write_text("from tests.faults.broken import slow\nslow(0.3)\n")
    return "--plugin", plugin


def kill_one(nursery: Nursery, words: tuple[object, ...], run: Path, *more: object) -> Ended:
    launcher = two(nursery, *words, *more)
    pids = under_way(launcher, run, 2)
    assert len(pids) == 2
    Training(None, pids[1], launcher.notes).signal(SIGKILL)
    ended = launcher.wait()
    assert launcher.family() == []
    return ended


@pytest.mark.slow
def test_one_killed_ends_all_and_two_one_two_go_on(
    nursery: Nursery, command: tuple[str, ...], alone: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = (*command, "--runs", tmp_path, "--name", "run")
    ended = kill_one(nursery, (*words, *slowly(tmp_path)), run)
    assert ended.code == 2
    assert re.search(
        r"error: process [01] of 2 was killed by SIGKILL, and the others were stopped\. "
        r"Go on with --resume; --max-restarts N does so by itself\.\n$",
        ended.err,
    ), ended.err
    assert "Traceback" not in ended.err
    assert "mixkit failed" not in ended.err, "the other one says what has gone"
    one = nursery.run("train", "--resume", run, "--device", "cpu", prelude=("broken:stop_at", (2,)))
    assert one.code == 143, one.err
    assert "The last bits of the figures may differ from an undisturbed run's: processes: 2, now 1.\n" in one.out
    last = two(nursery, "train", "--resume", run, "--device", "cpu").wait()
    assert last.code == 0, last.err
    assert [event["changed"] for event in Run(run).events() if event["event"] == "resumed"] == [
        ["processes: 2, now 1"],
        [],
    ]
    expect_alike(run, alone)


@pytest.mark.slow
def test_started_again_by_itself(nursery: Nursery, command: tuple[str, ...], alone: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = (*command, "--runs", tmp_path, "--name", "run", *slowly(tmp_path))
    ended = kill_one(nursery, words, run, "--max-restarts", 1)
    assert ended.code == 0, ended.err
    assert "Goes on after epoch " in ended.out
    assert [event["event"] for event in Run(run).events()].count("resumed") == 1
    expect_alike(run, alone)


@pytest.mark.slow
@pytest.mark.parametrize("group", [False, True])
def test_asked_to_stop(nursery: Nursery, command: tuple[str, ...], alone: Path, tmp_path: Path, group: bool) -> None:
    """Each finishes the step, the first saves, and the launcher hands on the exit code."""
    run = tmp_path / "run"
    launcher = two(nursery, *command, "--runs", tmp_path, "--name", "run", *slowly(tmp_path))
    under_way(launcher, run, 3)
    launcher.signal(SIGTERM, group)
    ended = launcher.wait(30)
    assert ended.code == 143, ended.err
    assert "Traceback" not in ended.err
    assert launcher.family() == []
    assert [event["event"] for event in Run(run).events()].count("stopped") == 1
    last = two(nursery, "train", "--resume", run, "--device", "cpu").wait()
    assert last.code == 0, last.err
    expect_alike(run, alone)


@pytest.mark.slow
@pytest.mark.parametrize("nohup", [True, False])
def test_a_terminal_that_closes(nursery: Nursery, command: tuple[str, ...], tmp_path: Path, nohup: bool) -> None:
    """`nohup mixkit train --gpus 2` goes on, launcher and processes; the control is stopped."""
    fresh = ("nohup", *FRESH) if nohup else FRESH
    launcher = two(nursery, *command, "--runs", tmp_path, "--name", "run", *slowly(tmp_path), fresh=fresh)
    under_way(launcher, tmp_path / "run", 2)
    launcher.signal(SIGHUP, group=True)
    assert launcher.wait().code == (0 if nohup else 129)
