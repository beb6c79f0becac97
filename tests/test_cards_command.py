"""`mixkit list` names all that there is, and `mixkit show KIND.NAME` says what is known of it."""

import json
import typing
from collections.abc import Callable
from pathlib import Path

import pytest

from mixkit.cli.commands.list import Listed
from mixkit.registry import PLURALS, REGISTRIES
from tests.conftest import Said

Command = Callable[..., Said]


def test_every_kind_is_listed_with_every_name(mixkit_command: Command) -> None:
    everything = json.loads(mixkit_command("list", "--json").out)
    for kind, registry in REGISTRIES.items():
        assert set(everything[PLURALS[kind]]) == set(registry.names())
        assert json.loads(mixkit_command("list", PLURALS[kind], "--json").out) == {
            PLURALS[kind]: everything[PLURALS[kind]]
        }
    assert set(typing.get_args(Listed)) == {"all", "recipes", *PLURALS.values()}
    assert {"losses", "features", "weights", "metrics"} <= set(everything)
    assert set(everything["weights"]) == {"ast", "deit", "network", "run", "timm"}


def test_a_kind_that_is_not_there(mixkit_command: Command) -> None:
    said = mixkit_command("list", "loss")
    assert said.code == 2
    assert "'losses'" in said.err


@pytest.mark.parametrize("kind", REGISTRIES)
def test_everything_has_a_card(kind: str, mixkit_command: Command) -> None:
    for name in REGISTRIES[kind].names():
        said = mixkit_command("show", f"{kind}.{name}")
        assert said.code == 0, said
        assert said.out.startswith(f"{kind}.{name}\n\n")
        shown = json.loads(mixkit_command("show", f"{kind}.{name}", "--json").out)
        entry = REGISTRIES[kind].entry(name)
        assert shown["says"].startswith(entry.summary)
        assert list(shown["settings"]) == [setting.name for setting in entry.settings]
        for setting in entry.settings:
            assert setting.name in said.out


def test_the_card_of_an_operator(mixkit_command: Command) -> None:
    said = mixkit_command("show", "operator.roll_time")
    for part in (
        "Equation\n  z = roll(x)",
        "Cost\n  parameters: 2*c*h + c + h + acon",
        "groups",
        "16",
        "Paper\n  ASM-RH",
    ):
        assert part in said.out
    shown = json.loads(mixkit_command("show", "operator.roll_time", "--json").out)
    assert shown["cost"]["FLOPs"] == "4*n*c*h"
    assert shown["settings"]["bands"] == {"default": "4", "takes": "an int, at least 1"}


@pytest.mark.usefixtures("without_plugins")
def test_a_card_of_a_plugin_shows_control_characters_and_obeys_none(mixkit_command: Command, tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(
        "from mixkit import metric\n\n@metric('loud')\ndef loud():\n"
        "    'Is \\x1b[31mred.\\n\\n    Differs: a \\x07bell.'\n    return lambda scores, target: 0.0\n"
    )
    said = mixkit_command("show", "metric.loud", "--plugin", tmp_path / "loud.py")
    assert said.code == 0
    assert "Is \\x1b[31mred." in said.out
    assert "a \\x07bell." in said.out
    assert not {"\x1b", "\x07"} & set(said.out)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            ("show", "weights.dei"),
            "error: no weights named 'dei'. Did you mean 'deit'? Known: ast, deit, network, run, timm.\n",
        ),
        (
            ("show", "operator.roll", "--set", "train.epochs = 1"),
            "error: operator.roll is no recipe; --with and --set are for recipes. Leave them out.\n",
        ),
    ],
)
def test_what_cannot_be_shown(asked: tuple[str, ...], message: str, mixkit_command: Command) -> None:
    said = mixkit_command(*asked)
    assert (said.code, said.err) == (2, message)


def test_a_recipe_with_the_name_of_a_kind_is_a_recipe(
    mixkit_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mixkit_command("copy", "asm_rh", "task.gin")
    assert "model.width" in mixkit_command("show", "task.gin").out
