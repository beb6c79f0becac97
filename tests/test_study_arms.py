"""Arms: derived or written, each an edit of the data and lines that a user can type, each run known by its recipe."""

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mixkit.errors import RunError
from mixkit.recipe import catalog
from mixkit.recipe.faults import RecipeError
from mixkit.recipe.gin_file import load_recipe
from mixkit.recipe.identity import what
from mixkit.recipe.schema import Recipe
from mixkit.recipe.writer import to_gin
from mixkit.study.definition import Study, drops, swaps
from mixkit.study.edits import operators_of
from mixkit.study.plan import Plan, plan

TASK = "recipe.task = @task.demo()\nmodel.width = 16\n"


def planned(tmp_path: Path, **changes: object) -> Plan:
    parts = not {"arms", "edits"} & changes.keys()
    return plan(Study("x", **{"base": "asm_rh", "seeds": (0,), "parts": parts, **changes}), tmp_path)  # type: ignore[arg-type]


def typed(command: str) -> Recipe:
    """The recipe of a `mixkit train` command."""
    mixkit, train, base, *rest = shlex.split(command)
    assert (mixkit, train) == ("mixkit", "train")
    options = list(zip(rest[::2], rest[1::2], strict=True))
    lines = [value for option, value in options if option == "--set"]
    lines += [f"train.seed = {value}" for option, value in options if option == "--seed"]
    recipe = load_recipe(base, [value for option, value in options if option == "--with"], lines)
    folds = [f"task.{recipe.task.name}.fold = {value}" for option, value in options if option == "--fold"]
    return load_recipe(base, [value for option, value in options if option == "--with"], [*lines, *folds])


def branches(recipe: Recipe) -> list[list[str]]:
    return [[spec.name for spec in b.operators] for block in recipe.model.pattern for b in block.branches]


def found(plan: Plan) -> dict[str, list[list[str]]]:
    return {trial.arm: branches(typed(trial.command)) for trial in plan.record.trials}


ALONE = {name for name in catalog.names() if len(operators_of(load_recipe(name).model)) < 2}


@pytest.mark.parametrize("name", sorted(ALONE))
def test_a_recipe_of_one_operator_or_none_has_nothing_to_leave_out(tmp_path: Path, name: str) -> None:
    made = planned(tmp_path, base=name)
    assert [arm.name for arm in made.record.arms] == [name]
    assert made.notes == (f"{name} has no operator that can be left out or replaced: it is trained by itself.",)


@pytest.mark.parametrize("name", sorted({*catalog.names()} - ALONE))
def test_every_row_can_be_made_by_hand(tmp_path: Path, name: str) -> None:
    made = planned(tmp_path, base=name, seeds=(0, 3))
    assert len(made.record.trials) == 2 * len(made.record.arms) >= 4
    for trial in made.record.trials:
        recipe = typed(trial.command)
        assert recipe.train.seed == trial.seed
        assert made.runs[trial.folder.name].recipe == to_gin(recipe)
        elsewhere = replace(recipe, train=replace(recipe.train, workers=3))  # another way to carry out the same run
        for same in (recipe, elsewhere):
            assert trial.folder.name == hashlib.sha256(what(to_gin(same), where=True).encode()).hexdigest()[:16]


def test_a_plain_recipe_is_compared_with_its_parts_left_out_and_with_the_mixer(tmp_path: Path) -> None:
    hermit, roll, token, channel = ["hermit_frequency"], ["roll_time"], ["token"], ["channel"]
    made = planned(tmp_path)
    assert found(made) == {
        "asm_rh": [hermit, roll],
        "without hermit_frequency": [roll],
        "without roll_time": [hermit],
        "roll_time -> channel": [hermit, channel],
        "hermit_frequency -> token": [token, roll],
        "roll_time -> channel, hermit_frequency -> token": [token, channel],
    }
    assert (made.record.base, made.runs.keys()) == ("asm_rh", {trial.folder.name for trial in made.record.trials})


def test_an_operator_leaves_a_row_and_a_branch_that_is_empty_goes(tmp_path: Path) -> None:
    path = tmp_path / "rows.gin"
    path.write_text(
        TASK + "block.branches = [[@operator.shift(), @operator.channel()], @operator.token(), %LAST]\n"
        "LAST = @operator.channel()\n"
    )
    made = found(planned(tmp_path, base=str(path), edits=drops(["channel", "shift", "token"])))
    assert made["without channel"] == [["shift"], ["token"]]
    assert made["without shift"] == [["channel"], ["token"], ["channel"]]
    assert made["without token"] == [["shift", "channel"], ["channel"]]


SCOPED = """
model.pattern = [@wide/block(), @narrow/block()]
wide/block.branches = [@wide/operator.channel(), @operator.token()]
wide/block.layer_scale = 0.1
narrow/block.branches = [@bare/branch(), @operator.channel()]
bare/branch.operators = [@operator.shift(), @operator.token()]
bare/branch.norm = 'none'
bare/branch.norm_place = 'post'
narrow/block.residual = True
wide/operator.channel.expansion = 8.0
operator.channel.expansion = 2.0
operator.roll_time.groups = 4
"""


def test_settings_of_what_stays_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "scoped.gin"
    path.write_text(TASK + SCOPED.replace("operator.roll_time.groups = 4\n", ""))
    (tmp_path / "roll.gin").write_text("operator.roll_time.groups = 4\n")
    made = planned(
        tmp_path,
        base=str(path),
        layers=("roll",),
        edits={**drops(["token"]), **swaps({"shift": ["roll_time"]})},
    )
    recipes = {trial.arm: typed(trial.command) for trial in made.record.trials}
    assert branches(recipes["without token"]) == [["channel"], ["shift"], ["channel"]]
    for recipe in recipes.values():
        wide, narrow = recipe.model.pattern
        assert (wide.layer_scale, narrow.layer_scale) == (0.1, None)
        assert wide.branches[0].operators[0].params["expansion"] == 8.0
        assert narrow.branches[1].operators[0].params["expansion"] == 2.0
        assert (narrow.branches[0].norm, narrow.branches[1].norm) == ("none", "layer")
        assert (narrow.branches[0].norm_place, narrow.branches[1].norm_place) == ("post", "pre")
        assert (wide.residual, narrow.residual) == (False, True)
    exchanged = recipes["shift -> roll_time"].model.pattern[1].branches[0]
    assert [spec.name for spec in exchanged.operators] == ["roll_time", "token"]
    assert exchanged.operators[0].params["groups"] == 4  # as the recipe has it, not the default


def test_an_arm_that_is_the_base_gives_it_its_name(tmp_path: Path) -> None:
    made = planned(tmp_path, arms={"B": ("train.epochs = 2",), "A": (), "again": ("train.steps = 'auto'",)})
    assert [arm.name for arm in made.record.arms] == ["B", "A"]
    assert made.record.base == "A"
    assert made.notes == ("Arm 'again' comes to the same recipe as 'A': it is left out.",)


def test_arms_that_differ_in_the_seed_only_are_one(tmp_path: Path) -> None:
    made = planned(tmp_path, arms={"A": ("train.seed = 5",), "B": ("train.epochs = 2",)})
    assert [arm.name for arm in made.record.arms] == ["A", "B"]


def test_the_name_of_an_arm_is_no_part_of_its_run(tmp_path: Path) -> None:
    one = planned(tmp_path, arms={"one": ("train.epochs = 2",)})
    other = planned(tmp_path, arms={"other": ("train.epochs = 2",)}, seeds=(0, 1))
    assert one.runs.keys() < other.runs.keys()


def test_a_line_for_all_is_left_out_where_nothing_uses_it(tmp_path: Path) -> None:
    line = "operator.roll_time.groups = 8"
    made = planned(tmp_path, added=(line, "model.depth = 1"), edits=drops(["roll_time", "hermit_frequency"]))
    commands = {trial.arm: trial.command for trial in made.record.trials}
    assert [line in command for command in commands.values()] == [True, False, True]
    assert all("model.depth = 1" in command for command in commands.values())


def test_a_quick_look_is_one_seed_and_few_epochs_and_says_so(tmp_path: Path) -> None:
    made = plan(Study("x", "asm_rh", parts=True), tmp_path, quick=True)
    assert made.record.quick
    assert {trial.seed for trial in made.record.trials} == {0}
    assert {typed(trial.command).train.epochs for trial in made.record.trials} == {4}
    short = plan(Study("x", "asm_rh", added=("train.epochs = 2",), parts=True), tmp_path, quick=True)
    assert {(run.length, run.unit) for run in short.runs.values()} == {(2, "epoch")}
    assert not plan(Study("x", "asm_rh", parts=True), tmp_path).record.quick


def folds_of(made: Plan) -> list[tuple[int, int | None]]:
    return [(trial.seed, trial.fold) for trial in made.record.trials if trial.arm == made.record.base]


@pytest.mark.parametrize(
    ("folds", "wanted"),
    [("all", [1, 2, 3, 4]), ((2, 3), [2, 3]), (None, [None])],
)
def test_each_fold_is_a_run(tmp_path: Path, folds: Sequence[int] | str | None, wanted: list[int | None]) -> None:
    made = planned(tmp_path, layers=("task/casia",), folds=folds, seeds=(0, 1), arms={"A": ("model.depth = 1",)})
    assert folds_of(made) == [(seed, fold) for seed in (0, 1) for fold in wanted]
    for trial in made.record.trials:
        assert made.runs[trial.folder.name].recipe == to_gin(typed(trial.command))
        assert typed(trial.command).task.params["fold"] == (trial.fold or 1)


def test_folds_that_a_task_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        planned(tmp_path, layers=("task/casia",), folds=(1, 5))
    assert str(caught.value) == "fold 5 was asked for, and task casia has none of that name. It has: 1, 2, 3, 4."
    with pytest.raises(RunError) as caught:
        planned(tmp_path, folds="all")
    assert str(caught.value) == (
        "task demo has no folds: its clips are divided once. Leave study.folds and --folds out. "
        "Tasks with folds: casia, esc50, folder, ravdess, urbansound8k."
    )


def test_a_study_of_another_task_is_tried_on_one_without_folds(tmp_path: Path) -> None:
    lines = ("task.casia.protocol = 'paper-random'", "train.epochs = 3")
    study = Study("x", "asm_rh", ("task/casia",), lines, seeds=(0, 1), folds="all", edits=drops(["roll_time"]))
    assert len(plan(study, tmp_path).record.trials) == 2 * 2 * 10
    made = plan(replace(study, added_layers=("task/demo",)), tmp_path)
    assert folds_of(made) == [(0, None), (1, None)]
    assert made.notes == ("The task has no folds: each arm is run once for each seed.",)
    assert made.record.layers == ("task/casia", "task/demo")
    for trial in made.record.trials:
        assert made.runs[trial.folder.name].recipe == to_gin(typed(trial.command))
        assert "paper-random" not in trial.command
    with pytest.raises(RecipeError) as caught:
        plan(replace(study, added_layers=("task/demo",), added=("task.casia.fold = 2",)), tmp_path)
    assert str(caught.value).startswith('--set "task.casia.fold = 2": nothing uses task.casia.fold.')


@pytest.mark.parametrize("changes", [{"arms": {"A": ()}}, {"parts": False}], ids=["written", "none"])
def test_a_study_of_one_arm_is_one_recipe_over_seeds_and_folds(tmp_path: Path, changes: dict[str, object]) -> None:
    made = planned(tmp_path, layers=("task/casia",), seeds=(0, 3), folds=(1, 2), **changes)
    assert [arm.name for arm in made.record.arms] == ["A" if "arms" in changes else "asm_rh"]
    assert folds_of(made) == [(0, 1), (0, 2), (3, 1), (3, 2)]
    for trial in made.record.trials:
        assert made.runs[trial.folder.name].recipe == to_gin(typed(trial.command))


def test_what_cannot_be_run(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        planned(tmp_path, seeds=tuple(range(6000)), arms={"A": ("train.epochs = 2",)})
    assert str(caught.value) == "x has more than 10,000 runs. Name fewer arms, seeds or folds."
