"""Whole networks in the place of a model: in recipes, in training, behind every command, and as an arm of a study."""

from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

import mixkit
from mixkit.checkpoints.weights import save_weights
from mixkit.errors import MixkitError, SettingError
from mixkit.explain.influence import influences
from mixkit.export.hear import Hearer, get_scene_embeddings, get_timestamp_embeddings
from mixkit.model.cost import costs
from mixkit.model.whole import head_of, parts_of
from mixkit.recipe.faults import RecipeError
from mixkit.recipe.gin_file import load_recipe, recipe_from_text
from mixkit.recipe.schema import Recipe
from mixkit.recipe.train import Train
from mixkit.recipe.writer import to_gin, to_json
from mixkit.registry import network
from mixkit.report.run_plots import _draw_features
from mixkit.runs.folder import Run
from mixkit.study.definition import Study, load_study
from mixkit.study.plan import plan
from mixkit.training.display import TrainingDisplay
from mixkit.training.fine_tune import Frozen, expect_learning, split_groups
from mixkit.training.loop import resume, train
from mixkit.training.prepare import starting_network

CNN = "recipe.network = @network.cnn()"
DATA = ["task.demo.clips = 12", "task.demo.seconds = 0.5", "features.log_mel.bins = 24", "train.precision = 'float32'"]
SMALL = [CNN, "network.cnn.channels = [4, 6]", *DATA, "train.epochs = 2", "train.batch_size = 16"]


def small(*lines: str) -> Recipe:
    return load_recipe("asm_rh", settings=[*SMALL, *lines])


def fault(*lines: str, recipe: str = "asm_rh") -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, settings=lines)
    return str(caught.value)


def test_a_network_takes_the_place_of_the_model() -> None:
    """Its recipe has none, reads back as itself, and says what it leaves aside; without a network it is as before."""
    recipe = small()
    assert recipe.model is None
    assert recipe.architecture == network.spec("cnn", channels=(4, 6))
    assert recipe_from_text(to_gin(recipe), "asm_rh") == recipe
    assert not [line for line in to_gin(recipe).splitlines() if line.startswith(("model.", "block.", "operator."))]
    assert to_json(recipe)["network"]["name"] == "cnn"
    assert set(recipe.left_aside) > {"model.width", "block.branches", "stem.convolution.channels"}
    assert recipe.left_aside["block.branches"].endswith("asm_rh.gin:9")
    assert recipe.note.startswith("@network.cnn() stands in the place of a model. Left aside: model.width, ")
    assert load_recipe("asm_rh", settings=[CNN, "recipe.network = None"]) == load_recipe("asm_rh")
    assert load_recipe("asm_rh").note == load_recipe("cnn").note == ""


def test_what_is_set_for_a_model_beside_a_network_is_refused(tmp_path: Path) -> None:
    """By a recipe itself, or a line: an include or a layer may bring it, and that is told."""
    found = fault("model.width = 8", "operator.channel.expansion = 2.0", recipe="cnn")
    instead = (
        "recipe.network (recipes/cnn.gin:7) stands in the place of a model. Remove it, or set recipe.network = None."
    )
    assert f"nothing uses model.width: {instead}" in found
    assert f"nothing uses operator.channel.expansion: {instead}" in found
    assert "nothing uses recipe.model: recipe.network" in fault("recipe.model = @own/model()", recipe="cnn")
    own = tmp_path / "own.gin"
    own.write_text(f"include 'asm_rh.gin'\n{CNN}\nmodel.depth = 2\n")
    assert "own.gin:3: nothing uses model.depth: recipe.network" in fault(recipe=str(own))
    laid = load_recipe("cnn", layers=["size/base"])
    assert laid.features.params["bins"] == 128
    assert "model.width" in laid.left_aside


def test_a_network_that_is_none_is_one_fault() -> None:
    assert fault("recipe.network = @network.cn()", "model.width = 8").splitlines() == [
        "--set \"recipe.network = @network.cn()\": no network named 'cn'. Did you mean 'cnn'? "
        f"Known: {', '.join(network.names())}."
    ]
    assert "It takes @network.NAME() or None." in fault("recipe.network = @task.demo()")
    assert "It takes @network.NAME() or None." in fault("recipe.network = 'cnn'")


@pytest.mark.parametrize("width", [8, 20])
def test_the_cnn_is_a_stem_with_a_pool_and_a_head(width: int) -> None:
    """The same weights from the same seed, and the same logits: what was written as a stem before is this network."""
    stem = ["block.branches = []", "model.depth = 1", "model.norm = 'none'", "model.activation = None"]
    stem += ["stem.convolution.channels = [16, 12]", "stem.convolution.coarsen = 'max_pool'", f"model.width = {width}"]
    lines = [CNN, f"network.cnn.channels = [16, 12, {width}]", "network.cnn.pool = 'all'"]
    ours, theirs = (mixkit.build(load_recipe("small_data", settings=[*DATA, *own]), 5) for own in (lines, stem))
    x = torch.randn(3, ours.features.samples)
    assert torch.equal(ours.eval()(x), theirs.eval()(x))
    other = mixkit.build(load_recipe("small_data", settings=[*DATA, *lines, "network.cnn.pool = 'time'"]), 5)
    assert not torch.allclose(other.eval()(x), theirs(x), atol=1e-3)


def test_its_cost_is_told_by_part() -> None:
    recipe = load_recipe("cnn")
    rows = costs(recipe.architecture, 64, 99, 10)
    assert sum(row.parameters for row in rows) == 40_090
    assert rows[0].flops == 2 * 16 * 9 * 64 * 99
    assert (rows[0].name, rows[0].shape) == ("body.layers.0", (16, 64, 99))
    assert (rows[-1].name, rows[-1].shape, rows[-1].parameters) == ("head", (10,), 490)


class Interrupted(Exception):
    pass


class Interrupting(TrainingDisplay):
    """Ends a training in the middle of its second epoch."""

    def batch(self, epoch: int, batch: int, loss: float, clips_per_second: float) -> None:
        if epoch == 2 and batch == 3:
            raise Interrupted


def test_it_trains_and_goes_on_to_the_bit(tmp_path: Path) -> None:
    """Dropout, torch's BatchNorm and the average: a run that was interrupted ends as one that was not."""
    settings = ("network.cnn.dropout = 0.3", "train.save_every_steps = 1")
    whole = train(small(*settings), tmp_path, "whole", "cpu")
    with pytest.raises(Interrupted):
        train(small(*settings), tmp_path, "half", "cpu", Interrupting())
    half = resume(tmp_path / "half", "cpu")
    theirs, ours = (mixkit.load(run.folder).state_dict() for run in (whole, half))
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert half.metrics() == whole.metrics()
    model = mixkit.load(whole.folder)
    sound = torch.randn(12_000) * 0.1
    assert len(model.predict(sound, 16_000).probabilities) == 10
    assert model.embed(sound, 16_000).shape == (6,) == (model.width,)


class Deep(nn.Module):
    """A network with its head deep inside, as those of other libraries are, and torch's own BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.ModuleDict({"first": nn.Linear(12, 5), "norm": nn.BatchNorm1d(5), "fc": nn.Linear(5, 3)})

    @property
    def head(self) -> nn.Module:
        return self.inner["fc"]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.inner["norm"](self.inner["first"](x)).relu())


def test_its_head_and_its_parts_are_found_wherever_they_are() -> None:
    made = Deep()
    assert head_of(made) == "inner.fc"
    assert list(parts_of(made)) == ["inner.first", "inner.norm", "inner.fc"]


def test_parts_freeze_and_have_rates_of_their_own() -> None:
    """`body` is all but the head, which learns at the full rate; its BatchNorm stays as in evaluation."""
    made, features = Deep(), nn.Identity()
    steps = torch.optim.SGD(made.parameters(), lr=1.0)
    split_groups(steps, features, made, 0.1, None)
    head = set(made.head.parameters())
    assert {group["rate"]: set(group["params"]) == head for group in steps.param_groups} == {1.0: True, 0.1: False}
    made.train()
    Frozen(features, made, ["body"], None).hold(0)
    assert {name for name, weight in made.named_parameters() if weight.requires_grad} == {
        "inner.fc.weight",
        "inner.fc.bias",
    }
    assert not made.inner["norm"].training
    assert made.head.training
    with pytest.raises(SettingError, match=r"names 'inner\.fist', which .* Did you mean 'inner\.first'"):
        expect_learning(features, made, Train(freeze=("inner.fist",)))
    with pytest.raises(SettingError, match="nothing would learn"):
        expect_learning(features, made, Train(freeze=("inner",)))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train.layer_decay = 0.5", "train.layer_decay is 0.5, and a whole network does not say which of its layers"),
        ("train.checkpointing = True", "train.checkpointing is True, which this network does not know. Compute"),
        (
            "train.init = @weights.deit()",
            "@weights.deit(), which starts a model, and the recipe has a network. Set it to @weights.net",
        ),
        ("network.cnn.channels = []", "network.cnn.channels is empty. Name the channels of one layer at least"),
        ("network.cnn.channels = [1000000, 1000000]", "network.cnn asks for 9,0"),
    ],
)
def test_what_it_cannot_do_is_refused_ahead_of_training(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError) as caught:
        train(small(line), tmp_path, "run", "cpu")
    assert message in str(caught.value)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("named", ["cnn(channels=[4, 6])", "timm(name='resnet10t')"])
def test_a_run_of_it_is_a_start_for_other_classes(named: str, tmp_path: Path) -> None:
    """All but the head is taken, statistics of BatchNorm among it; the control: a model takes none of it."""
    name, _, settings = named.partition("(")
    if name == "timm":
        pytest.importorskip("timm", reason="extra mixkit[timm] is not installed")
    lines = [f"recipe.network = @network.{name}()", f"network.{name}.{settings[:-1].replace('=', ' = ')}", *DATA]
    before = mixkit.build(load_recipe("asm_rh", settings=lines), classes=3)
    before.labels = ("a", "b", "c")
    torch.manual_seed(1)
    with torch.no_grad():
        for tensor in before.whole.state_dict().values():
            tensor.copy_(torch.rand(tensor.shape))
    run = Run.create(before.recipe, tmp_path)
    save_weights(run, before, 1)
    start = ["train.init = @weights.run()", f"weights.run.path = '{run.folder}'"]
    model, told = starting_network(load_recipe("asm_rh", settings=[*lines, *start]), ("c", "d", "e", "f"))
    assert told is not None
    head = f"{head_of(model.whole)}."
    fresh = [name for name, tensor in model.whole.state_dict().items() if name.startswith(head) and tensor.ndim]
    learned = dict(model.whole.named_parameters())
    assert told.parameters == told.of - sum(learned[name].numel() for name in fresh)
    for name, tensor in model.whole.state_dict().items():
        if name not in fresh and not name.endswith("num_batches_tracked"):
            assert torch.equal(tensor, before.whole.state_dict()[name]), name
    with pytest.raises(MixkitError) as refused:
        starting_network(load_recipe("asm_rh", settings=[*DATA, *start]), ("a", "b", "c"))
    kind = named.partition("(")[0]
    assert str(refused.value) == (
        f"{run.folder / 'best.safetensors'} holds a whole network, @network.{kind}(), and the recipe has a model. "
        "Take a recipe with that network, or a run with a model."
    )


def test_what_looks_at_tokens_says_why_it_cannot() -> None:
    model = mixkit.build(small(), 4)
    with pytest.raises(MixkitError) as caught:
        list(influences(model, None, None, [0]))
    assert str(caught.value) == (
        "mixkit look draws what operators do to tokens on a grid, and @network.cnn() has neither. "
        "Take a recipe with a model."
    )


def test_an_arm_of_a_study_is_a_network(tmp_path: Path) -> None:
    """Beside models; of a base that is a network no operator is left out or exchanged, and that is said."""
    study = load_study("study/small_data_parts")
    planned = plan(study, tmp_path)
    texts = {trial.arm: planned.runs[trial.folder.name].recipe for trial in planned.record.trials}
    assert "recipe.network = @network.cnn()" in texts["CNN"]
    assert "model." not in texts["CNN"]
    assert "recipe.network" not in texts["token"]
    assert [arm.name for arm in plan(Study("cnn", "cnn"), tmp_path).record.arms] == ["cnn"]
    with pytest.raises(MixkitError, match="cnn has no operators: a network takes the place of its model"):
        plan(Study("cnn", "cnn", edits={"x": {"channel": None}}), tmp_path)


def test_a_recording_as_one_vector_for_hear_and_no_moments() -> None:
    """The pooled vector is what comes to the head; moments would be columns of tokens, which there are not."""
    classifier = mixkit.build(small(), 4).eval()
    model = Hearer(classifier)
    assert (model.scene_embedding_size, get_scene_embeddings(torch.randn(1, 9_000), model).shape) == (6, (1, 6))
    with pytest.raises(MixkitError, match="a moment is a column of tokens behind the last operator, and @network"):
        get_timestamp_embeddings(torch.randn(1, 9_000), model)


def test_a_waveform_is_drawn_as_a_line() -> None:
    for bins, drawn in ((1, "lines"), (8, "images")):
        axes = Figure().subplots()
        _draw_features(axes, torch.rand(bins, 30), 0.5)
        assert len(getattr(axes, drawn)) == 1
