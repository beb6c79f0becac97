"""Commands on the pages that need recordings: with those at hand where any will do, and as far as they go without."""

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import mixkit
from mixkit.recipe import catalog
from mixkit.study.definition import load_study
from tests.conftest import Said
from tests.test_docs import QUICK, blocks

OWN = ("path/to/birds", "path/to/folder", "path/to/new_recordings", "path/to/shards")
PUBLISHED = ("path/to", "../data", "data get", "task/ravdess")


def lines() -> list[tuple[str, str]]:
    """Every command of an `sh` block that names recordings, and its page; loops over folds without the loop."""
    found = []
    for block, text in blocks("sh"):
        for line in text.splitlines():
            command = line.split("  #")[0].strip()
            if command.startswith("for "):
                command = command.partition("; do ")[2].removesuffix("; done").replace("$fold", "1")
            if command.startswith("mixkit ") and any(part in command for part in PUBLISHED):
                found.append((block, command))
    return found


OWN_LINES = [found for found in lines() if any(folder in found[1] for folder in OWN)]
OTHER_LINES = [found for found in lines() if found not in OWN_LINES]


def test_there_are_such_commands() -> None:
    assert len(OWN_LINES) >= 5
    assert len(OTHER_LINES) >= 12


def test_commands_over_recordings_of_ones_own_end_well(
    tones: Path, chords: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mixkit_command: Callable[..., Said]
) -> None:
    work = tmp_path / "work"
    (work / "path" / "to").mkdir(parents=True)
    monkeypatch.chdir(work)
    shutil.copytree(tones, "path/to/birds")
    shutil.copytree(chords, "path/to/folder")
    shutil.copytree(tones / "low", "path/to/new_recordings")
    large = mixkit_command("train", "small_data", "--name", "sounds", *QUICK, "--set", "task.demo.clips = 4")
    assert large.code == 0, large  # in the place of ESC-50, from which fine-tuning goes on
    for block, command in OWN_LINES:
        arguments = shlex.split(command)[1:]
        if arguments[0] == "search":  # which would train for hours; tests/test_search.py has one that does not
            said = mixkit_command("search", "--help")
            assert all(option in said.out for option in arguments if option.startswith("--")), block
            continue
        if arguments[0] == "train":
            own = "shards" if "task/shards" in command else "folder"
            arguments += [*QUICK, "--set", f"task.{own}.seconds = 0.5"]
        said = mixkit_command(*arguments)
        assert said.code == 0, (block, said)


@pytest.mark.parametrize(("block", "command"), OTHER_LINES)
def test_commands_over_published_recordings_are_sound(
    block: str, command: str, mixkit_command: Callable[..., Said]
) -> None:
    name, *words = shlex.split(command)[1:]
    if name == "data":
        assert words[0] == "get"
        assert words[1] in mixkit_command("data", "get", "--help").out + mixkit_command("list", "tasks").out
        return
    assert name in ("train", "ablate"), command
    said = mixkit_command(name, "--help")
    for option in (word for word in words if word.startswith("--")):
        assert option in said.out, (command, option)
    with_, settings = ([words[at + 1] for at, word in enumerate(words) if word == key] for key in ("--with", "--set"))
    if name == "ablate":
        study = load_study(catalog.find(words[0]))
        assert mixkit.load_recipe(study.base, [*study.layers, *with_], settings).task
    else:
        assert mixkit.load_recipe(words[0], with_, settings).model.pattern
