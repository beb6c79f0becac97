"""Every figure of every table computed again from runs.csv alone, by other code: the text of the file, numpy, scipy."""

import csv
import io
import itertools
import json
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from mixkit.report import formats, tables
from mixkit.report.comparison import Comparison, compare_arms
from mixkit.report.runs_by_arm import gather
from tests.fake_runs import fake_results, fake_run, fake_study

ARMS = {
    "ASM-RH": lambda seed: 0.85 + 0.025 * (seed % 3),
    "ASM-H": lambda seed: 0.75 + 0.025 * (seed % 2),
    "shift": lambda _: 0.9,
}
Line = dict[str, str]


class Again:
    """The tables, from the lines of a CSV file."""

    def __init__(self, text: str):
        self.lines = list(csv.DictReader(io.StringIO(text)))
        self.arms = list(dict.fromkeys(line["arm"] for line in self.lines))
        self.base = next(line["arm"] for line in self.lines if line["base"] == "True")

    def done(self, arm: str) -> list[Line]:
        return [line for line in self.lines if line["arm"] == arm and line["state"] == "done"]

    def values(self, arm: str, figure: str) -> dict[tuple[str, str], float]:
        return {(line["seed"], line["fold"]): float(line[figure]) for line in self.done(arm) if line[figure]}

    def pairs(self, arm: str, figure: str) -> list[float]:
        ours, theirs = self.values(arm, figure), self.values(self.base, figure)
        return [ours[key] - theirs[key] for key in ours if key in theirs]

    def mean(self, arm: str, figure: str) -> str:
        values = np.array([*self.values(arm, figure).values()])
        low, high = interval(values)
        return f"{100 * values.mean():.1f} ± {100 * values.std(ddof=1):.1f} [{100 * low:.1f}, {100 * high:.1f}]"

    def less(self, arm: str, figure: str) -> str:
        pairs = np.array(self.pairs(arm, figure))
        return "{} [{}, {}]".format(*(signed(100 * value) for value in (pairs.mean(), *interval(pairs))))

    def p(self, arm: str, figure: str) -> float:
        """Every way to give the pairs signs, counted."""
        pairs = np.array(self.pairs(arm, figure))
        sums = np.array([np.dot(signs, pairs) for signs in itertools.product((1, -1), repeat=len(pairs))])
        tails = (sums >= pairs.sum() - 1e-9).mean(), (sums <= pairs.sum() + 1e-9).mean()
        return min(1.0, 2 * min(tails))

    def holm(self, figure: str) -> dict[str, float]:
        others = sorted((arm for arm in self.arms if arm != self.base), key=lambda arm: self.p(arm, figure))
        steps = [(len(others) - place) * self.p(arm, figure) for place, arm in enumerate(others)]
        return {arm: min(1.0, max(steps[: place + 1])) for place, arm in enumerate(others)}


def interval(values: Any) -> tuple[float, float]:
    if np.ptp(values) == 0:
        return values[0], values[0]
    options = {"method": "percentile", "n_resamples": 9_999, "random_state": np.random.default_rng(0)}
    found = stats.bootstrap((values,), np.mean, **options).confidence_interval
    return found.low, found.high


def signed(value: float) -> str:
    written = f"{value:+.1f}"
    return "0.0" if float(written) == 0 else written.replace("-", "−")


def three(value: float) -> str:
    """Three figures and a unit."""
    power = int(math.log10(value) // 3)
    return f"{value / 1000**power:.3g} {' kMGT'[power]}".strip()


def two(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


@pytest.fixture(scope="module", params=["seeds", "folds"])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("again")
    if request.param == "seeds":
        made = fake_study(folder / "study", ARMS, tuple(range(7)), failed=(("shift", 1), ("ASM-RH", 3)))
        return compare_arms(gather([made]), lambda arm: 1.5e8 + len(arm.name))
    runs = []
    for recipe, gain in (("asm_rh", 0.0), ("mlp_mixer", -0.1)):
        for seed, fold in itertools.product((0, 1), (1, 2, 3)):
            results = fake_results(seed, 0.7 + 0.05 * fold + gain + 0.025 * seed, fold=fold, recipe=recipe)
            runs.append(fake_run(folder / f"{recipe}-{seed}-{fold}", results, recipe))
    return compare_arms(gather(runs), lambda _: 2.5e6)


def test_results_and_cost(found: Comparison) -> None:
    again = Again(formats.to_csv(found))
    adjusted = again.holm("accuracy")
    rows = []
    for arm in again.arms:
        done = again.done(arm)
        planned = sum(line["arm"] == arm for line in again.lines)
        is_base = arm == again.base
        rows.append(
            (
                arm,
                str(planned) if len(done) == planned else f"{len(done)} of {planned}",
                again.mean(arm, "accuracy"),
                again.mean(arm, "auc"),
                "base" if is_base else again.less(arm, "accuracy"),
                "-" if is_base else two(adjusted[arm]),
                three(float(done[0]["parameters"])),
                three(float(done[0]["flops"])),
                f"{statistics.median(float(line['clips_per_second']) for line in done):,.0f}",
                "-",
                f"{statistics.mean(float(line['seconds']) for line in done):.0f} s",
            )
        )
    assert tables.results(found).rows == tuple(rows)
    assert len(rows) == len(found.rows) >= 2


def test_differences_and_further_figures(found: Comparison) -> None:
    again = Again(formats.to_csv(found))
    others = [arm for arm in again.arms if arm != again.base]
    rows = []
    for arm in others:
        cells = [arm, str(len(again.pairs(arm, "accuracy")))]
        for figure in ("accuracy", "auc"):
            cells += [again.less(arm, figure), two(again.p(arm, figure)), two(again.holm(figure)[arm])]
        rows.append(tuple(cells))
    assert tables.differences(found).rows == tuple(rows)
    assert tables.further(found, ("f1",)).rows == tuple(
        ("F1 %", arm, again.mean(arm, "f1"), *(("base", "-") if arm == again.base else _last(again, arm)))
        for arm in again.arms
    )


def _last(again: Again, arm: str) -> tuple[str, str]:
    return again.less(arm, "f1"), two(again.holm("f1")[arm])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda line: line.update(accuracy=str(float(line["accuracy"]) - 0.025)),
        lambda line: line.update(seed="99"),
        lambda line: line.update(state="failed"),
    ],
    ids=["another figure", "another seed", "a run less"],
)
def test_a_line_that_is_another_makes_other_tables(found: Comparison, spoil: Callable[[Line], None]) -> None:
    """The control of those above: they would see it."""
    again = Again(formats.to_csv(found))
    arm = again.arms[1]

    def told() -> tuple[object, ...]:
        pairs = again.pairs(arm, "accuracy")
        return again.mean(arm, "accuracy"), again.less(arm, "accuracy"), len(pairs), len(again.done(arm))

    before = told()
    spoil(again.done(arm)[-1])
    assert told() != before


def test_the_json_has_the_same_unrounded(found: Comparison) -> None:
    again = Again(formats.to_csv(found))
    for arm in json.loads(formats.to_json(found))["arms"]:
        for figure in ("accuracy", "auc", "f1", "recall"):
            values = [*again.values(arm["arm"], figure).values()]
            said = arm[figure]
            assert (said["count"], said["mean"]) == (len(values), pytest.approx(statistics.fmean(values), abs=1e-12))
            assert (said["low"], said["high"]) == pytest.approx(interval(np.array(values)), abs=1e-12)
            if arm["arm"] != again.base:
                less = arm[f"{figure}_difference"]
                assert less["each"] == pytest.approx(again.pairs(arm["arm"], figure), abs=1e-12)
                assert less["p"] == pytest.approx(again.p(arm["arm"], figure))
                assert less["adjusted"] == pytest.approx(again.holm(figure)[arm["arm"]])


def test_a_study_on_disk_is_the_csv_that_is_written(tmp_path: Path) -> None:
    """Times and parameters that the CSV names are those of the run folders."""
    folder = fake_study(tmp_path / "study", ARMS, (0, 1))
    for line in Again(formats.to_csv(compare_arms(gather([folder])))).lines:
        run = Path(line["folder"])
        results = json.loads((run / "results.json").read_text())
        times = [json.loads(text) for text in (run / "times.jsonl").read_text().splitlines()]
        assert float(line["accuracy"]) == pytest.approx(results["test"]["accuracy"], abs=1e-7)
        assert int(line["parameters"]) == results["parameters"]
        assert float(line["seconds"]) == sum(record["seconds"] for record in times)
        assert float(line["clips_per_second"]) == np.median([record["clips_per_second"] for record in times])
