"""How long a run is: in epochs or in updates, said before it begins, and kept to the update."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import mixkit
from mixkit.errors import SettingError
from mixkit.recipe.faults import RecipeError
from mixkit.recipe.gin_file import recipe_from_text
from mixkit.recipe.train import Train
from mixkit.recipe.writer import to_gin
from mixkit.registry import weights
from mixkit.study.definition import Study
from mixkit.study.plan import plan
from mixkit.training.budget import Budget, budget, fixed, in_words, planned, strength
from mixkit.training.display import TrainingDisplay
from mixkit.training.loop import train
from mixkit.training.step import Step
from tests.conftest import Said

Command = Callable[..., Said]

SMALL = (
    "task.demo.clips = 6",
    "task.demo.seconds = 0.5",
    "model.width = 16",
    "model.depth = 1",
    "train.batch_size = 16",
    "train.precision = 'float32'",
)

AS_SET = "Augmentation as it is set, by the number of clips."


def length(*lines: str, base: str = "asm_rh", layers: tuple[str, ...] = ()) -> tuple[int | None, int | None]:
    """What a recipe with these lines over it says: epochs, updates."""
    found = mixkit.load_recipe(base, layers=layers, settings=lines).train
    return found.epochs, found.steps


class Noted(TrainingDisplay):
    """Keeps what is said, and every batch."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.batches: list[tuple[int, int]] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def batch(self, epoch: int, batch: int, loss: float, clips_per_second: float) -> None:
        self.batches.append((epoch, batch))


def test_the_last_word_on_the_length_holds(tmp_path: Path) -> None:
    """Epochs and updates say one thing: who writes the one need not take back the other."""
    assert length() == (None, "auto")
    assert length("train.steps = 500") == (None, 500)
    assert length("train.steps = 500", "train.epochs = 3") == (3, None)
    assert length("train.epochs = 3", "train.steps = 500") == (None, 500)
    assert length("train.steps = None") == (20, None)
    assert length("train.steps = 500", layers=("size/base",)) == (None, 500)
    (tmp_path / "mine.gin").write_text("include 'asm_rh.gin'\ntrain.steps = 700\n")
    mine = str(tmp_path / "mine.gin")
    assert length(base=mine) == (None, 700)
    assert length("train.epochs = 1", base=mine) == (1, None)
    (tmp_path / "short.gin").write_text("train.epochs = 2\n")
    assert length(base=mine, layers=(str(tmp_path / "short.gin"),)) == (2, None)
    sources = mixkit.load_recipe(mine, settings=["train.epochs = 1"]).sources
    assert (sources["train.epochs"], "train.steps" in sources) == ('--set "train.epochs = 1"', False)


def test_both_in_one_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "both.gin").write_text("include 'asm_rh.gin'\ntrain.epochs = 3\ntrain.seed = 1\ntrain.steps = 700\n")
    with pytest.raises(RecipeError) as caught:
        mixkit.load_recipe(str(tmp_path / "both.gin"))
    assert [fault.message for fault in caught.value.faults] == [
        "train.steps says what train.epochs says on line 2. Keep one of the two."
    ]
    with pytest.raises(SettingError) as alone:
        Train(epochs=3, steps=700)
    assert str(alone.value) == (
        "train.steps is 700, and train.epochs is 3: both say how long a run is. Set one of them to None."
    )
    assert (Train().epochs, Train(steps=5).epochs) == (20, None)


@pytest.mark.parametrize("line", ["train.steps = 500", "train.epochs = 3"])
def test_a_resolved_recipe_loads_equal(line: str) -> None:
    recipe = mixkit.load_recipe("asm_rh", settings=[line])
    again = recipe_from_text(to_gin(recipe), "asm_rh")
    assert again == recipe
    over = recipe_from_text(to_gin(recipe), "asm_rh", settings=["train.steps = 9"])
    assert (over.train.epochs, over.train.steps) == (None, 9)


def test_a_budget_by_hand() -> None:
    whole = budget(Train(epochs=3, batch_size=8), 25)
    assert (whole, whole.epochs, str(whole)) == (Budget(12, 4), 3, "12 updates: 3 epochs of 4")
    cut = budget(Train(steps=10, batch_size=8), 25)
    assert (cut.epochs, [cut.of_epoch(n) for n in range(3)], cut.up_to(3)) == (3, [4, 4, 2], 10)
    assert str(cut) == "10 updates: 3 epochs of 4, the last of 2"
    assert str(budget(Train(steps=3, batch_size=8), 25)) == "3 updates: 1 epoch of 3"
    assert str(budget(Train(steps=2000), 32)) == "2,000 updates: 2,000 epochs of 1"


def test_few_updates_are_said_and_what_to_set() -> None:
    few = "140 updates: 20 epochs of 7. Fewer than 1,000 teach a network with fresh weights little: "
    assert in_words(Train(batch_size=16), 110) == few + "set train.steps = 1000 or more (143 epochs)."
    assert in_words(Train(batch_size=16, steps=1000), 110) == "1,000 updates: 143 epochs of 7, the last of 6."
    assert in_words(Train(batch_size=16, init=weights.spec("deit")), 110) == "140 updates: 20 epochs of 7."


def test_check_and_the_dry_run_say_how_many(mixkit_command: Command, tmp_path: Path) -> None:
    lines = [word for line in (*SMALL, "train.steps = 1200") for word in ("--set", line)]
    said = mixkit_command("check", "asm_rh", *lines)
    assert said.out.splitlines()[-1] == "1,200 updates: 400 epochs of 3. " + AS_SET
    tried = mixkit_command("train", "asm_rh", *lines, "--runs", str(tmp_path / "runs"), "--dry-run")
    assert tried.code == 0, tried.err
    assert f"1,200 updates: 400 epochs of 3. {AS_SET}\n" in tried.out
    assert ", 1,200 updates " in tried.out
    assert "Fewer than 1,000" in mixkit_command("check", "asm_rh", "--set", "train.steps = 999").out
    absent = mixkit.load_recipe("asm_rh", layers=["task/esc50"], settings=["task.esc50.root = '/nowhere'"])
    assert planned(absent).startswith("How many updates a run makes is not known: ")
    assert planned(mixkit.load_recipe("asm_rh", layers=["task/esc50"], settings=["train.steps = 9"])) == "9 updates."


def test_a_run_makes_exactly_that_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last epoch is cut short and validated; the schedule ends with it; beside that it is the run in epochs."""
    torch.set_num_threads(1)
    rates: list[float] = []
    real = Step.__call__

    def watched(self: Step, batch: Any, done: int) -> Any:
        found = real(self, batch, done)
        rates.append(self.steps.param_groups[0]["lr"])
        return found

    monkeypatch.setattr(Step, "__call__", watched)
    shown = Noted()
    recipe = mixkit.load_recipe("asm_rh", settings=[*SMALL, "train.steps = 7"])
    run = train(recipe, tmp_path, "cut", display=shown)
    assert shown.batches == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3), (3, 1)]
    assert [(record["epoch"], record["steps"]) for record in run.metrics()] == [(1, 3), (2, 6), (3, 7)]
    assert (run.results().epochs, len(rates)) == (3, 7)
    assert rates[3] == max(rates) == recipe.train.learning_rate
    assert rates[-1] < 0.2 * rates[3]
    assert run.times()[-1]["clips_per_second"] > 0
    steps, epochs = (
        train(mixkit.load_recipe("asm_rh", settings=[*SMALL, line]), tmp_path, line[6:11])
        for line in ("train.steps = 6", "train.epochs = 2")
    )
    assert (steps.folder / "metrics.jsonl").read_bytes() == (epochs.folder / "metrics.jsonl").read_bytes()


def test_a_short_study_of_runs_in_updates(tmp_path: Path) -> None:
    """`--quick` takes the place of either; the time that is left is told by whichever length the runs have."""
    arms = {"more": ("train.steps = 90",), "less": ("train.steps = 30",)}
    study = Study("x", "asm_rh", arms=arms, added=("train.steps = 60",), seeds=(0,))
    found = plan(study, tmp_path)
    assert sorted((run.length, run.unit) for run in found.runs.values()) == [
        (30, "steps"),
        (60, "steps"),
        (90, "steps"),
    ]
    arms = {"wide": ("train.steps = 90", "model.width = 32")}
    quick = plan(Study("x", "asm_rh", arms=arms, added=("train.steps = 60",)), tmp_path, quick=True)
    assert {(run.length, run.unit) for run in quick.runs.values()} == {(4, "epoch")}


def test_length_and_strength_by_the_number_of_clips(mixkit_command: Command, tmp_path: Path) -> None:
    """`auto`: more clips, more updates and the weaker augmentation; a refit keeps what the run had."""
    auto = Train(steps="auto", augment_strength="auto", batch_size=16)
    assert [budget(auto, clips).steps for clips in (10, 240, 960, 24_000)] == [1_800, 1_800, 3_600, 18_000]
    assert [strength(auto, clips) for clips in (10, 400, 1_600, 40_000)] == [1.0, 1.0, 0.5, 0.1]
    assert strength(Train(augment_strength=0.7), 40_000) == 0.7
    kept = fixed(auto, 1_600)
    assert (kept.steps, kept.augment_strength, fixed(kept, 10)) == (4_600, 0.5, kept)
    assert in_words(auto, 960) == (
        "3,600 updates: 60 epochs of 60, by the number of clips (960). "
        "Augmentation at 0.65 times what it is set to, by the number of clips."
    )
    lines = [word for line in (*SMALL, "train.steps = 'auto'") for word in ("--set", line)]
    said = mixkit_command("check", "asm_rh", *lines)
    assert said.out.splitlines()[-1] == f"1,800 updates: 600 epochs of 3, by the number of clips (40). {AS_SET}"
    study = Study("x", "asm_rh", arms={"more": ("train.steps = 'auto'",), "less": ("train.steps = 30",)}, seeds=(0,))
    assert {(run.length, run.unit) for run in plan(study, tmp_path).runs.values()} == {
        (None, "steps"),
        (30, "steps"),
    }


def test_augmentations_of_the_task_and_of_the_training_add_up() -> None:
    """Those of the task come first, whichever fragment is laid over which, and each list is set by itself."""
    added = ("train.augmentations = [@augmentation.equalizer()]",)
    for recipe in (
        mixkit.load_recipe("asm_rh", settings=added),
        mixkit.load_recipe("asm_rh", layers=["task/demo"], settings=added),
    ):
        assert [spec.name for spec in recipe.all_augmentations] == ["time_roll", "equalizer"]
        assert recipe_from_text(to_gin(recipe), "asm_rh") == recipe
    bare = mixkit.load_recipe("asm_rh", settings=["task.augmentations = []", *added])
    assert [spec.name for spec in bare.all_augmentations] == ["equalizer"]
    with pytest.raises(RecipeError, match=r"task\.augmentations .* It takes a list, each @augmentation\.NAME"):
        mixkit.load_recipe("asm_rh", settings=["task.augmentations = [@operator.token()]"])
