"""Results that are on record, for the pages of recipes: read from the tables of `docs/results.md`, their only place."""

import re
from collections.abc import Iterator
from pathlib import Path

PAGE = Path(__file__).parents[1] / "results.md"
LINK = "[Results on recordings](../results.md)"


def known(recipe: str, text: str | None = None) -> list[tuple[str, str]]:
    """What a recipe reached: data and figures, row by row.

    Args:
        recipe: its name, which heads a column of those tables.
        text: the page; that of the site if not given.
    """
    found: dict[str, str] = {}
    for head, *rows in _tables(PAGE.read_text() if text is None else text):
        if recipe in head[1:]:
            column = head.index(recipe)
            for row in rows:
                if row[column]:
                    found.setdefault(row[0], row[column])
    return [*found.items()]


def _tables(text: str) -> Iterator[list[list[str]]]:
    """Every table, row by row, without the line below its head."""
    for lines in re.findall(r"(?:^\|.*\|\n)+", text, re.M):
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines.splitlines()]
        yield [row for number, row in enumerate(rows) if number != 1]
