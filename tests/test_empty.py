"""What is empty is refused: as a path it would be the working folder, and `"$UNSET"` is empty."""

import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import mixkit
from mixkit.cli.app import app
from mixkit.errors import MixkitError, SettingError
from mixkit.registry import REGISTRIES
from mixkit.values import PathName

PLACES = ("root", "path", "folder", "table", "lists", "file")


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


COMMANDS = dict(commands(get_command(app)))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("empty", ["", " "])
def test_no_argument_of_a_command_may_be_empty(
    words: tuple[str, ...],
    empty: str,
    mixkit_command: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "canary.py").write_text("open('ran', 'w').close()\n")
    parameters = COMMANDS[words].params
    arguments = [one for one in parameters if not one.opts[0].startswith("-")]
    for option in (one for one in parameters if one.opts[0].startswith("-") and not one.is_flag):
        told = mixkit_command(*words, *("x" for _ in arguments), option.opts[0], empty)
        assert (told.code, told.err.split(" is ")[0]) == (2, f"error: {option.opts[0]}"), told.err
    for place in range(len(arguments)):
        told = mixkit_command(*words, *("x" for _ in arguments[:place]), empty)
        assert told.code == 2
        assert " is empty. Give it a value; if it stands for a variable, that is not set." in told.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["canary.py"]


def path_settings() -> list[tuple[str, str, str]]:
    return [
        (kind, name, setting.name)
        for kind, registry in REGISTRIES.items()
        for name in registry.names()
        for setting in registry.entry(name).settings
        if registry.entry(name).target.__module__.startswith("mixkit.") and setting.name in PLACES
    ]


@pytest.mark.parametrize(("kind", "name", "setting"), path_settings())
def test_no_path_of_a_recipe_may_be_empty(kind: str, name: str, setting: str) -> None:
    for empty in ("", " "):
        with pytest.raises(SettingError) as caught:
            REGISTRIES[kind].spec(name, **{setting: empty})
        assert str(caught.value) == f"{kind}.{name}.{setting} is {empty!r}. It takes a path or None."
    assert REGISTRIES[kind].spec(name, **{setting: "x"}).params[setting] == "x"


def test_there_are_paths() -> None:
    """The control: the list is not short, and a text that is no path may be empty."""
    assert len(path_settings()) >= 11
    assert typing.get_args(PathName)[0] is str
    assert REGISTRIES["task"].spec("folder", pattern="").params["pattern"] == ""


def test_no_plugin_is_named_by_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "canary.py").write_text("open('ran', 'w').close()\n")
    with pytest.raises(MixkitError, match="a plugin is named '', which is nothing"):
        mixkit.load_plugins([""])
    assert not (tmp_path / "ran").exists()
