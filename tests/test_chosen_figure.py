"""The figure that a recipe chooses by comes first wherever runs are shown, ours and a plugin's alike."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mixkit.conformance.losses_and_metrics import check_metric
from mixkit.errors import MixkitError
from mixkit.plugins.load import load_plugins
from mixkit.recipe.figures import columns, leading, pair, standard
from mixkit.registry import metric
from mixkit.report import formats, tables, write
from mixkit.report.captions import summary, verdict
from mixkit.report.comparison import compare_arms
from mixkit.report.details import classes
from mixkit.report.page import page
from mixkit.report.runs_by_arm import gather
from mixkit.runs.results import Results
from tests.conftest import Said
from tests.fake_runs import LABELS, fake_results, fake_run

PLUGIN = '''
import torch
from mixkit import metric


@metric("missed", title="share missed", percent=True, lower_is_better=True, macro=True, per_class="share missed")
class Missed:
    """Share of each class that is not found."""

    def __call__(self, scores, target):
        answers = scores.argmax(1, keepdim=True) == torch.arange(target.shape[1])
        counts = target.sum(0)
        return torch.where(counts > 0, (~answers & (target > 0)).sum(0) / counts, torch.nan)
'''
WRONG = """
from mixkit import metric


@metric("wrong_shape", per_class="nothing")
def wrong_shape():
    "One number where there should be one a class."
    return lambda scores, target: scores.mean()
"""
QUICK = ["model.width = 16", "model.depth = 1", "task.demo.clips = 4", "task.demo.seconds = 0.5", "train.epochs = 2"]

pytestmark = pytest.mark.usefixtures("without_plugins")


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "missed.py"
    path.write_text(PLUGIN)
    return path


def runs(tmp_path: Path, best: str, **figures: float) -> list[Path]:
    """Two runs of two recipes that choose by a figure."""
    folders = []
    for place in range(2):
        results = fake_results(0, 0.8)
        own = {name: value + 0.1 * place for name, value in figures.items()}
        results["test"] = {**results["test"], **own}
        folders.append(fake_run(tmp_path / str(place), results, settings=(f"model.depth = {place + 1}",)))
        recipe = json.loads((folders[-1] / "recipe.json").read_text())
        recipe["train"]["best"] = best
        (folders[-1] / "recipe.json").write_text(json.dumps(recipe))
    return folders


def test_columns_are_those_of_the_registry() -> None:
    assert columns(False) == ("accuracy", "auc", "f1", "recall")
    assert columns(True) == ("map", "auc", "f1", "recall", "accuracy")
    assert set(standard()) == {*columns(False), *columns(True)}
    assert "top_accuracy" in metric.names()
    assert "top_accuracy" not in standard()
    assert [pair(best, several=False) for best in ("accuracy", "recall", "loss")] == [
        ("accuracy", "auc"),
        ("recall", "accuracy"),
        ("loss", "accuracy"),
    ]
    assert [leading(best, several=True) for best in ("accuracy", "f1")] == ["map", "f1"]


@pytest.mark.parametrize(
    ("best", "headings", "less", "said"),
    [
        ("accuracy", ("accuracy %", "AUC %"), "difference, points", "level with"),
        ("recall", ("recall %", "accuracy %"), "difference, points", "10.0 points above"),
        ("map", ("mAP %", "accuracy %"), "difference, points", "10.0 points above"),
        ("loss", ("loss", "accuracy %"), "difference", "0.1000 above"),
        ("nonsense", ("accuracy %", "AUC %"), "difference, points", "level with"),
    ],
)
def test_a_report_compares_by_it(tmp_path: Path, best: str, headings: tuple[str, str], less: str, said: str) -> None:
    found = compare_arms(gather(runs(tmp_path, best, recall=0.5, map=0.6, loss=0.5)))
    assert tables.results(found).columns[2:5] == (*headings, less)
    assert tables.runs(found).columns[5:7] == headings
    assert verdict(found, found.rows[1]).startswith(said)
    assert f" by {found.figure(found.headline).title}: 1 pair" in summary(found)
    shown = page(found, {})
    assert f"<bdi>{headings[0]}</bdi>" in shown
    assert found.headline == (best if best != "nonsense" else "accuracy")


def test_a_plugins_metric_is_shown_like_ours(tmp_path: Path, plugin: Path, mixkit_command: Callable[..., Said]) -> None:
    lines = [*QUICK, "train.metrics = [@metric.missed(), @metric.top_accuracy()]", "train.best = 'missed'"]
    settings = [part for line in lines for part in ("--set", line)]
    places = ["--plugin", plugin, "--runs", tmp_path, "--name", "run"]
    said = mixkit_command("train", "asm_rh", *settings, *places)
    assert said.code == 0, said.err
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    test = results["test"]
    assert test["missed"] == pytest.approx(1 - test["recall"], abs=1e-6)
    assert test["missed_per_class"] == pytest.approx({label: 1 - share for label, share in test["per_class"].items()})
    assert results["chosen_by"] == "lowest missed on valid; at a tie the lower loss"
    assert f": test share missed {test['missed']:.1%}, accuracy {test['accuracy']:.1%}, from epoch" in said.out
    assert "top_accuracy: valid " in said.out
    assert "missed: valid" not in said.out, "it has a column"
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])["valid"]
    assert f"  missed {last['missed']:>6.1%}  " in said.out
    listed = json.loads(mixkit_command("runs", tmp_path, "--json").out)
    assert [(line["best"], line["test"]) for line in listed] == [("missed", test["missed"])]
    assert listed[0]["valid"] == results["valid"]["missed"]
    assert "missed" in mixkit_command("runs", tmp_path).out
    classes_shown = mixkit_command("evaluate", tmp_path / "run", "--plugin", plugin).out
    assert "each class" in classes_shown
    assert "share missed" in classes_shown

    load_plugins([str(plugin)])
    found = compare_arms(gather([tmp_path / "run"]))
    assert found.headline == "missed"
    assert tables.results(found).columns[2:4] == ("share missed %", "accuracy %")
    assert tables.results(found).rows[0][2] == f"{100 * test['missed']:.1f}"
    assert [grid.title for grid in classes(found)] == ["recall of each class, %", "share missed of each class, %"]
    (line,) = csv.DictReader(io.StringIO(formats.to_csv(found)))
    assert float(line["metric_missed"]) == pytest.approx(test["missed"])
    assert float(line["metric_top_accuracy"]) == pytest.approx(test["top_accuracy"])
    assert json.loads(formats.to_json(found))["arms"][0]["metrics"]["missed"]["mean"]["mean"] == pytest.approx(
        test["missed"]
    )
    assert "share missed %" in write.to_markdown(found)


def test_our_metrics_pass_the_checks_of_a_plugins(plugin: Path) -> None:
    load_plugins([str(plugin)])
    for name in metric.names():
        check_metric(metric.spec(name))

    plugin.with_name("wrong.py").write_text(WRONG)
    load_plugins([str(plugin.with_name("wrong.py"))])
    with pytest.raises(MixkitError, match="Return a tensor of 3 numbers, one a class"):
        check_metric(metric.spec("wrong_shape"))


def test_results_come_back_from_their_file() -> None:
    written = {**fake_results(3, 0.7), "skipped": [{"path": "a.wav", "split": "test", "reason": "none"}]}
    found = Results.from_json(json.loads(json.dumps(written)))
    assert Results.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert found.test.per_class["recall"] == written["test"]["per_class"]
    assert found.test.value("map") is None, "an older version did not know it"
    assert [*found.labels] == [*LABELS]
    for key, value in (("labels", []), ("seed", -1), ("valid", {})):
        with pytest.raises((ValueError, KeyError, MixkitError)):
            Results.from_json({**written, key: value})
