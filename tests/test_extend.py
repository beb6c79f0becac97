"""A finished run trained longer: to the bit what one long run is, where the schedule is the same."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import mixkit
from mixkit.errors import RunError
from mixkit.runs.folder import Run
from mixkit.training.display import TrainingDisplay
from mixkit.training.extend import extend
from mixkit.training.loop import train
from tests.conftest import Said

SMALL = (
    "task.demo.clips = 6",
    "task.demo.seconds = 0.5",
    "model.width = 16",
    "model.depth = 1",
    "train.batch_size = 16",
    "train.schedule = @schedule.step_decay()",
    "schedule.step_decay.after = 1000",
    "train.average = 0.9",
)


def trained(folder: Path, epochs: int, *lines: str) -> Run:
    recipe = mixkit.load_recipe("mlp_mixer", settings=[*SMALL, f"train.epochs = {epochs}", *lines])
    return train(recipe, folder, device="cpu")


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory.mktemp("short"), 2)


class Lines(TrainingDisplay):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_two_epochs_and_two_more_are_four(short: Run, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in short.folder.rglob("*") if path.is_file()}
    told = Lines()
    longer = extend(short.folder, ["train.epochs = 4"], tmp_path / "runs", device="cpu", display=told)
    whole = trained(tmp_path / "whole", 4)
    assert longer.complete
    assert longer.metrics() == whole.metrics()
    ours, wanted = (mixkit.load(run.folder).state_dict() for run in (longer, whole))
    assert all(torch.equal(ours[name], wanted[name]) for name in wanted)
    assert longer.results() == whole.results()
    assert {path: path.read_bytes() for path in short.folder.rglob("*") if path.is_file()} == before
    parent = {"run": str(short.folder), "id": short.identity, "epochs": 2}
    assert longer.environment()["extends"] == parent
    assert longer.events()[0].items() >= {"event": "extends", **parent}.items()
    assert longer.identity != short.identity
    assert told.lines[0].startswith(f"Trains {short.folder} longer, from epoch 2 to 4 (")
    assert "the learning rate was" in told.lines[0]
    assert longer.folder == tmp_path / "runs" / "mlp_mixer" / "001"


def test_the_schedule_is_that_of_the_whole(short: Run, tmp_path: Path) -> None:
    lines = ["train.steps = 12", "train.schedule = @schedule.cosine()", "train.learning_rate = 0.001"]
    longer = extend(short.folder, lines, tmp_path, device="cpu")
    rates = [record["learning_rate"] for record in longer.metrics()]
    assert rates[:2] == [record["learning_rate"] for record in short.metrics()]
    assert 0.001 > rates[2] > rates[-1]
    assert longer.metrics()[-1]["steps"] == 12


REFUSED = {
    "another network": (
        ["model.width = 32"],
        "model.width = 32 is not as the run has it. A run that is trained longer",
    ),
    "other clips": (["task.demo.clips = 7"], "task.demo.clips = 7 is not as the run has it."),
    "no longer": (["train.epochs = 2"], "{run} has 2 epochs, and 2 are asked for. Ask for more: --epochs 4."),
    "nothing said": ([], "{run} has 2 epochs, and 2 are asked for."),
}


@pytest.mark.parametrize(("lines", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_refused_before_anything_is_written(
    short: Run, tmp_path: Path, lines: list[str], message: str
) -> None:
    with pytest.raises(RunError) as caught:
        extend(short.folder, lines, tmp_path, device="cpu")
    assert str(caught.value).startswith(message.format(run=short.folder))
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_states_and_one_that_has_not_ended(short: Run, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(short.folder, tmp_path / "copy"))
    shutil.rmtree(copy / "last")
    with pytest.raises(RunError) as caught:
        extend(copy, ["train.epochs = 4"], tmp_path, device="cpu")
    assert str(caught.value) == (
        f"{copy} keeps no whole state in last/. Start from its weights instead: --from {copy}."
    )
    (copy / "results.json").unlink()
    with pytest.raises(RunError) as caught:
        extend(copy, ["train.epochs = 4"], tmp_path, device="cpu")
    assert str(caught.value) == f"{copy} has not ended. Go on with it: --resume {copy}."


def test_the_command(mixkit_command: Callable[..., Said], short: Run, tmp_path: Path) -> None:
    asked = (
        "train",
        "--extend",
        short.folder,
        "--epochs",
        3,
        "--runs",
        tmp_path,
        "--name",
        "longer",
        "--device",
        "cpu",
    )
    said = mixkit_command(*asked)
    assert said.code == 0, said.err
    assert json.loads((tmp_path / "longer" / "results.json").read_text())["epochs"] == 3
    assert f"All of it is in {tmp_path / 'longer'}" in said.out
    said = mixkit_command("train", "asm_rh", "--extend", short.folder)
    assert said.err == f"error: --extend {short.folder} goes on with the recipe of that run. Leave the others out.\n"


@pytest.mark.parametrize("option", ["--resume", "--extend"])
def test_a_run_that_goes_on_opens_the_test_split(option: str, mixkit_command: Callable[..., Said]) -> None:
    said = mixkit_command("train", option, "runs/a", "--no-test")
    assert said.code == 2
    assert f"{option} runs/a opens the test split at the end. Leave --no-test out." in " ".join(said.err.split())
