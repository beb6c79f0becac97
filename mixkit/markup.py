"""HTML for notebooks: tables and folded parts, all text in them escaped."""

import base64
from collections.abc import Iterable, Sequence
from html import escape

from mixkit.errors import printable


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> str:
    """A table; the first column is text, numbers in the others stand to the right."""
    head = "".join(f"<th>{_text(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    caption = f"<caption>{_text(title)}</caption>" if title else ""
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def paragraph(text: object, strong: bool = False) -> str:
    """A paragraph."""
    return f"<p><b>{_text(text)}</b></p>" if strong else f"<p>{_text(text)}</p>"


def folded(title: str, body: str) -> str:
    """A part that opens when its title is clicked; the body is HTML already."""
    return f"<details><summary>{_text(title)}</summary>{body}</details>"


def picture(png: bytes, told: str) -> str:
    """A picture in the document itself, and what it shows for those who don't see it."""
    return f'<img alt="{_text(told)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def _text(value: object) -> str:
    return escape(printable(value))
