"""One plugin file extends every kind, and is trained, measured and used from the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import mixkit
from mixkit.errors import MixkitError
from mixkit.plugins.load import load_plugins
from mixkit.recipe.figures import KEYS, standard
from mixkit.recipe.train import Train
from mixkit.registry import REGISTRIES, Spec, metric
from mixkit.training.figures import figures
from tests.conftest import Said

PLUGIN = Path(__file__).parent / "every_kind.py"
RECIPE = """
import every_kind
block.branches = [@operator.own_operator()]
model.stages = [@early/stage(), @late/stage()]
stage.width = 16
stage.depth = 1
late/stage.downsample = @downsample.own_downsample()
model.stem = @stem.own_stem()
model.pool = @pool.own_pool()
model.head = @head.own_head()
recipe.task = @task.own_task()
recipe.features = @features.own_features()
task.own_task.root = 'ROOT'
train.epochs = 2
train.augmentations = [@augmentation.own_augmentation()]
train.loss = @loss.own_loss()
train.metrics = [@metric.own_metric(), @metric.top_accuracy()]
metric.top_accuracy.among = 2
"""

pytestmark = pytest.mark.usefixtures("without_plugins")


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "every_kind.py"
    path.write_text(PLUGIN.read_text())
    return path


def test_it_is_trained_and_used(mixkit_command: Callable[..., Said], tones: Path, plugin: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.gin").write_text(RECIPE.replace("ROOT", str(tones)))
    shown = mixkit_command("show", tmp_path / "mine.gin", "--plugin", plugin)
    assert shown.code == 0, shown.err
    assert " s at 16000 Hz -> " in shown.out
    arguments = ["--plugin", plugin, "--runs", tmp_path, "--name", "run"]
    said = mixkit_command("train", tmp_path / "mine.gin", *arguments)
    assert said.code == 0, said.err
    assert "\ntop_accuracy: valid 100.0%, test 100.0%\n" in said.out
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["test"]["top_accuracy"] == 1.0, "of two classes, one of two answers is right"
    assert 0.5 <= results["test"]["own_metric"] <= 1.0
    epochs = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [epoch["valid"]["top_accuracy"] for epoch in epochs] == [1.0, 1.0]
    measured = mixkit_command("evaluate", tmp_path / "run", "--plugin", plugin, "--json")
    assert json.loads(measured.out)["test"]["own_metric"] == pytest.approx(results["test"]["own_metric"])
    heard = mixkit_command("predict", tmp_path / "run", tones / "low" / "0.wav", "--plugin", plugin)
    assert heard.code == 0, heard.err
    used = {spec.kind for spec in _used(mixkit.load_recipe(tmp_path / "mine.gin", plugins=["every_kind"]))}
    assert {
        *("operator", "task", "features", "augmentation", "stem", "downsample", "pool", "head", "loss", "metric")
    } == used


def test_its_network_takes_the_place_of_its_model(
    mixkit_command: Callable[..., Said], tones: Path, plugin: Path, tmp_path: Path
) -> None:
    """The same recipe with a whole network: trained, embedded, exported, and no layer to look at."""
    (tmp_path / "mine.gin").write_text(RECIPE.replace("ROOT", str(tones)))
    lines = ["--set", "recipe.network = @network.own_network()", "--set", "train.epochs = 1", "--plugin", plugin]
    said = mixkit_command("train", tmp_path / "mine.gin", *lines, "--runs", tmp_path, "--name", "run")
    assert said.code == 0, said.err
    assert "@network.own_network() stands in the place of a model. Left aside: " in said.out
    run, out = (tmp_path / "run", "--plugin", plugin), tmp_path / "vectors.npz"
    assert mixkit_command("embed", run[0], tones / "low" / "0.wav", "--out", out, *run[1:]).code == 0
    assert np.load(out)["embeddings"].shape == (1, 16)
    assert mixkit_command("export", run[0], "--to", "torch", "--out", tmp_path / "net.pt2", *run[1:]).code == 0
    assert "which its recipe imports" not in mixkit_command("evaluate", *run).err
    refused = mixkit_command("look", *run)
    assert refused.code == 2
    assert "and @network.own_network() has neither. Take a recipe with a model." in refused.err


def _used(recipe: object) -> list[Spec]:
    from mixkit.recipe.writer import specs_of

    return [
        spec for spec in specs_of(recipe) if REGISTRIES[spec.kind].entry(spec.name).target.__module__ == "every_kind"
    ]


def test_every_kind_passes_its_checks(plugin: Path, mixkit_command: Callable[..., Said]) -> None:
    said = mixkit_command("check", plugin)
    assert said.code == 0, said
    assert said.out.splitlines()[-1] == (
        f"{plugin} is sound: 22 checks pass, 1 not tried (operator own_operator, task own_task, features own_features, "
        "augmentation own_augmentation, stem own_stem, downsample own_downsample, pool own_pool, head own_head, "
        "network own_network, loss own_loss, metric own_metric)."
    )


def test_the_names_of_our_figures_are_kept() -> None:
    plain = figures(torch.rand(4, 2), torch.eye(2)[[0, 1, 0, 1]], 0.5, ("a", "b")).to_json()
    assert set(plain) == {*KEYS, *standard()}
    assert set(standard()) == {"accuracy", "auc", "f1", "recall", "map"}, "as old runs and their readers call them"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("recall",), "train.metrics names recall, which every run has anyway. Each figure needs a name of its own."),
        (("wer", "wer"), "train.metrics names wer, twice. Each figure needs a name of its own."),
    ],
)
def test_metrics_that_cannot_be_told_apart(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(MixkitError) as caught:
        Train(metrics=tuple(Spec("metric", name) for name in names))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("gives", "message"),
    [
        ("'good'", "metric odd() gives 'good'. It has to give a number."),
        ("1 / 0", "metric odd() fails: ZeroDivisionError: division by zero."),
    ],
)
def test_a_metric_that_fails_is_named(tmp_path: Path, gives: str, message: str) -> None:
    (tmp_path / "odd.py").write_text(
        "from mixkit import metric\n\n@metric('odd')\ndef odd():\n"
        f"    'Is odd.'\n    return lambda scores, target: {gives}\n"
    )
    load_plugins([str(tmp_path / "odd.py")])
    with pytest.raises(MixkitError) as caught:
        figures(torch.rand(2, 2), torch.eye(2), 0.5, ("a", "b"), metrics=[metric.spec("odd")])
    assert str(caught.value) == message


def test_top_accuracy() -> None:
    scores = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    target = torch.tensor([[0, 1, 0], [1, 0, 0]])
    found = [metric.build(metric.spec("top_accuracy", among=among))(scores, target) for among in (1, 2, 3, 9)]
    assert found == [0.0, 0.5, 1.0, 1.0]
    none = figures(scores[:1], target[:1], 0.5, ("a", "b", "c"), metrics=[metric.spec("top_accuracy")])
    assert none.headline()["top_accuracy"] == 1.0
