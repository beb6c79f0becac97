"""Patches of other sizes: weights are resized as they should be and learn through it; each step draws its size."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

import mixkit
from mixkit.errors import SettingError
from mixkit.model.classifier import Classifier
from mixkit.model.norms import BatchNorm
from mixkit.model.patches import ANY_GRID, FlexiblePatches, Resized, expect_flexible, model_at, with_patches
from mixkit.model.resizing import position_matrix, resized
from mixkit.registry import Grid
from mixkit.training.display import TrainingDisplay
from mixkit.training.flexible import FlexibleStep
from mixkit.training.loop import resume, train
from mixkit.training.step import Step
from tests.conftest import Said

Command = Callable[..., Said]

SMALL = (
    "task.demo.clips = 4",
    "task.demo.seconds = 0.5",
    "model.width = 16",
    "model.depth = 2",
    "stem.patches.size = (8, 8)",
    "stem.patches.stride = (6, 8)",
    "train.epochs = 2",
    "train.batch_size = 8",
    "train.precision = 'float32'",
)
SIZES = ((4, 4), (8, 8), (10, 6))
FLEXIBLE = f"stem.patches.flexible = {list(SIZES)}"


def network(*lines: str, name: str = "ast") -> Classifier:
    torch.manual_seed(0)
    model = mixkit.build(mixkit.load_recipe(name, ["stem/patches"], settings=[*SMALL, *lines]), classes=3)
    model.labels = ("a", "b", "c")
    return model


def spectrograms(model: Classifier, clips: int = 4) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(clips, model.features.bins, model.features.frames)


def flexible(model: Classifier) -> FlexiblePatches:
    return FlexiblePatches(model.recipe, model.mixer, model.features.bins, model.features.frames)


def test_the_stride_changes_as_the_size_does() -> None:
    model = network().recipe.model
    assert model is not None
    for size, stride in (((4, 4), (3, 4)), ((16, 16), (12, 16)), ((10, 6), (8, 6)), ((1, 1), (1, 1))):
        changed = model_at(model, size).stem.params
        assert (changed["size"], changed["stride"], changed["flexible"]) == (size, stride, ())


@pytest.mark.parametrize("lengths", [(8, 12), (12, 5), (7, 7), (1, 4)])
def test_positions_by_a_matrix_are_those_that_are_interpolated(lengths: tuple[int, int]) -> None:
    before, now = Grid(lengths[0], 6), Grid(lengths[1], 9)
    places = torch.randn(before.tokens, 5, dtype=torch.float64)
    rows, columns = position_matrix(before.frequency, now.frequency), position_matrix(before.time, now.time)
    found = torch.einsum("pf,qt,ftc->pqc", rows, columns, places.unflatten(0, (before.frequency, before.time)))
    torch.testing.assert_close(found.flatten(0, 1), resized(places, before, now), rtol=0, atol=1e-12)


def test_kernel_and_positions_are_those_of_timm() -> None:
    """Who computes in 32 bits."""
    layers = pytest.importorskip("timm.layers", reason="extra mixkit[parity] is not installed")
    model = network("stem.patches.stride = (8, 8)")
    others = {size: with_patches(model, size).mixer.double() for size in ((4, 4), (12, 12), (16, 16))}
    base = model.mixer.double()
    assert base.position is not None
    for size, other in others.items():
        made = Resized(base, other).weights()
        learned = base.get_parameter("stem.projection.weight")
        kernel = layers.resample_patch_embed(learned, list(size), "bilinear", antialias=False)
        torch.testing.assert_close(made["stem.projection.weight"], kernel, rtol=0, atol=1e-6)
        grids = [[one.stem.grid.frequency, one.stem.grid.time] for one in (other, base)]
        places = layers.resample_abs_pos_embed(base.position, *grids, num_prefix_tokens=2)
        torch.testing.assert_close(made["position"], places, rtol=0, atol=1e-7)


@pytest.mark.parametrize("positional", ["whole", "axes", "none"])
def test_what_is_trained_at_a_size_is_what_is_evaluated_at_it(positional: str) -> None:
    model = network(FLEXIBLE, f"model.positional = '{positional}'").eval()
    trained, x = flexible(model).eval(), spectrograms(network())
    for place, size in enumerate(SIZES):
        other = with_patches(model, size)
        assert other.mixer.get_parameter("stem.projection.weight").shape[2:] == size
        torch.testing.assert_close(trained(x, place), other.mixer(x), rtol=1e-5, atol=1e-6)
    base = trained(x, SIZES.index((8, 8)))
    assert torch.equal(base, model.mixer(x))
    assert not torch.allclose(trained(x, 0), base, atol=1e-3), "the control"


@pytest.mark.parametrize("checkpointing", [False, True])
def test_every_weight_learns_at_every_size(checkpointing: bool) -> None:
    model = network(FLEXIBLE)
    model.mixer.checkpointing = checkpointing
    whole = flexible(model)
    own = [name for name, _ in model.mixer.named_parameters()]
    assert [name for name, _ in whole.named_parameters()] == [f"mixer.{name}" for name in own]
    for place in range(len(SIZES)):
        model.mixer.zero_grad()
        whole(spectrograms(model), place).square().sum().backward()
        assert all(weight.grad is not None and weight.grad.any() for weight in model.mixer.parameters())


def test_the_gradient_of_the_kernel_is_that_of_the_resized_one_pulled_back() -> None:
    """To its first order: a step along it changes the loss as the gradient says."""
    model = network(FLEXIBLE)
    model.mixer.double()
    whole, x = flexible(model), spectrograms(model).double()
    kernel = model.mixer.get_parameter("stem.projection.weight")
    whole(x, 0).square().sum().backward()
    assert kernel.grad is not None
    step = 1e-6 * torch.randn_like(kernel)
    with torch.no_grad():
        before = whole(x, 0).square().sum()
        kernel.add_(step)
        change = whole(x, 0).square().sum() - before
    assert float(change) == pytest.approx(float((kernel.grad * step).sum()), rel=1e-3)


def test_statistics_of_norms_are_those_of_the_network() -> None:
    model = network(FLEXIBLE, "branch.norm = 'batch'", "model.norm = 'batch'")
    whole = flexible(model).train()
    norm = model.mixer.get_submodule("blocks.0.branches.0.norm")
    assert isinstance(norm, BatchNorm)
    whole(spectrograms(model), 0)
    moved = norm.mean.clone()
    assert moved.any()
    norm.counts = False
    norm.recomputes = True
    whole(spectrograms(model), 2)
    assert torch.equal(norm.mean, moved), "the same module, which was told not to count"


@pytest.mark.parametrize("operators", ANY_GRID.replace(" and ", ", ").split(", "))
def test_operators_that_errors_recommend_can_do_it(operators: str) -> None:
    model = network(FLEXIBLE, f"block.branches = [@operator.{operators}()]", name="mlp_mixer")
    expect_flexible(model.recipe, model.mixer, model.features.bins, model.features.frames)
    flexible(model)(spectrograms(model), 0)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ("block.branches = [@operator.channel(), @operator.token()]",),
            "stem.patches.flexible asks for patches of 4 x 4 (bins x frames), a grid not of 10 x 3 but of 21 x 6 of "
            "them, and @operator.token() has weights for the places of one grid. "
            "Operators that have none are, among others, attention, channel, convolution, pooling and shift.",
        ),
        (
            ("block.branches = [@operator.channel()]", "train.compile = True"),
            "train.compile is True, and stem.patches.flexible changes the network from step to step. "
            "Set one of them to its default.",
        ),
        (
            ("block.branches = [@operator.channel()]", "recipe.pretrain = @pretrain()"),
            "stem.patches.flexible names sizes to draw from, and pretraining hides cells of one grid. "
            "Set it to [] here, and draw in the training that starts from the run.",
        ),
    ],
)
def test_what_is_refused(lines: tuple[str, ...], message: str, tmp_path: Path) -> None:
    recipe = mixkit.load_recipe("mlp_mixer", ["stem/patches"], settings=[*SMALL, FLEXIBLE, *lines])
    for refuse in (lambda: train(recipe, tmp_path, device="cpu"), lambda: mixkit.check(recipe)):
        with pytest.raises(SettingError) as refused:
            refuse()
        assert str(refused.value) == message
    assert not list(tmp_path.iterdir())


def test_a_size_that_does_not_fit_is_refused() -> None:
    with pytest.raises(SettingError) as refused:
        network("stem.patches.flexible = [(8, 8), (16, 80)]")
    assert str(refused.value) == (
        "stem.patches.flexible names [16, 80], but there are 24 frames. Use at most 24 frames a patch."
    )


class Drawn(TrainingDisplay):
    """Keeps nothing, and ends a run in its second epoch if it is told to."""

    def __init__(self, stops: bool):
        self.stops = stops

    def batch(self, epoch: int, batch: int, loss: float, clips_per_second: float) -> None:
        if self.stops and (epoch, batch) == (2, 2):
            raise KeyboardInterrupt


def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = mixkit.load_recipe("ast", ["stem/patches"], settings=[*SMALL, FLEXIBLE, "train.accumulation = 2"])
    sizes: list[tuple[int, int]] = []
    call = Step.__call__

    def noted(step: FlexibleStep, batch: object, done: int) -> object:
        sizes.append((done, getattr(step, "size", -1)))
        return call(step, batch, done)  # type: ignore[arg-type]

    monkeypatch.setattr(Step, "__call__", noted)
    whole = train(recipe, tmp_path / "whole", "run", device="cpu")
    first = [*sizes]
    assert [done for done, _ in first] == list(range(len(first)))
    assert {size for _, size in first} == {0, 1, 2}, "all of them, in so many steps"
    sizes.clear()
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "stopped", "run", device="cpu", display=Drawn(True))
    sizes.clear()
    stopped = resume(tmp_path / "stopped" / "run", device="cpu")
    assert sizes == first[-len(sizes) :]
    assert stopped.metrics() == whole.metrics()
    one, other = (mixkit.load(run.folder).state_dict() for run in (whole, stopped))
    assert all(torch.equal(one[name], other[name]) for name in one)
    plain = train(
        mixkit.load_recipe("ast", ["stem/patches"], settings=[*SMALL, "train.accumulation = 2"]), tmp_path, device="cpu"
    )
    assert mixkit.load(plain.folder).state_dict().keys() == one.keys()
    assert plain.metrics()[0]["train"] != whole.metrics()[0]["train"], "the control: sizes make a difference"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with patches of 8 x 8, trained without others."""
    lines = (*SMALL, "train.epochs = 1", "features.log_mel.frames = 24")
    return train(
        mixkit.load_recipe("ast", settings=lines), tmp_path_factory.mktemp("runs"), "mine", device="cpu"
    ).folder


def test_a_run_is_evaluated_with_other_patches(run: Path, mixkit_command: Command) -> None:
    """The record and the first line say which they are."""
    plain = json.loads(mixkit_command("evaluate", run, "--json").out)
    assert "patch" not in plain
    for asked, size in (("8", [8, 8]), ("4x6", [4, 6])):
        found = json.loads(mixkit_command("evaluate", run, "--patch", asked, "--json").out)
        assert found["patch"] == size
        assert (found["test"] == plain["test"]) == (size == [8, 8])
        figures = mixkit.evaluate(run, patch=(size[0], size[1]))
        assert json.loads(json.dumps(figures.to_json())) == found["test"]
    assert "patches of 4 x 4 (bins x frames)" in mixkit_command("evaluate", run, "--patch", "4").out


def test_it_predicts_and_is_exported_with_them(run: Path, mixkit_command: Command, tmp_path: Path) -> None:
    sound = tmp_path / "clip.wav"
    soundfile.write(sound, 0.1 * np.random.default_rng(0).standard_normal(8000), 16_000)
    said = mixkit_command("predict", run, sound, "--patch", "4", "--json", "--top", "10")
    mine = mixkit.load(run, patch=4)
    answers = {one["label"]: one["probability"] for one in json.loads(said.out)["top"]}
    found = [one.predict(sound) for one in (mine, mixkit.load(run))]
    wanted, own = (dict(zip(one.labels, one.probabilities.tolist(), strict=True)) for one in found)
    assert answers == pytest.approx(wanted, abs=1e-5)
    assert wanted != pytest.approx(own), "the control"
    assert mixkit_command("export", run, "--patch", "4", "--to", "torch", "--out", tmp_path / "a.pt2").code == 0
    facts = mixkit.export(run, "torch", tmp_path / "b.pt2", patch=4).facts
    assert "stem.patches.size = [4, 4]" in facts["recipe"]


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ("30", "patch is 30 x 30 (bins x frames), and the spectrogram has 64 bins and 24 frames. Use at most those, "),
        ("16*8", "--patch '16*8' is no size. Write 20 for 20 x 20, or bins and frames as 16x8."),
    ],
)
def test_sizes_that_are_refused(patch: str, message: str, run: Path, mixkit_command: Command) -> None:
    said = mixkit_command("evaluate", run, "--patch", patch)
    assert said.code == 2
    assert message in " ".join(said.err.split())


@pytest.mark.parametrize(
    ("recipe", "lines", "message"),
    [
        (
            "mlp_mixer",
            ["operator.token.expansion = 1.0"],
            "patch asks for patches of 4 x 4 (bins x frames), a grid not of 8 x 3 but of 16 x 6 of them, and "
            "@operator.token() has weights for the places of one grid. "
            "Operators that have none are, among others, attention, channel, convolution, pooling and shift.",
        ),
        (
            "mlp_mixer",
            ["model.stem = @stem.convolution()", "model.width = 16"],
            "patch is 4 x 4 (bins x frames), and the network has no linear patches but @stem.convolution(). "
            "Take a run with them, such as one that was trained --with stem/patches.",
        ),
        (
            "cnn",
            [],
            "patch is 4 x 4 (bins x frames), and the network has no linear patches but @network.cnn(). "
            "Take a run with them, such as one that was trained --with stem/patches.",
        ),
    ],
)
def test_networks_that_cannot(recipe: str, lines: list[str], message: str) -> None:
    model = mixkit.build(mixkit.load_recipe(recipe, settings=["task.demo.seconds = 0.5", *lines]), classes=2)
    model.labels = ("a", "b")
    with pytest.raises(SettingError) as refused:
        with_patches(model, 4)
    assert str(refused.value) == message
