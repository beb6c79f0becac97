"""A paper's figures of validation, of the best run and of networks that are no arm, each beside the same of ours."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from mixkit.report import formats, tables, write
from mixkit.report.comparison import Comparison, compare_arms
from mixkit.report.runs_by_arm import gather
from mixkit.study.record import read_study, write_study
from tests.fake_runs import fake_study

ARMS = {"ASM-RH": lambda seed: 0.7 + 0.1 * seed, "ASM-H": lambda _: 0.6}
PAPER = {
    "ASM-RH": {"value": {"valid accuracy": 96.5, "best accuracy": 98.6}},
    "ASM-H": {"value": {"accuracy": 61.0, "best top_accuracy": 70.0}},
}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = fake_study(tmp_path / "table", ARMS, describe=PAPER)
    for path in folder.glob("runs/0-*/results.json"):
        results = json.loads(path.read_text())
        results["valid"]["accuracy"] = 0.25 + 0.25 * results["seed"]
        path.write_text(json.dumps(results))
    write_study(replace(read_study(folder), others={"EAT-M": {"accuracy": 90.0, "best auc": 99.0}}))
    return folder


@pytest.fixture
def found(study: Path) -> Comparison:
    return compare_arms(gather([study]))


def test_each_stands_beside_what_is_the_same_of_ours(found: Comparison) -> None:
    """The mean stands ahead of the best run; what no run has, and what only the paper has, has none of ours."""
    table = tables.paper(found)
    assert table.columns == ("arm", "note", "figure", "paper %", "ours %", "ours less paper")
    assert table.rows == (
        ("ASM-RH", "-", "accuracy, validation", "96.50", "50.00", "−46.50"),
        ("ASM-RH", "-", "accuracy", "-", "80.00", "-"),
        ("ASM-RH", "-", "accuracy, best run", "98.60", "90.00", "−8.60"),
        ("ASM-H", "-", "accuracy", "61.00", "60.00", "−1.00"),
        ("ASM-H", "-", "top_accuracy", "-", "-", "-"),
        ("ASM-H", "-", "top_accuracy, best run", "70.00", "-", "-"),
        ("EAT-M", "not run here", "accuracy", "90.00", "-", "-"),
        ("EAT-M", "not run here", "AUC, best run", "99.00", "-", "-"),
    )


def test_they_are_in_every_output(found: Comparison) -> None:
    lines = list(csv.DictReader(io.StringIO(formats.to_csv(found))))
    ours = [(line["valid_accuracy"], line["accuracy"]) for line in lines if line["arm"] == "ASM-RH"]
    assert ours == [("0.25", "0.7"), ("0.5", "0.8"), ("0.75", "0.9")]
    paper = [(line["paper_valid_accuracy"], line["paper_best_accuracy"], line["paper_accuracy"]) for line in lines]
    assert {*paper} == {("96.5", "98.6", ""), ("", "", "61.0")}
    assert json.loads(formats.to_json(found))["others"] == {"EAT-M": {"accuracy": 90.0, "best auc": 99.0}}
    assert "| EAT-M | not run here | accuracy | 90.00 | - | - |" in write.to_markdown(found).replace("\\", "")


def test_with_two_studies_each_says_of_which_it_is(study: Path) -> None:
    two = gather([study, fake_study(study.parent / "plain", ARMS)])
    assert two.others == {"table: EAT-M": {"accuracy": 90.0, "best auc": 99.0}}
