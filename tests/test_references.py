"""References cannot be wrong: commands are those of `--help`, settings those of the schema, kinds those there are."""

import importlib
import json
import re
import shlex
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

from mixkit.cli.views.settings import all_sections
from mixkit.recipe import catalog
from mixkit.recipe.keys import BY_LOADER, section_fields
from mixkit.recipe.schema import SECTIONS
from mixkit.recipe.section import HOMES
from mixkit.registry import REGISTRIES
from mixkit.study.keys import SETTINGS
from tests.conftest import Said

ROOT = Path(__file__).parents[1]
Command = Callable[..., Said]


@pytest.fixture
def generate(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """A module of `docs/generate`."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "generate"))
    return importlib.import_module


def options(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", text))


def helped(said: str) -> set[str]:
    """The options of a help text: what stands first in the rows of its table."""
    return set().union(*(options(re.split(r"  [A-Z<]", row)[0]) for row in re.findall(r"^│[* ]+(-.*)│$", said, re.M)))


def test_the_command_line_page_says_what_help_says(
    generate: Callable[[str], ModuleType], mixkit_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    ((_, page),) = generate("commands").pages()
    found = {part.split("\n")[0]: part for part in page.split("\n## ")[1:]}
    assert len(found) > 20
    for path, part in found.items():
        said = mixkit_command(*path.split()[1:], "--help").out
        shown = set().union(*(options(name) for name in re.findall(r"^\| `(.*?)` \|", part, re.M)))
        assert shown == helped(said), path
        assert re.search(r"```text\n(.*)\n```", part)[1] in said, path  # type: ignore[index]
    assert {"--with", "--set", "--plugin", "--from", "--help"} <= options(found["mixkit train"])


def test_an_option_that_is_made_up_is_noticed(mixkit_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: names of parameters, which are no options, are not in the help."""
    monkeypatch.setenv("COLUMNS", "200")
    found = helped(mixkit_command("train", "--help").out)
    assert not found & {"--layers", "--settings", "--plugins"}
    assert {"--with", "--resume", "-h"} <= found


def test_every_setting_has_a_card_with_its_meaning(mixkit_command: Command) -> None:
    cards = {card.key: card for section in all_sections().values() for card in section.settings}
    keys = {
        f"{HOMES.get(name, section) if section == 'recipe' else section}.{name}"
        for section in SECTIONS
        for name in section_fields(section)
    }
    keys |= {f"{section}.{name}" for section, known in SETTINGS.items() for name in known}
    assert set(cards) == keys
    assert not {f"recipe.{name}" for name in BY_LOADER} & keys
    assert {"train.balance", "task.pad", "study.seeds", "paper.value", "branch.norm_place"} <= keys
    for key, card in cards.items():
        assert card.says.endswith((".", "?")), key
    for key in ("train.balance", "task.pad", "study.arms"):
        assert json.loads(mixkit_command("show", key, "--json").out)["takes"] == cards[key].takes


def test_the_page_of_settings_has_them_all(generate: Callable[[str], ModuleType]) -> None:
    ((_, page),) = generate("settings").pages()
    for section in all_sections().values():
        for card in section.settings:
            assert f"| `{card.key}`{{ #{card.key} }} | `" in page


def test_a_setting_and_a_section_are_shown(mixkit_command: Command) -> None:
    assert mixkit_command("show", "train.balance").out == (
        "train.balance\n\nmake up for rare classes by weights in the loss, or by drawing them more often.\n\n"
        "takes    'none' or 'weights' or 'sampler'\ndefault  'none'\n"
    )
    assert "augment_strength" in mixkit_command("show", "train").out
    assert "default  16" in mixkit_command("show", "operator.roll_time.groups").out
    assert mixkit_command("show", "task.demo").out.startswith("task.demo\n\nTen kinds")  # a task, and no setting of all
    said = mixkit_command("show", "train.balanse")
    assert said.code == 2
    assert said.err.startswith("error: no setting named 'train.balanse'. Did you mean 'train.balance'? Known: ")
    said = mixkit_command("show", "train.balance", "--with", "size/base")
    assert said.err == "error: train.balance is no recipe; --with and --set are for recipes. Leave them out.\n"


def test_a_run_is_shown(mixkit_command: Command, small_run: Path) -> None:
    said = mixkit_command("show", small_run)
    assert said.code == 0, said.err
    assert said.out.startswith(f"{small_run}: complete, 1 epochs, ")
    for part in ("test accuracy", "figures of the best epoch", "train.batch_size = ", "what each part costs"):
        assert part in said.out
    shown = json.loads(mixkit_command("show", small_run, "--json").out)
    assert shown["state"] == "complete"
    assert shown["results"]["test"]["clips"] > 0
    assert shown["classes"] == len(shown["results"]["labels"])
    assert shown["recipe"]["train"]["epochs"] == 1


def test_every_kind_stands_in_the_page_on_plugins() -> None:
    page = (ROOT / "docs" / "plugins.md").read_text()
    assert set(re.findall(r"^\| `@(\w+)\(name", page, re.M)) == set(REGISTRIES)


def test_the_commands_of_pages_are_there(
    generate: Callable[[str], ModuleType], mixkit_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    known = {name: helped(mixkit_command(name, "--help").out) for name in ("train", "ablate")}
    for name in (*catalog.names(), *catalog.fragments(), *catalog.studies()):
        lines = re.findall(r"^mixkit .*", generate("recipe_pages")._commands(name), re.M)
        assert lines, name
        for line in lines:
            mixkit, command, *words = shlex.split(line)
            if command == "data":  # what makes the data of a task
                assert options(line) <= helped(mixkit_command("data", words[0], "--help").out)
                continue
            assert (mixkit, options(" ".join(words)) - known[command]) == ("mixkit", set())
            asked = [words[0], *(after for word, after in pairwise(words) if word == "--with")]
            assert all(catalog.find(one) for one in asked)
            assert name in asked or name in ("size/bc_resnet_1", "task/demo"), "they are of recipes by themselves"


def test_results_of_a_recipe_come_from_the_page_of_results(generate: Callable[[str], ModuleType]) -> None:
    results = generate("results")
    text = "\n| data | asm_rh | CNN |\n| --- | --- | --- |\n| ESC-10 | 86.5 % | 87.5 % |\n| FSDD | | 83.0 % |\n"
    assert results.known("asm_rh", text) == [("ESC-10", "86.5 %")]
    assert results.known("CNN", text) == [("ESC-10", "87.5 %"), ("FSDD", "83.0 %")]
    assert results.known("gmlp", text) == []
    assert results.known("asm_rh")


def test_drawn_tables_say_how_wide_they_are(generate: Callable[[str], ModuleType]) -> None:
    block = '<div class="language-text highlight"><pre><code>{}</code></pre></div>'
    measured = generate("columns").measured
    assert 'class="language-text highlight drawn" style="--columns: 6">' in measured(block.format("│ &lt;a │\nb"))
    assert measured(block.format("no lines")) == block.format("no lines")
