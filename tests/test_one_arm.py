"""One recipe over seeds and folds, a study of one arm: what is asked for, and what it comes to."""

import re
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

from mixkit.report import tables, write
from mixkit.report.details import confusion
from mixkit.study.definition import Study
from mixkit.study.plan import plan
from mixkit.study.record import Arm, ArmRun, Record, write_study
from tests.conftest import Said
from tests.fake_runs import LABELS, fake_results, fake_run

Command = Callable[..., Said]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Collects what `mixkit train` would carry out, in the place of doing it."""
    found: list[tuple[Any, ...]] = []
    monkeypatch.setattr("mixkit.cli.commands.train.carry_out", lambda *given, **how: found.append((*given, how)))
    return found


CASIA = ("train", "asm_rh", "--with", "task/casia")


@pytest.mark.parametrize(
    ("words", "seeds", "folds"),
    [
        (("--seeds", "0,3", "--folds", "all"), (0, 3), [1, 2, 3, 4]),
        (("--folds", "2,3"), (0,), [2, 3]),
        (("--folds", "all", "--seed", "7"), (7,), [1, 2, 3, 4]),
        (("--folds", "2,1", "--set", "train.seed = 5"), (5,), [1, 2]),
        (("--seeds", "4,1"), (1, 4), [None]),
        (("--seeds", "1,2", "--fold", "3"), (1, 2), [3]),
    ],
)
def test_what_is_asked_for(
    mixkit_command: Command,
    asked: list[tuple[Any, ...]],
    tmp_path: Path,
    words: tuple[str, ...],
    seeds: tuple[int, ...],
    folds: list[int | None],
) -> None:
    said = mixkit_command(*CASIA, *words, "--jobs", 2, "--device", "cpu")
    assert (said.code, said.err) == (0, "")
    study, runs, name, plugins, loaded, how = asked[0]
    assert isinstance(study, Study)
    assert (runs, name, plugins, loaded) == (Path("runs"), "asm_rh-casia-runs", (), ())
    assert how == {"jobs": 2, "device": "cpu", "allow_changes": False}
    made = plan(study, tmp_path)
    assert [arm.name for arm in made.record.arms] == ["asm_rh"]
    assert [(trial.seed, trial.fold) for trial in made.record.trials] == [(s, f) for s in seeds for f in folds]


DEMO = "task demo has no folds: its clips are divided once. Leave {what} out. Tasks with folds: casia, esc50, folder, "
DEMO += "ravdess, urbansound8k.\n"
SEVERAL = " is of one run, and --seeds or --folds make several. Leave one of them out.\n"
MISTAKES = {
    "folds of a task without": (("asm_rh", "--folds", "all"), DEMO.format(what="study.folds and --folds")),
    "a fold of a task without": (("asm_rh", "--fold", "1"), DEMO.format(what="--fold")),
    "a run that goes on": (("asm_rh", "--folds", "all", "--resume", "auto"), f"--resume{SEVERAL}"),
    "a dry run": (("asm_rh", "--seeds", "1", "--dry-run"), f"--dry-run{SEVERAL}"),
    "a seed beside seeds": (("asm_rh", "--seeds", "1", "--seed", "0"), f"--seed{SEVERAL}"),
    "a fold beside folds": (("asm_rh", "--folds", "1", "--fold", "0"), f"--fold{SEVERAL}"),
    "no seeds": (("asm_rh", "--seeds", "a"), "--seeds is 'a'. It takes numbers, such as 0,1,2.\n"),
    "jobs of one run": (
        ("asm_rh", "--jobs", "2"),
        "--jobs is for several runs. Name them by --seeds or --folds, or leave it out.\n",
    ),
}


@pytest.mark.parametrize(("words", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_before_anything_is_written(
    mixkit_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    said = mixkit_command("train", *words)
    assert (said.code, said.out, said.err) == (2, "", f"error: {message}")
    assert list(tmp_path.iterdir()) == []


def test_folds_of_recordings_that_say_none(mixkit_command: Command, tones: Path) -> None:
    root = f"task.folder.root = {str(tones)!r}"
    said = mixkit_command("train", "asm_rh", "--with", "task/folder", "--set", root, "--folds", "all")
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        "error: nothing says in which fold a clip of task folder is. Name it in the pattern, (?P<fold>...), or in a "
        "column of the table; or test each group in turn: --set \"task.folder.folds = 'groups'\". Or leave study.folds "
        "and --folds out.\n"
    )


SHARES = {(0, 1): 0.8, (0, 2): 0.6, (0, 10): 0.9, (1, 1): 0.85, (1, 2): 0.7, (1, 10): 0.95}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One arm, two seeds, three folds."""
    folder = tmp_path_factory.mktemp("studies") / "asm_rh-runs"
    trials = []
    for number, ((seed, fold), share) in enumerate(SHARES.items()):
        run = folder / "runs" / str(number)
        fake_run(run, fake_results(number, share, protocol=f"group {fold} of 3", fold=fold, task="folder"))
        trials.append(ArmRun("asm_rh", seed, fold, run, "done", None, f"mixkit train asm_rh --fold {fold}"))
    write_study(Record("asm_rh-runs", folder, "asm_rh", (), (), "asm_rh", (Arm("asm_rh", ()),), tuple(trials), False))
    return folder


def test_mean_deviation_folds_and_the_pooled_confusion(study: Path) -> None:
    found = write.compare([study])
    (row,) = tables.figures(found).rows
    mean, spread = 100 * fmean(SHARES.values()), 100 * stdev(SHARES.values())
    assert row[2].startswith(f"{mean:.1f} ± {spread:.1f} [")
    assert tables.figures(found).columns == ("arm", "runs", "accuracy %", "AUC %")
    assert tables.further(found, ("recall",)).columns == ("figure", "arm", "mean")
    folds = tables.folds(found)
    assert folds.columns == ("fold", "accuracy %")
    assert [fold for fold, _ in folds.rows] == ["1", "2", "10"]
    assert folds.rows[1][1] == f"65.0 ± {100 * stdev([0.6, 0.7]):.1f}"
    pooled = confusion(found.by_arm.base)
    assert pooled is not None
    assert (pooled.runs, pooled.clips) == (6, 240)
    assert pooled.right == round(sum(SHARES.values()) * 40)


def test_folds_are_no_table_where_there_is_one(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "one", fake_results(0, 0.8, fold=1))
    assert tables.folds(write.compare([run])).rows == ()


def test_the_terminal_has_all_of_it(mixkit_command: Command, study: Path) -> None:
    text = mixkit_command("compare", study).out
    assert text.startswith(
        "asm_rh-runs on folder (each of 3 groups): 6 runs, 1 arm, 2 seeds, 3 folds; 40 test clips a run. "
    )
    assert "difference" not in text
    assert "fold by fold" in text
    assert "confusion over 6 runs: 192 of 240 clips right, 80.0%\n" in text
    rows = re.findall(r"^(\d \w+)((?: +(?:\d+|\.)){4})$", text, re.M)
    assert [name for name, _ in rows] == [f"{number} {label}" for number, label in enumerate(LABELS, 1)]
    counts = [[int(count.replace(".", "0")) for count in row.split()] for _, row in rows]
    assert sum(counts[at][at] for at in range(4)) == 192
    assert sum(map(sum, counts)) == 240


def test_the_page_has_all_of_it(study: Path, tmp_path: Path) -> None:
    page, _ = write.report([study], tmp_path, errors=0)
    text = page.read_text()
    assert "<h3>Fold by fold</h3>" in text
    assert "6 runs added up: 192 of 240 right, 80.0 %." in text
    assert "above the base" not in text
    assert "## fold by fold" in (tmp_path / "table.md").read_text()
