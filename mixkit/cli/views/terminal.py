"""Sentences, tables and documents on stdout, alike for every command."""

import json
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mixkit.errors import printable


class Printer(Console):
    """A console that says that its reader has left, where rich's own ends the program as if something had failed."""

    def on_broken_pipe(self) -> None:
        """Hands on what `mixkit.cli` ends quietly."""
        raise BrokenPipeError


def stdout() -> Console:
    """Where results go."""
    return Printer(highlight=False)


def stderr() -> Console:
    """Where goes what is no result: bars, notes, faults."""
    return Printer(stderr=True, highlight=False)


def say(text: str, style: str = "", console: Console | None = None) -> None:
    """Prints a sentence: folded at words in a terminal, one line elsewhere, control characters shown and not obeyed."""
    console = console or stdout()
    console.print(Text(printable(text), style=style), soft_wrap=not console.is_terminal)


def print_json(document: Any) -> None:
    """Prints a JSON document, in ASCII: names of files may be in no encoding at all."""
    print(json.dumps(document, indent=2))  # noqa: T201


def table(*columns: str, title: str | None = None, caption: str | None = None, left: int = 1) -> Table:
    """A table without rows.

    Args:
        columns: their names.
        title: above it.
        caption: below it.
        left: how many columns are text; numbers in the others stand to the right.
    """
    made = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    for place, column in enumerate(columns):
        made.add_column(column, justify="left" if place < left else "right")
    return made
