"""`mixkit compare` and `mixkit report`: which runs are an arm, what is printed, what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mixkit.report.runs_by_arm import gather
from tests.conftest import Said
from tests.fake_runs import fake_results, fake_run, fake_study

Command = Callable[..., Said]


def names(*folders: Path) -> list[tuple[str, list[int]]]:
    return [(arm.name, [entry.seed for entry in arm.entries]) for arm in gather(folders).arms]


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [
        fake_run(tmp_path / f"{recipe}_{seed}", fake_results(seed, 0.8 - 0.1 * place, recipe=recipe), recipe)
        for place, recipe in enumerate(("asm_rh", "mlp_mixer"))
        for seed in (0, 1)
    ]


def test_runs_of_one_recipe_are_an_arm(runs: list[Path]) -> None:
    assert names(*runs) == [("asm_rh", [0, 1]), ("mlp_mixer", [0, 1])]
    assert names(*reversed(runs)) == [("mlp_mixer", [1, 0]), ("asm_rh", [1, 0])]  # the first is the base


def test_runs_with_other_settings_are_another_arm_and_say_which(tmp_path: Path) -> None:
    plain = fake_run(tmp_path / "plain", fake_results(0, 0.8))
    deep = fake_run(tmp_path / "deep", fake_results(1, 0.8), settings=("model.depth = 8",))
    assert names(plain, deep) == [("asm_rh (model.depth = 4)", [0]), ("asm_rh (model.depth = 8)", [1])]


def test_a_run_of_an_older_mixkit_without_a_setting_of_today_is_no_other_recipe(tmp_path: Path) -> None:
    new = fake_run(tmp_path / "new", fake_results(0, 0.8))
    old = fake_run(tmp_path / "old", fake_results(1, 0.8))
    changed = fake_run(tmp_path / "changed", fake_results(2, 0.8))
    recipe = (old / "recipe.gin").read_text()
    assert "\ntrain.refit = False\n" in recipe
    (old / "recipe.gin").write_text(recipe.replace("\ntrain.refit = False\n", "\n"))
    (changed / "recipe.gin").write_text(recipe.replace("\ntrain.refit = False\n", "\ntrain.refit = True\n"))
    assert names(new, old) == [("asm_rh", [0, 1])]
    assert [seeds for _, seeds in names(new, old, changed)] == [[0, 1], [2]]


def test_a_fold_is_no_other_recipe(tmp_path: Path) -> None:
    one = fake_run(tmp_path / "one", fake_results(0, 0.8, fold=1))
    two = fake_run(tmp_path / "two", fake_results(0, 0.8, fold=2))
    for number, folder in ((1, one), (2, two)):
        recipe = folder / "recipe.gin"
        recipe.write_text(recipe.read_text() + f"task.demo.fold = {number}\n")
    assert names(one, two) == [("asm_rh", [0, 0])]
    assert len(gather([one, two]).arms[0].done) == 2


def test_a_seed_counts_once(tmp_path: Path) -> None:
    one = fake_run(tmp_path / "one", fake_results(0, 0.8))
    again = fake_run(tmp_path / "again", fake_results(0, 0.9))
    (arm,) = gather([one, again]).arms
    assert [entry.state for entry in arm.entries] == ["done", "double"]
    assert arm.entries[1].error == "the same arm, seed and fold as a run before"
    assert list(arm.values("accuracy").values()) == [0.8]


def test_a_run_that_has_not_ended_is_shown(tmp_path: Path, mixkit_command: Command) -> None:
    done = fake_run(tmp_path / "done", fake_results(0, 0.8))
    open_ended = fake_run(tmp_path / "open", fake_results(1, 0.8))
    (open_ended / "results.json").unlink()
    said = mixkit_command("compare", done, open_ended)
    assert said.code == 0
    assert (
        "1 run of 2 without figures, which no mean holds: asm_rh, seed 1: stopped (training has not ended)." in said.out
    )
    assert "1 of 2" in said.out


def test_a_study_and_a_run_beside_it(tmp_path: Path, runs: list[Path]) -> None:
    study = fake_study(tmp_path / "table", {"base": lambda _: 0.8, "less": lambda _: 0.7}, (0, 1))
    assert [name for name, _ in names(study, runs[2])] == ["base", "less", "mlp_mixer"]
    assert [name for name, _ in names(runs[2], study)] == ["mlp_mixer", "base", "less"]
    other = fake_study(tmp_path / "other", {"base": lambda _: 0.8}, (0,))
    assert [name for name, _ in names(study, other)] == ["table: base", "table: less", "other: base"]


def test_what_compare_prints(runs: list[Path], mixkit_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = mixkit_command("compare", *runs)
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].startswith("asm_rh and mlp_mixer on demo (recorders held out): 4 runs, 2 arms, 2 seeds;")
    table = [line for line in lines if line.startswith((" asm_rh", " mlp_mixer"))]
    assert table[0].split() == ["asm_rh", "2", "80.0", "±", "0.0", *table[0].split()[5:8], "base", "-"]
    assert table[1].split()[-2:] == ["−10.0", "0.5"]
    assert table[2].split()[:5] == ["asm_rh", "413", "k", "38.8", "M"]
    assert all(len(line) <= 80 for line in lines if line.startswith(" "))
    assert (
        "- 2 pairs can never give p below 0.5, however large the difference: a p below 0.05 takes 6 pairs" in said.out
    )


def test_compare_as_json(runs: list[Path], mixkit_command: Command) -> None:
    document = json.loads(mixkit_command("compare", *runs, "--json").out)
    assert [(arm["arm"], arm["accuracy"]["mean"]) for arm in document["arms"]] == [("asm_rh", 0.8), ("mlp_mixer", 0.7)]
    assert [run["command"] for run in document["runs"]][1] == "mixkit train asm_rh --set 'train.seed = 1'"


def test_report_says_where_it_wrote(runs: list[Path], tmp_path: Path, mixkit_command: Command) -> None:
    said = mixkit_command("report", runs[0], "--errors", "0")
    assert said.code == 0
    beside = "and beside it table.md, table.tex, runs.csv, answer.json and the figures."
    assert said.out.endswith(f"\nWrote {runs[0]}/report/report.html, {beside}\n")
    assert (runs[0] / "report" / "report.html").is_file()
    (tmp_path / "taken").write_text("")
    refused = mixkit_command("report", runs[0], "--errors", "0", "--out", tmp_path / "taken")
    assert (refused.code, refused.err) == (
        2,
        f"error: {tmp_path}/taken cannot be written: File exists. Free the disk, or name another folder with --out.\n",
    )


def test_what_is_refused(tmp_path: Path, runs: list[Path], mixkit_command: Command) -> None:
    (runs[0] / "results.json").unlink()
    for command in ("compare", "report"):
        for folder, message in (
            (tmp_path / "gone", f"{tmp_path}/gone is no folder. Name a run, such as runs/asm_rh/001."),
            (runs[0], "none of these runs has figures: training has not ended. Name a run that is complete."),
        ):
            said = mixkit_command(command, folder)
            assert (said.code, said.err) == (2, f"error: {message}\n")
