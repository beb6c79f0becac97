"""Settings that say where data lie and how a run is carried out are no part of what it is: they may be others later."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import mixkit
from mixkit.recipe.gin_file import recorded_recipe
from mixkit.recipe.identity import what
from mixkit.recipe.writer import to_gin
from mixkit.registry import task
from mixkit.runs.folder import Run
from mixkit.training.display import TrainingDisplay
from tests.conftest import Said
from tests.test_run_clips import EACH, add, lines

Command = Callable[..., Said]


class Stops(TrainingDisplay):
    def epoch(self, record: object) -> None:
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recordings, and a run on them that was stopped after its first epoch."""
    folder = tmp_path_factory.mktemp("half")
    add(folder / "sounds", range(EACH))
    with pytest.raises(KeyboardInterrupt):
        mixkit.train(mixkit.load_recipe("asm_rh", settings=lines(folder / "sounds")), folder, "run", "cpu", Stops())
    return folder


@pytest.fixture
def moved(half: Path, tmp_path: Path) -> Path:
    """The same run with its recordings elsewhere."""
    shutil.copytree(half / "run", tmp_path / "run")
    shutil.copytree(half / "sounds", tmp_path / "moved")
    text = (tmp_path / "run/recipe.gin").read_text()
    (tmp_path / "run/recipe.gin").write_text(text.replace(str(half / "sounds"), str(tmp_path / "gone")))
    return tmp_path / "run"


def test_which_settings_they_are() -> None:
    recipe = mixkit.load_recipe("asm_rh", settings=["recipe.task = @task.folder()", "task.folder.root = 'a'"])
    text = to_gin(recipe)
    lost = set(text.splitlines()) - set(what(text).splitlines())
    assert {line.partition(" =")[0] for line in lost if line and line[0] != "#"} == {
        "task.folder.root",
        "train.save_every_minutes",
        "train.save_every_steps",
        "train.teacher",
        "train.workers",
    }
    places = set(what(text, where=True).splitlines()) - set(what(text).splitlines())
    assert places == {"task.folder.root = 'a'", "train.teacher = None"}
    unmarked = [n for n in task.names() if f"task.{n}.root" in to_gin_of(n) and f"task.{n}.root" in what(to_gin_of(n))]
    assert unmarked == []
    noise = "train.augmentations = [@augmentation.noise()]"
    text = to_gin(mixkit.load_recipe("asm_rh", settings=[noise, "augmentation.noise.folder = 'a'"]))
    assert "augmentation.noise.folder" in text
    assert "augmentation.noise.folder" not in what(text)


def to_gin_of(name: str) -> str:
    return to_gin(mixkit.load_recipe("asm_rh", settings=[f"recipe.task = @task.{name}()"]))


def test_a_run_whose_recordings_moved(moved: Path, mixkit_command: Command) -> None:
    root = ("--set", f"task.folder.root = {str(moved.parent / 'moved')!r}")
    again = ("train", "--resume", moved, "--device", "cpu")
    for command in (("evaluate", moved), ("look", moved), again):
        said = mixkit_command(*command)
        assert said.code == 2
        assert "there is no such folder" in said.err
    assert mixkit_command("evaluate", moved, *root).code == 0
    assert mixkit_command("look", moved, *root, "--out", moved.parent / "look").code == 0
    said = mixkit_command(*again, *root, "--set", "train.workers = 1")
    assert said.code == 0, said.err
    (resumed,) = [event for event in Run(moved).events() if event["event"] == "resumed"]
    assert (resumed["step"], resumed["changed"]) == (3, [])
    assert recorded_recipe(moved / "recipe.gin", "run").train.workers == 1  # the run keeps them
    assert mixkit_command("evaluate", moved).code == 0
    (moved.parent / "moved").rename(moved.parent / "again")
    root = ("--set", f"task.folder.root = {str(moved.parent / 'again')!r}")
    assert "no errors shown: task.folder.root is" in mixkit_command("report", moved).out
    assert "no errors shown" not in mixkit_command("report", moved, *root).out


def test_another_way_to_carry_it_out_goes_on_by_name(half: Path, tmp_path: Path, mixkit_command: Command) -> None:
    shutil.copytree(half / "run", tmp_path / "runs/run")

    def train(*settings: str) -> Said:
        words = [word for line in (*lines(half / "sounds"), *settings) for word in ("--set", line)]
        name = ("--runs", tmp_path / "runs", "--name", "run", "--resume", "auto", "--device", "cpu")
        return mixkit_command("train", "asm_rh", *words, *name)

    said = train("train.learning_rate = 0.5")  # the control
    assert said.code == 2
    assert "was started with another recipe" in said.err
    assert train("train.save_every_minutes = 1.0", "train.workers = 1").code == 0
    assert Run(tmp_path / "runs/run").complete


def test_without_a_name_only_a_run_on_the_same_folder_goes_on(half: Path, tmp_path: Path) -> None:
    """Where no data have been compared yet, another folder is taken for other data."""
    shutil.copytree(half / "run", tmp_path / "asm_rh/001")
    same = mixkit.load_recipe("asm_rh", settings=lines(half / "sounds", "train.workers = 3"))
    other = mixkit.load_recipe("asm_rh", settings=lines(tmp_path / "other"))
    assert Run.started(same, tmp_path) is not None
    assert Run.started(other, tmp_path) is None


def test_what_says_what_a_run_is_cannot_be_set(half: Path, mixkit_command: Command) -> None:
    for command in (("evaluate",), ("look",), ("export", "--to", "torch"), ("train", "--resume")):
        said = mixkit_command(*command, half / "run", "--set", "train.epochs = 7")
        assert said.code == 2
        assert said.err == (
            "error: train.epochs says what the run is, and is kept with it. Of a run, --set takes task.folder.root, "
            "train.teacher, train.save_every_steps, train.save_every_minutes, train.workers; for another value, train "
            "another run.\n"
        )
    said = mixkit_command("evaluate", half / "run", "--set", "task.folder.rot = 'a'")
    assert "task.folder.rot is no setting. Did you mean 'root'?" in said.err


def test_a_recipe_that_is_not_the_weights_own(half: Path, tmp_path: Path, mixkit_command: Command) -> None:
    run = Path(shutil.copytree(half / "run", tmp_path / "run"))
    sound = half / "sounds/a/00.wav"
    own = run / "recipe.gin"
    text = own.read_text()
    own.write_text(text.replace("train.workers = 0", "train.workers = 2") + "\n# a note\n")
    assert mixkit_command("predict", run, sound).code == 0
    own.write_text(text.replace("model.width = 8", "model.width = 9"))
    for command in (("predict", run, sound), ("evaluate", run), ("export", run, "--to", "torch")):
        said = mixkit_command(*command)
        assert said.code == 4
        assert said.err == (
            f"error: {own} is not the recipe of the weights beside it, for one in 'model.width = 8'. "
            f"Take it from a copy, or name {run / 'best.safetensors'} itself.\n"
        )
    assert mixkit_command("predict", run / "best.safetensors", sound).code == 0


def test_other_noise_is_noticed_wherever_it_lies(half: Path, tmp_path: Path, mixkit_command: Command) -> None:
    folder = f"augmentation.noise.folder = {str(tmp_path / 'noise')!r}"
    noise = ("train.augmentations = [@augmentation.noise()]", folder)
    add(tmp_path / "noise", range(2))
    recipe = mixkit.load_recipe("asm_rh", settings=lines(half / "sounds", *noise))
    with pytest.raises(KeyboardInterrupt):
        mixkit.train(recipe, tmp_path, "run", "cpu", Stops())
    (tmp_path / "noise").rename(tmp_path / "moved")
    root = ("--set", f"augmentation.noise.folder = {str(tmp_path / 'moved')!r}")
    shutil.copytree(tmp_path / "moved", tmp_path / "other")
    add(tmp_path / "other", range(2, 3))
    other = ("--set", f"augmentation.noise.folder = {str(tmp_path / 'other')!r}")
    again = ("train", "--resume", tmp_path / "run", "--device", "cpu")
    said = mixkit_command(*again, *other)
    assert said.code == 2
    assert "  augmentations: " in said.err
    assert mixkit_command(*again, *root).code == 0
    assert json.loads((tmp_path / "run/results.json").read_text())["epochs"] == 2
