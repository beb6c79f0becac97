"""What an error says of a name that is unknown: near names, what others call it, and how to write what was meant."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mixkit.errors import ALIASES, did_you_mean
from mixkit.recipe.keys import section_fields
from tests.conftest import Said

Command = Callable[..., Said]
MANY = [f"name_{number:02d}" for number in range(30)]


def test_a_short_list_is_whole_and_a_long_one_has_what_is_near() -> None:
    assert did_you_mean("chanel", ["roll", "channel"]) == " Did you mean 'channel'? Known: channel, roll."
    names = [*(f"{letter}{letter}{letter}" for letter in "abcdefghijklmnopqrstuvw"), "channel", "factorized_channel"]
    assert did_you_mean("chanel", names) == " Did you mean 'channel'? Known: channel, factorized_channel and 23 others."
    assert did_you_mean("?", MANY) == f" Known: {', '.join(MANY[:8])} and 22 others."
    assert did_you_mean("x", []) == ""


def test_names_of_other_toolkits_are_known() -> None:
    assert did_you_mean("lr", ["left", "learning_rate"]).startswith(" Did you mean 'learning_rate'?")
    assert did_you_mean("lr", ["left", "right"]) == " Known: left, right."  # a control: nothing here is meant
    settings = {*section_fields("train"), *section_fields("model"), "weight_decay"}
    assert set(ALIASES.values()) <= settings


SAID = {
    "train.lr = 1": "train.lr is no setting. Did you mean 'learning_rate'? Known: learning_rate and ",
    "train.bs = 3": "train.bs is no setting. Did you mean 'batch_size'? Known: ",
    "train.wd = 0.1": "train.wd is no setting. Did you mean optimizer.adamw.weight_decay?",
    "train.weight_decay = 0.1": "train.weight_decay is no setting. Did you mean optimizer.adamw.weight_decay?",
    "train.warmup_epochs = 3": "train.warmup_epochs is no setting. Did you mean schedule.cosine.warmup_epochs?",
    "lr = 0.1": "nothing uses the macro lr. Did you mean train.learning_rate?",
    "optim = 'adamw'": "nothing uses the macro optim. Did you mean train.optimizer?",
    "wd = 0.1": "nothing uses the macro wd. Did you mean optimizer.adamw.weight_decay?",
    "block.branches = [operator.channel]": "operator.channel is no value. Write @operator.channel().",
    "block.branches = [@operator.time(), operator.channel()]": "operator.channel is no value. Write @",
    "train.augmentations = [mixup]": "mixup is no value. Write @augmentation.mixup().",
    "task = folder": "folder is no value. Write --with task/folder on the command line, or "
    "recipe.task = @task.folder() in a recipe.",
    "recipe.task = task/esc10": "esc10 is no value. Write --with task/esc10 on the command line.",
    "task = nothing": "nothing is no value. Put text in quotes: 'nothing'.",
}


@pytest.mark.parametrize(("line", "message"), SAID.items(), ids=SAID)
def test_a_line_that_is_wrong_says_what_would_be_right(mixkit_command: Command, line: str, message: str) -> None:
    said = mixkit_command("show", "asm_rh", "--set", line)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f'error: --set "{line}": {message}')


@pytest.mark.parametrize("name", ["task/folder", "folder", "size/base"])
def test_a_fragment_that_is_trained_says_how_it_is_laid_over(mixkit_command: Command, name: str) -> None:
    part = name if "/" in name else f"task/{name}"
    said = mixkit_command("train", name)
    message = f"{part} is no recipe, but a part to lay over one: mixkit train small_data --with {part}."
    assert (said.code, said.err) == (2, f"error: {message}\n")


def test_short_forms_win_over_lines(mixkit_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    monkeypatch.setattr("mixkit.cli.commands.train._dry_run", lambda recipe, device: found.append(recipe.train))
    words = ("--set", "train.epochs = 9", "--epochs", 3, "--lr", "0.01", "--batch-size", 5, "--dry-run")
    said = mixkit_command("train", "asm_rh", *words)
    assert said.code == 0, said.err
    assert (found[0].epochs, found[0].steps, found[0].learning_rate, found[0].batch_size) == (3, None, 0.01, 5)
