"""Fine-tuning: frozen parts stay to the bit, thaw when they should, and each layer learns at its own rate."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import mixkit
from mixkit.runs.folder import Run
from mixkit.training.display import TrainingDisplay
from mixkit.training.fine_tune import split_groups
from mixkit.training.loop import resume, train
from tests.conftest import Said

Command = Callable[..., Said]

SMALL = (
    "task.demo.clips = 6",
    "task.demo.seconds = 0.5",
    "model.width = 16",
    "model.depth = 2",
    "train.epochs = 2",
    "train.batch_size = 16",
    "train.average = None",
    "train.precision = 'float32'",
)

LEARNED = ("recipe.features = @features.pcen()", "features.pcen.learned = True")


def trained(folder: Path, *lines: str) -> Run:
    return train(mixkit.load_recipe("asm_rh", settings=[*SMALL, *lines]), folder, device="cpu")


def state(run: Run) -> dict[str, Tensor]:
    return mixkit.load(run.folder).mixer.state_dict()


def fresh() -> dict[str, Tensor]:
    return mixkit.build(mixkit.load_recipe("asm_rh", settings=SMALL), classes=10).mixer.state_dict()


def moved(run: Run) -> set[str]:
    """Parts of which something is not as it was at the start, the statistics of norms among them."""
    before = fresh()
    return {
        ".".join(name.split(".")[: 2 if name.startswith("blocks") else 1])
        for name, tensor in state(run).items()
        if not torch.equal(tensor, before[name])
    }


def test_frozen_parts_stay_to_the_bit(tmp_path: Path) -> None:
    everything = {"stem", "blocks.0", "blocks.1", "norm", "head"}
    assert moved(trained(tmp_path)) == everything
    assert moved(trained(tmp_path, "train.freeze = ['body']")) == {"head"}
    assert moved(trained(tmp_path, "train.freeze = ['stem', 'blocks.0']")) == everything - {"stem", "blocks.0"}
    assert moved(trained(tmp_path, "train.freeze = ['blocks']", "train.average = 0.9")) == {"stem", "norm", "head"}


def test_features_that_learn_are_of_the_body(tmp_path: Path) -> None:
    lines = ("train.epochs = 1", *LEARNED)
    recipe = mixkit.load_recipe("asm_rh", settings=[*SMALL, *lines])
    fresh_ones = dict(mixkit.build(recipe, classes=10).features.named_parameters())
    for freeze, moves in (("", True), ("train.freeze = ['body']", False), ("train.freeze = ['features']", False)):
        run = trained(tmp_path, *lines, *([freeze] if freeze else []))
        found = dict(mixkit.load(run.folder).features.named_parameters())
        assert found
        assert any(not torch.equal(found[name], fresh_ones[name]) for name in found) == moves


def test_they_thaw_after_their_epochs_and_a_stopped_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    lines = ("train.epochs = 3", "train.best = 'loss'", "train.freeze = ['body']", "train.freeze_epochs = 2")

    class Stop(TrainingDisplay):
        """Ends the run in the epoch that thaws."""

        def batch(self, epoch: int, batch: int, loss: float, clips_per_second: float) -> None:
            if epoch == 3:
                raise KeyboardInterrupt

    whole = trained(tmp_path / "whole", *lines)
    recipe = mixkit.load_recipe("asm_rh", settings=[*SMALL, *lines])
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "stopped", device="cpu", display=Stop())
    (folder,) = (tmp_path / "stopped" / "asm_rh").iterdir()
    stopped = resume(folder, device="cpu")
    assert [record["train"] for record in stopped.metrics()] == [record["train"] for record in whole.metrics()]
    assert all(torch.equal(tensor, state(whole)[name]) for name, tensor in state(stopped).items())
    frozen = trained(tmp_path / "frozen", "train.epochs = 3", "train.freeze = ['body']")
    before, after = ([record["train"]["loss"] for record in run.metrics()] for run in (frozen, whole))
    assert before[:2] == pytest.approx(after[:2])
    assert before[2] != pytest.approx(after[2])


def test_each_layer_at_its_own_rate() -> None:
    lines = ["model.width = 32", "model.depth = 3", *LEARNED]
    model = mixkit.build(mixkit.load_recipe("ast", settings=lines), 4)
    named = {name.removeprefix("mixer."): weight for name, weight in model.named_parameters()}
    steps = torch.optim.AdamW(
        [
            {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.05},
            {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
        ],
        lr=1.0,
    )
    split_groups(steps, model.features, model.mixer, 0.5, 0.75)
    rates = {id(w): (group["rate"], group["weight_decay"]) for group in steps.param_groups for w in group["params"]}
    expected = {"head": 1.0, "norm": 0.5, "blocks.2": 0.5 * 0.75, "blocks.1": 0.5 * 0.75**2, "blocks.0": 0.5 * 0.75**3}
    expected |= dict.fromkeys(("features", "stem", "prefix", "position"), 0.5 * 0.75**4)
    assert len(rates) == len(list(model.parameters()))
    for name, weight in named.items():
        part = next(part for part in expected if name == part or name.startswith(f"{part}."))
        assert rates[id(weight)] == (pytest.approx(expected[part]), 0.05 if weight.ndim >= 2 else 0.0), name
    assert steps.param_groups[0]["rate"] == 1.0


def test_a_run_with_rates_by_layer(tmp_path: Path) -> None:
    """Without a warm-up the first update of Adam is the rate itself, weight by weight."""
    lines = ("train.epochs = 1", "train.steps = 1", "schedule.cosine.warmup_steps = 0", "train.gradient_clip = None")
    lines += ("optimizer.adamw.weight_decay = 0.0", "train.layer_decay = 0.5", "train.body_rate = 0.1")
    run, before = trained(tmp_path, *lines), fresh()
    steps = {name: float((tensor - before[name]).abs().max()) for name, tensor in state(run).items()}
    assert steps["head.linear.weight"] == pytest.approx(2e-3, rel=0.02)
    assert steps["blocks.1.branches.1.operators.0.feed_forward.contract.weight"] == pytest.approx(1e-4, rel=0.02)
    assert run.metrics()[0]["learning_rate"] == pytest.approx(2e-3)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ("train.freeze = ['steem']",),
            "train.freeze names 'steem', which is no part of this network. Did you mean 'stem'? Known: "
            "blocks, blocks.0, blocks.1, body, head, norm, stem.",
        ),
        (
            ("train.freeze = ['body', 'head']",),
            "train.freeze names all parts of the network: nothing would learn. Leave one out.",
        ),
        (
            ("train.freeze_epochs = 2",),
            "train.freeze_epochs is 2, but nothing is frozen. Set train.freeze = ['body'], too.",
        ),
    ],
)
def test_what_is_refused(lines: tuple[str, ...], message: str, mixkit_command: Command, tmp_path: Path) -> None:
    words = [word for line in (*SMALL, *lines) for word in ("--set", line)]
    for command in (("check", "asm_rh"), ("train", "asm_rh", "--runs", str(tmp_path))):
        said = mixkit_command(*command, *words)
        assert said.code == 2
        assert message in said.err
    assert not any(tmp_path.iterdir())


def test_from_a_run(mixkit_command: Command, tmp_path: Path) -> None:
    """`--from RUN` is the short form of two lines, and lines of the user's come after it."""
    first = trained(tmp_path, "train.seed = 3")
    words = [word for line in SMALL for word in ("--set", line)]
    words += ["--from", str(first.folder), "--set", "train.freeze = ['body']", "--runs", str(tmp_path / "b")]
    said = mixkit_command("train", "asm_rh", *words)
    assert said.code == 0, said.err
    assert "parameters start from" in said.out
    (folder,) = (tmp_path / "b" / "asm_rh").iterdir()
    theirs, ours = state(first), mixkit.load(folder).mixer.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items() if not name.startswith("head"))
    assert mixkit_command("train", "--resume", folder, "--from", first.folder).code == 2
