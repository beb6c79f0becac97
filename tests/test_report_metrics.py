"""Figures beside accuracy and AUC, and conditions beside the recipe: in every output, and in no way silent."""

import csv
import hashlib
import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from mixkit.cli.views.comparison import show
from mixkit.cli.views.terminal import stdout
from mixkit.report import formats, plots, tables, write
from mixkit.report.captions import notes, summary
from mixkit.report.comparison import Comparison, compare_arms
from mixkit.report.differences import differing
from mixkit.report.runs_by_arm import gather
from mixkit.report.statistics import holm
from tests.fake_runs import fake_results, fake_run, fake_study

ARMS = {
    "ASM-RH": lambda seed: 0.85 + 0.025 * seed,
    "ASM-H": lambda seed: 0.8 + 0.025 * (seed % 2),
    "shift": lambda _: 0.9,
}
QUICK = "quick: a short study to see that everything works. Its figures prove nothing."


def with_metrics(folder: Path, quick: bool = False) -> Path:
    """A study whose recipes ask for two metrics, one of which the last arm lacks for a seed."""
    value = {"ASM-RH": {"value": {"accuracy": 95.8, "f1": 90.0}}}
    fake_study(folder, ARMS, (0, 1, 2, 3), describe=value, quick=quick)
    for place, _ in enumerate(ARMS):
        for seed in range(4):
            path = folder / "runs" / f"{place}-{seed}" / "results.json"
            results = json.loads(path.read_text())
            results["test"] |= {"balanced": 0.5 + 0.1 * place + 0.03 * seed, "equal_error": 1234.5 + seed}
            if (place, seed) == (2, 3):
                results["test"]["equal_error"] = None
            path.write_text(json.dumps(results))
    return folder


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return compare_arms(gather([with_metrics(tmp_path_factory.mktemp("metrics") / "table_6")]))


def test_metrics_have_a_table_of_their_own(found: Comparison) -> None:
    assert (found.by_arm.further, found.by_arm.metrics) == (("f1", "recall"), ("balanced", "equal_error"))
    assert tables.results(found).columns[2:4] == ("accuracy %", "AUC %")  # which come first, as before
    grid = tables.further(found, ("f1", *found.by_arm.metrics))
    assert grid.rows[0] == ("F1 %", "ASM-RH", "88.8 ± 3.2 [86.2, 91.3]", "base", "-")
    assert grid.rows[3][:4] == ("balanced", "ASM-RH", "0.5450 ± 0.0387 [0.5150, 0.5750]", "base")
    assert grid.rows[4] == (
        "balanced",
        "ASM-H",
        "0.6450 ± 0.0387 [0.6150, 0.6750]",
        "+0.1000 [+0.1000, +0.1000]",
        "0.25",
    )
    assert grid.rows[8] == ("equal_error", "shift", "1,236 ± 1 [1,234, 1,236]", "0 [0, 0]", "1")


def test_they_are_in_every_output(found: Comparison, tmp_path: Path) -> None:
    document = json.loads(formats.to_json(found))
    lines = list(csv.DictReader(io.StringIO(formats.to_csv(found))))
    chances = []
    for arm in document["arms"]:
        own = {line["seed"]: line for line in lines if line["arm"] == arm["arm"]}
        for metric in ("balanced", "equal_error"):
            values = [float(line[f"metric_{metric}"]) for line in own.values() if line[f"metric_{metric}"]]
            said = arm["metrics"][metric]["mean"]
            assert (said["count"], said["mean"]) == (len(values), pytest.approx(np.mean(values)))
        assert arm["f1"]["mean"] == pytest.approx(np.mean([float(line["f1"]) for line in own.values()]))
        if arm["arm"] != "ASM-RH":
            chances.append(arm["metrics"]["balanced"]["difference"])
    assert [one["adjusted"] for one in chances] == holm([one["p"] for one in chances])
    assert [line["metric_equal_error"] for line in lines].count("") == 1
    page, _ = write.report([with_metrics(tmp_path / "table_6")], errors=0)
    for name in ("report.html", "table.md", "table.tex"):
        text = (page.parent / name).read_text().replace("\\_", "_")
        assert "equal_error" in text, name
        assert "0.6450 ± 0.0387" in text or r"0.6450 $\pm$ 0.0387" in text, name
    plain = write.to_markdown(compare_arms(gather([fake_study(tmp_path / "plain", ARMS)])))
    assert "equal" not in plain  # the control


def test_the_papers_f1_stands_beside_ours(found: Comparison) -> None:
    assert [row[2:] for row in tables.paper(found).rows] == [
        ("accuracy", "95.80", "88.75", "−7.05"),
        ("F1", "90.00", "88.75", "−1.25"),
    ]
    line = next(csv.DictReader(io.StringIO(formats.to_csv(found))))
    assert (line["paper_accuracy"], line["paper_f1"], line["paper_auc"]) == ("95.8", "90.0", "")


def terminal(found: Comparison) -> str:
    """What a terminal of 80 columns shows that knows no colours."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as shown:
        patch.setenv("TERM", "dumb")
        patch.setenv("FORCE_COLOR", "1")
        assert stdout().is_terminal
        show(found)
    return shown.getvalue()


def test_eighty_columns_lose_nothing(tmp_path: Path) -> None:
    arms = {
        "an arm with a long name " + "x" * 50: lambda seed: 0.8 + 0.025 * seed,
        "roll_time -> channel": lambda _: 1.0,
    }
    folder = fake_study(tmp_path / "long", arms, describe={"roll_time -> channel": {"value": {"accuracy": 95.8}}})
    for place in range(2):
        for seed in range(3):
            path = folder / "runs" / f"{place}-{seed}" / "results.json"
            results = json.loads(path.read_text())
            results["test"]["a_metric_with_a_name_of_some_length"] = 0.25 * seed
            path.write_text(json.dumps(results))
    text = terminal(compare_arms(gather([folder])))
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for part in ("82.5 ± 2.5", "[80.0, 85.0]", "[+15.0, +20.0]", "0.2500 ± 0.2500", "[0.0000, 0.5000]", "413 k"):
        assert part in text, part  # no number is folded
    assert "".join(text.split()).count("x" * 50) == 4  # in three tables and a sentence: folded, and whole


def test_quick_is_marked_in_every_output(tmp_path: Path) -> None:
    folder = with_metrics(tmp_path / "fast", quick=True)
    page, found = write.report([folder], errors=0)
    others = {path.name: path.read_text() for path in page.parent.iterdir() if path.suffix in (".html", ".md", ".json")}
    assert set(others) == {"report.html", "table.md", "answer.json"}
    for name, text in others.items():
        assert QUICK in text, name
    tex = (page.parent / "table.tex").read_text()
    assert tex.count(r"\caption{") == tex.count(QUICK) == 3
    assert {line["quick"] for line in csv.DictReader(io.StringIO((page.parent / "runs.csv").read_text()))} == {"True"}
    assert QUICK in " ".join(terminal(found).split())
    for draw in (plots.forest, plots.against_cost):
        for width in (plots.WIDE, plots.NARROW):
            assert QUICK in _title(draw(found, width))
    slow = compare_arms(gather([with_metrics(tmp_path / "slow")]))
    assert QUICK not in terminal(slow) + write.to_markdown(slow) + _title(plots.forest(slow))  # the control


def _title(figure: Figure) -> str:
    return " ".join(figure.get_suptitle().split())


def test_the_answer_in_a_sentence(found: Comparison, tmp_path: Path) -> None:
    assert summary(found) == "None of 2 arms can be told from ASM-RH by accuracy: 4 pairs of runs leave chance open."
    arms = {"base": lambda seed: 0.8 + 0.025 * (seed % 3), "worse": lambda seed: 0.6 + 0.025 * (seed % 2)}
    long = compare_arms(gather([fake_study(tmp_path / "long", arms, tuple(range(7)))]))
    mean = np.mean([100 * (arms["worse"](seed) - arms["base"](seed)) for seed in range(7)])
    assert summary(long) == (
        f"1 of 1 arm differs from base in accuracy by more than chance, in points: worse (−{-mean:.1f})."
    )
    short = compare_arms(gather([fake_study(tmp_path / "short", arms, (0,))]))
    assert summary(short) == "worse cannot be told from base by accuracy: 1 pair of runs leaves chance open."
    lost = compare_arms(gather([fake_study(tmp_path / "lost", arms, (0,), failed=(("worse", 0),))]))
    assert summary(lost) == "Nothing can be compared with base: no run is paired with one of it."
    alone = compare_arms(gather([fake_run(tmp_path / "alone", fake_results())]))
    assert summary(alone) == ""
    assert json.loads(formats.to_json(found))["answer"] == summary(found)


def changed(run: Path, **facts: object) -> None:
    path = run / "environment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


def test_conditions_that_differ_are_told(tmp_path: Path) -> None:
    folder = fake_study(tmp_path / "mixed", ARMS)
    runs = folder / "runs"
    assert differing(gather([folder]).entries) is None
    changed(runs / "0-0", mixkit="0.0.9", conditions={"data": "a" * 64, "threads": 4})
    changed(runs / "0-1", conditions={"data": "b" * 64})
    for name, code in (("1-0", "x = 1"), ("1-1", "x = 2")):
        (runs / name / "plugins").mkdir()
        (runs / name / "plugins" / "mine.py").write_text(code)
    said = differing(gather([folder]).entries)
    codes = [hashlib.sha256(text.encode()).hexdigest()[:12] for text in ("x = 1", "x = 2")]
    assert said == (
        "Runs differ in more than arm, seed and fold, and figures may for that reason, too: mixkit 0.1.0 (8), "
        "0.0.9 (1); threads 1 (8), 4 (1); recordings aaaaaaaaaaaa (1), bbbbbbbbbbbb (1); "
        f"plugin mine.py {codes[0]} (1), {codes[1]} (1)."
    )
    assert said in notes(compare_arms(gather([folder])))


def test_recordings_of_other_settings_may_differ(tmp_path: Path) -> None:
    """An arm may change the task; only where that is the same have the recordings to be."""
    runs = []
    for number, line in enumerate(("task.demo.clips = 8", "task.demo.clips = 9")):
        runs.append(fake_run(tmp_path / str(number), fake_results(number), settings=(line,)))
        changed(runs[-1], conditions={"data": str(number) * 64})
    assert differing(gather(runs).entries) is None
