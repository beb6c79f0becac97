"""The best epoch is chosen by the figure that the recipe names, also a plugin's metric, in the right direction."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mixkit.errors import MixkitError
from mixkit.plugins.load import load_plugins
from mixkit.recipe.figures import LOSS, figure, standard
from mixkit.recipe.train import Train
from mixkit.registry import Spec
from mixkit.training.figures import chosen_by, rank
from tests.conftest import Said

PLUGIN = """
from mixkit import metric

TOLD = [FIGURES]


@metric("strange"FACTS)
def strange():
    "Tells one number after the other, whatever it is asked."
    return lambda scores, target: TOLD.pop(0) if TOLD else 0.7
"""
QUICK = ("--set", "model.width = 16", "--set", "model.depth = 1", "--set", "task.demo.clips = 4")

pytestmark = pytest.mark.usefixtures("without_plugins")


@pytest.fixture
def trained(tmp_path: Path, mixkit_command: Callable[..., Said]) -> Callable[..., tuple[Said, Path]]:
    """Three epochs whose metric on validation is told beforehand."""

    def train(figures: str, facts: str, *arguments: str) -> tuple[Said, Path]:
        (tmp_path / "strange.py").write_text(PLUGIN.replace("FIGURES", figures).replace("FACTS", facts))
        own = ["--set", "train.metrics = [@metric.strange()]", "--set", "train.best = 'strange'"]
        places = ["--plugin", tmp_path / "strange.py", "--runs", tmp_path, "--name", "run"]
        epochs = ["--set", "train.epochs = 3", "--set", "task.demo.seconds = 0.5"]
        return mixkit_command("train", "asm_rh", *QUICK, *epochs, *own, *places, *arguments), tmp_path / "run"

    return train


@pytest.mark.parametrize(
    ("facts", "epoch", "chosen_by"),
    [
        ("", 3, "highest strange on valid; at a tie the lower loss"),
        (", lower_is_better=True", 2, "lowest strange on valid; at a tie the lower loss"),
    ],
)
def test_the_best_epoch_is_that_of_the_metric(
    trained: Callable[..., tuple[Said, Path]], facts: str, epoch: int, chosen_by: str
) -> None:
    said, run = trained("0.5, 0.2, 0.9", facts)
    assert said.code == 0, said.err
    results = json.loads((run / "results.json").read_text())
    assert (results["best_epoch"], results["chosen_by"]) == (epoch, chosen_by)
    assert chosen_by in said.out
    assert "  strange 0.900  " in said.out
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [record["valid"]["strange"] for record in records] == [0.5, 0.2, 0.9]
    assert [record["best"] for record in records] == [True, facts != "", facts == ""]


def test_a_metric_that_gives_no_number_chooses_nothing(trained: Callable[..., tuple[Said, Path]]) -> None:
    said, _ = trained("float('nan')", "")
    assert said.code == 2
    assert said.err.endswith(
        "valid has no strange: the metric gives no number for it. "
        "Give it more classes, or set train.best = 'accuracy'.\n"
    )


def test_a_name_that_nothing_has() -> None:
    assert Train(metrics=(Spec("metric", "strange"),), best="strange").best == "strange"
    for metrics, best, message in (
        (
            (Spec("metric", "strange"),),
            "strang",
            "train.best is 'strang', which is no figure to choose by. Did you mean 'strange'? "
            "Known: accuracy, auc, f1, loss, map, recall, strange. A metric has to stand in train.metrics, too.",
        ),
        (
            (),
            "strange",
            "train.best is 'strange', which is no figure to choose by. Known: accuracy, auc, f1, loss, map, recall. "
            "A metric has to stand in train.metrics, too.",
        ),
    ):
        with pytest.raises(MixkitError) as caught:
            Train(metrics=metrics, best=best)
        assert str(caught.value) == message


def test_an_arm_that_takes_the_metric_away_is_told_at_once(trained: Callable[..., tuple[Said, Path]]) -> None:
    said, run = trained("0.5", "", "--set", "train.metrics = []")
    assert said.code == 2
    assert "train.best is 'strange', which is no figure to choose by." in said.err
    assert not run.exists()


def test_what_can_be_chosen_by_is_measured_in_every_run() -> None:
    for name in (*standard(), LOSS):
        assert Train(best=name).best == name
        assert figure(name).lower_is_better is (name == LOSS)
    assert [chosen_by(name) for name in ("recall", LOSS)] == [
        "highest recall on valid; at a tie the lower loss",
        "lowest loss on valid",
    ]


def test_ranks(tmp_path: Path) -> None:
    (tmp_path / "strange.py").write_text(PLUGIN.replace("FIGURES", "").replace("FACTS", ", lower_is_better=True"))
    load_plugins([str(tmp_path / "strange.py")])
    good, bad = {"strange": 0.1, "accuracy": 0.9, "loss": 1.0}, {"strange": 0.2, "accuracy": 0.8, "loss": 1.0}
    for name in ("strange", "accuracy"):
        assert rank(good, name) > rank(bad, name)
        assert rank({**good, "loss": 0.5}, name) > rank(good, name)
    assert rank({**bad, "loss": 0.5}, "loss") > rank(good, "loss")
