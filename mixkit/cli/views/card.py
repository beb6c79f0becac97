"""What is known of a registered thing."""

import re

from rich.padding import Padding
from rich.text import Text

from mixkit.cli.views.settings import settings_table
from mixkit.cli.views.terminal import print_json, stdout
from mixkit.errors import printable
from mixkit.model.formulas import formulas
from mixkit.recipe.reference import entry_cards
from mixkit.registry import REGISTRIES
from mixkit.registry.docstring import sections
from mixkit.values import describe, show


def is_card(asked: str) -> bool:
    """Whether KIND.NAME is asked for, and not a recipe."""
    kind, dot, name = asked.partition(".")
    return bool(dot) and kind in REGISTRIES and bool(re.fullmatch(r"\w+", name)) and name != "gin"


def show_card(asked: str, as_json: bool) -> None:
    """What a registered thing does, its settings, and what its docstring says beside.

    Raises:
        RegistryError: nothing has that name.
    """
    kind, _, name = asked.partition(".")
    entry = REGISTRIES[kind].entry(name)
    text = {title: body for title, body in sections(entry).items() if title != "Args"}
    says = "\n\n".join(" ".join(paragraph.split()) for paragraph in text.pop("").split("\n\n"))
    if as_json:
        settings = {s.name: {"default": show(s.default), "takes": describe(s.annotation)} for s in entry.settings}
        document = {"kind": kind, "name": name, "says": says, "settings": settings}
        document |= {title.lower(): body for title, body in text.items() if title != "Cost"}
        document["cost"] = {line.name: line.text for line in formulas(entry)}
        print_json(document)
        return
    console = stdout()
    console.print(Text(f"{kind}.{name}", style="bold"))
    console.print(Text(f"\n{_lines(says)}\n"))
    console.print(settings_table(entry_cards(entry)) if entry.settings else "no settings")
    for title, body in text.items():
        console.print(Text(f"\n{title}", style="bold"))
        console.print(Padding(Text(_lines(body)), (0, 0, 0, 2)))


def _lines(text: str) -> str:
    """Text of several lines, control characters shown and not obeyed."""
    return "\n".join(printable(line) for line in text.splitlines())
