"""The comparison of a study's arms: every figure from the runs that have it, nothing averaged away, nothing silent."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from mixkit.errors import DamagedError, RunError
from mixkit.report import formats, tables
from mixkit.report.captions import caption, notes, stamps, verdict
from mixkit.report.comparison import Comparison, compare_arms
from mixkit.report.details import classes
from mixkit.report.page import page
from mixkit.report.runs_by_arm import gather
from mixkit.report.statistics import holm
from tests.fake_runs import fake_results, fake_run, fake_study

ARMS = {
    "ASM-RH": lambda seed: 0.85 + 0.025 * seed,
    "ASM-H": lambda seed: 0.8 + 0.025 * (seed % 2),
    "shift": lambda _: 0.9,
}
PAPER = {"ASM-RH": {"value": {"accuracy": 95.8}, "note": "one shuffle of clips"}, "ASM-H": {"value": {"auc": 99.1}}}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies") / "table_6"
    return fake_study(folder, ARMS, (0, 1, 2, 3), failed=(("shift", 1),), describe=PAPER)


@pytest.fixture(scope="module")
def found(study: Path) -> Comparison:
    return compare_arms(gather([study]), lambda _: 1.5e8)


def test_every_figure_can_be_computed_again_from_the_csv(found: Comparison) -> None:
    """By other code, from the text of the file alone."""
    lines = list(csv.DictReader(io.StringIO(formats.to_csv(found))))
    document = json.loads(formats.to_json(found))
    base = next(line["arm"] for line in lines if line["base"] == "True")
    assert document["base"] == base
    checked = 0
    for figure in ("accuracy", "auc"):
        values = {
            arm["arm"]: {
                line["seed"]: float(line[figure]) for line in lines if line["arm"] == arm["arm"] and line[figure]
            }
            for arm in document["arms"]
        }
        chances = []
        for arm in document["arms"]:
            own = list(values[arm["arm"]].values())
            assert arm["runs"] == len(own)
            checked += _same(arm[figure], own)
            if arm["arm"] == base:
                continue
            shared = [seed for seed in values[arm["arm"]] if seed in values[base]]
            pairs = [values[arm["arm"]][seed] - values[base][seed] for seed in shared]
            difference = arm[f"{figure}_difference"]
            checked += _same(difference["pairs"], pairs)
            sums = [
                np.dot(pairs, [(-1) ** (mask >> bit & 1) for bit in range(len(pairs))])
                for mask in range(2 ** len(pairs))
            ]
            p = 2 * min(np.mean(np.array(sums) >= sum(pairs) - 1e-9), np.mean(np.array(sums) <= sum(pairs) + 1e-9))
            assert difference["p"] == pytest.approx(min(1, p))
            chances.append((difference["p"], difference["adjusted"]))
        assert [adjusted for _, adjusted in chances] == holm([p for p, _ in chances])
    for arm in document["arms"]:
        own = [line for line in lines if line["arm"] == arm["arm"] and line["state"] == "done"]
        assert arm["cost"]["parameters"] == int(own[0]["parameters"])
        assert arm["cost"]["flops"] == float(own[0]["flops"])
        assert arm["cost"]["seconds"] == pytest.approx(np.mean([float(line["seconds"]) for line in own]))
        assert arm["cost"]["clips_per_second"] == np.median([float(line["clips_per_second"]) for line in own])
        assert arm["paper"].get("accuracy") == (float(own[0]["paper_accuracy"]) if own[0]["paper_accuracy"] else None)
    assert checked == 10


def _same(said: dict[str, Any], values: list[float]) -> int:
    options = {"method": "percentile", "n_resamples": 9_999, "random_state": np.random.default_rng(0)}
    assert said["count"] == len(values)
    assert said["mean"] == pytest.approx(np.mean(values), abs=1e-12)
    assert said["deviation"] == pytest.approx(np.std(values, ddof=1), abs=1e-12)
    if np.ptp(values):
        interval = stats.bootstrap((values,), np.mean, **options).confidence_interval
        assert (said["low"], said["high"]) == pytest.approx((interval.low, interval.high), abs=1e-12)
    return 1


def test_tables_say_what_the_json_says(found: Comparison) -> None:
    grid = tables.results(found)
    assert grid.columns == (
        *("arm", "runs", "accuracy %", "AUC %", "difference, points", "p (Holm)"),
        *("parameters", "FLOP / clip", "clips/s", "memory", "training"),
    )
    assert grid.rows[0][:3] == ("ASM-RH", "4", "88.8 ± 3.2 [86.2, 91.3]")
    assert grid.rows[0][4:] == ("base", "-", "413 k", "150 M", "106", "-", "48 s")
    assert grid.rows[2][0:2] == ("shift", "3 of 4")
    assert tables.paper(found).rows == (
        ("ASM-RH", "one shuffle of clips", "accuracy", "95.80", "88.75", "−7.05"),
        (
            "ASM-H",
            "-",
            "AUC",
            "99.10",
            f"{100 * found.rows[1].figures['auc'].mean:.2f}",
            tables.paper(found).rows[1][5],
        ),  # type: ignore[union-attr]
    )


def test_a_failed_run_is_marked_and_in_no_mean(found: Comparison) -> None:
    shift = found.rows[2]
    assert shift.figures["accuracy"] is not None
    assert shift.figures["accuracy"].count == 3
    assert shift.figures["accuracy"].mean == 0.9
    assert notes(found)[0] == (
        "1 run of 12 without figures, which no mean holds: shift, seed 1: failed (epoch 3, batch 7: the loss is nan. "
        "Lower train.learning_rate)."
    )
    states = [row[1] for row in tables.runs(found).rows if row[0] == "shift"]
    assert states == ["done", "failed: epoch 3, batch 7: the loss is nan. Lower train.learning_rate.", "done", "done"]


def test_the_text_says_what_the_figures_do_not_support(found: Comparison) -> None:
    assert caption(found.by_arm) == (
        "table_6 on demo (recorders held out): 11 runs of 12, 3 arms, 4 seeds; 40 test clips a run. Mean ± standard "
        "deviation (ddof = 1) over the runs of an arm; in brackets the 95 % bootstrap interval of the mean. Made up."
    )
    assert notes(found)[1:] == [
        "4 pairs can never give p below 0.125, however large the difference: a p below 0.05 with 2 arms takes 7 pairs "
        "or more.",
        "An interval over 4 runs is too narrow: it holds the true mean about 4 times in 5, not 95 % of the time; over "
        "fewer, less often.",
        "Every run is tested on the same 40 clips: an interval tells of other seeds, not of other clips. Which clips "
        "were drawn moves an accuracy of 89% by about ±9.8 points.",
        "An interval of no width means that all runs agree to the clip, not that the figure is known so well.",
        "p: paired permutation test, two-sided, every exchange tried; Holm's correction over the arms, figure by "
        "figure.",
    ]
    assert verdict(found, found.rows[1]) == (
        "7.5 points below ASM-RH; chance alone is not ruled out (p = 0.25 after Holm)"
    )
    assert stamps(found.by_arm) == []


def test_enough_pairs_let_a_difference_be_told(tmp_path: Path) -> None:
    """The control of the sentence about too few pairs, and of `not ruled out`."""
    arms = {"base": lambda seed: 0.8 + 0.025 * (seed % 3), "worse": lambda seed: 0.6 + 0.025 * (seed % 2)}
    compared = compare_arms(gather([fake_study(tmp_path / "long", arms, tuple(range(7)))]))
    assert not [note for note in notes(compared) if "pairs" in note and "never" in note]
    assert verdict(compared, compared.rows[1]).endswith("more than chance would have it (p = 0.016 after Holm)")


def test_quick_and_a_protocol_that_leaks_are_stamped(tmp_path: Path) -> None:
    arms = {"a": lambda _: 0.9, "b": lambda _: 0.8}
    folder = fake_study(tmp_path / "fast", arms, (0,), quick=True, protocol="paper-random")
    compared = compare_arms(gather([folder]))
    assert [stamp.partition(":")[0] for stamp in stamps(compared.by_arm)] == ["quick", "protocol paper-random"]
    for text in (formats.to_json(compared), formats.latex(tables.results(compared), " ".join(stamps(compared.by_arm)))):
        assert "Its figures prove nothing." in text
        assert "never to be set beside them" in text
    assert "One run an arm has no spread: another seed may turn any order round." in notes(compared)


def test_folds_are_pairs_too_and_not_taken_for_independent(tmp_path: Path) -> None:
    runs = []
    for recipe, gain in (("asm_rh", 0.0), ("mlp_mixer", -0.1)):
        for fold in (1, 2, 3):
            results = fake_results(0, 0.7 + 0.05 * fold + gain, fold=fold, recipe=recipe)
            runs.append(fake_run(tmp_path / f"{recipe}-{fold}", results, recipe))
    compared = compare_arms(gather(runs))
    pairs = compared.rows[1].differences["accuracy"]
    assert pairs is not None
    assert pairs.pairs.count == 3
    assert pairs.pairs.mean == pytest.approx(-0.1, abs=1e-6)
    assert any(
        note.startswith("Folds share training clips, and seeds of a fold share its test clips")
        for note in notes(compared)
    )
    assert "3 folds" in caption(compared.by_arm)


def test_runs_on_other_clips_are_shown_and_not_subtracted(tmp_path: Path) -> None:
    ours = fake_run(tmp_path / "ours", fake_results(0, 0.8))
    other = fake_run(
        tmp_path / "other", fake_results(0, 0.9, recipe="mlp_mixer", protocol="speakers held out"), "mlp_mixer"
    )
    compared = compare_arms(gather([ours, other]))
    assert compared.rows[1].differences["accuracy"] is None
    assert verdict(compared, compared.rows[1]) == "no run can be paired with one of the base"
    assert "Runs of another task, protocol or test set than the base's are shown, and not compared." in notes(compared)


def test_several_labels_a_clip_are_compared_by_average_precision(tmp_path: Path) -> None:
    runs = []
    for seed, share in ((0, 0.6), (1, 0.7)):
        results = fake_results(seed, 0.8)
        several = {"confusion": None, "map": share, "average_precision": {"siren": share, "car_horn": None}}
        results["test"] = {**results["test"], **several}
        runs.append(fake_run(tmp_path / f"{seed}", results))
    compared = compare_arms(gather(runs))
    assert compared.headline == "map"
    assert tables.results(compared).columns[2:4] == ("mAP %", "AUC %")
    assert tables.results(compared).rows[0][2] == "65.0 ± 7.1 [60.0, 70.0]"
    (grid,) = classes(compared)
    assert grid.title == "average precision of each class, %"
    assert [row[1] for row in grid.rows] == ["-", "-", "-", "65.0"]
    assert page(compared, {}).count("mAP") >= 3
    assert not [note for note in notes(compared) if "an accuracy of" in note]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"labels": "abc"}, "labels is 'abc' (a str). It takes a list, each a str"),
        ({"test": {}}, "'confusion' is missing"),
        ({"fold": 3.5}, "fold is 3.5 (a float). It takes an int or a str or None. As text: '3.5'"),
        ({"epochs": 0}, "epochs is 0. It takes an int, at least 1"),
    ],
)
def test_results_that_mixkit_did_not_write(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    good = fake_run(tmp_path / "good", fake_results(0, 0.8))
    bad = fake_run(tmp_path / "bad", {**fake_results(1, 0.8), **change})
    compared = compare_arms(gather([good, bad]))
    message = f"{bad}/results.json is not what mixkit wrote ({reason}). Leave the run out, or train it again."
    assert [(entry.state, entry.error) for entry in compared.by_arm.entries] == [("done", None), ("damaged", message)]
    assert compared.rows[0].figures["accuracy"] is not None
    assert compared.rows[0].figures["accuracy"].count == 1


def test_what_is_no_result_at_all(tmp_path: Path, study: Path) -> None:
    bad = fake_run(tmp_path / "bad", fake_results(0, 0.8))
    for content in (b"", b"[1]", b'{"labels": ["a"], "test": 3}', b"[" * 100_000, b'{"labels": NaN}', b"\xff\xfe"):
        (bad / "results.json").write_bytes(content)
        with pytest.raises(
            RunError, match=r"^none of these runs has figures: .*results\.json is not what mixkit wrote"
        ):
            gather([bad])
    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    (copy / "study.json").write_text("{}")
    with pytest.raises(DamagedError):
        gather([copy])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(RunError) as caught:
        gather([empty])
    assert str(caught.value) == f"{empty} is no run: it has no recipe.gin."
