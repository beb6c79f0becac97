"""Every option that a message, a docstring or a page names is one that its command has."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import mixkit
from mixkit.cli.app import app

PACKAGE = Path(mixkit.__file__).parent
DOCS = PACKAGE.parent / "docs"
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
COMMAND = re.compile(r"\bmixkit ((?:data )?[a-z]+)((?:[^`\n|;&]|\\\n)*)")
OF_OTHERS = {
    "cli/commands/list.py": {"--with"},  # what it lists
    "doctor.py": {"--upgrade"},  # pip
    "download/sources.py": {"--depth"},  # git
    "hear.py": {"--model"},  # hear-validator
    "study/nodes.py": {"--kill-on-bad-exit"},  # srun
    "runs/environment.py": set(OPTION.findall((PACKAGE / "runs/environment.py").read_text())),  # git
}


def options() -> dict[str, set[str]]:
    """Those of each command, by its words."""
    found: dict[str, set[str]] = {}
    group = typer.main.get_command(app)
    nested = [(f"{name} ", one) for name, one in group.commands.items() if hasattr(one, "commands")]  # type: ignore[attr-defined]
    for prefix, one in [("", group), *nested]:
        for name, command in one.commands.items():
            names = {word for parameter in command.params for word in (*parameter.opts, *parameter.secondary_opts)}
            found[prefix + name] = {"--help", *names}
    return found


KNOWN = options()
ANY = {"--version", "--debug"}.union(*KNOWN.values())


def texts(module: Path) -> Iterator[str]:
    """What a module says: its texts, with {} where a value goes into one."""
    nodes = list(ast.walk(ast.parse(module.read_text())))
    pieces = set()
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            pieces.update(node.values)
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    yield from (n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str) and n not in pieces)


def unknown(text: str, own: set[str]) -> list[str]:
    """The options that it names and its command has not; `mixkit COMMAND --option` is asked of that command."""
    wrong = [option for option in OPTION.findall(COMMAND.sub("", text)) if option not in own]
    for command, rest in COMMAND.findall(text):
        of_it = KNOWN.get(command, KNOWN.get(command.split()[0], own))
        wrong += [f"mixkit {command} {option}" for option in OPTION.findall(rest) if option not in of_it]
    return wrong


def own_options(module: Path) -> set[str]:
    """Of a command's own module those of the command, else those of all."""
    if module.parent.name != "commands":
        return ANY
    name = module.stem.rstrip("_")
    return set().union(*(found for command, found in KNOWN.items() if command.split()[0] == name)) or ANY


@pytest.mark.parametrize("module", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_messages_name_options_of_their_command(module: Path) -> None:
    own = own_options(module) | OF_OTHERS.get(module.relative_to(PACKAGE).as_posix(), set())
    assert [(text, wrong) for text in texts(module) if (wrong := unknown(text, own))] == []


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_pages_name_options_of_their_command(page: Path) -> None:
    text = page.read_text().replace("\\\n", " ")
    lines = "\n".join(found.group() for found in COMMAND.finditer(text))
    assert unknown(lines, ANY) == []


@pytest.mark.parametrize(
    "text",
    ["name another with --rums", "`mixkit look RUN --runs x`", "mixkit data check {} --fold 2", "mixkit list\n--no"],
)
def test_one_that_is_not_there_is_found(text: str) -> None:
    """The control."""
    assert unknown(text, ANY)
