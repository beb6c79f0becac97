"""A recipe text cut where statements start, so that a fault in one statement hides no other."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

# A quote that is not closed is read to the end of its line: what follows is then looked at as if it had been closed.
_PIECE = re.compile(
    r"""
      (?P<comment>\#[^\n]*)
    | (?P<triple>'''|\"\"\")
    | (?P<string>'(?:\\.|[^'\\\n])*'?|"(?:\\.|[^"\\\n])*"?)
    | (?P<open>[\[({])
    | (?P<close>[\])}])
    | (?P<joined>\\\n)
    | (?P<line>\n)
    """,
    re.VERBOSE | re.DOTALL,
)
_CLOSING = {quote: re.compile(rf"(?:\\.|[^\\])*?{quote}", re.DOTALL) for quote in ("'''", '"""')}
# Inside a bracket that is still open, only a line that can be nothing else counts as the start of a statement.
_CERTAIN = re.compile(r"include\s*['\"]|(?:import|from)\s+[\w.]+|[A-Za-z_][\w./]*\s*=(?!=)")


@dataclass(frozen=True)
class Chunk:
    """The lines of one statement; `first` is the number of the first of them, counted from 1."""

    first: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines as one text."""
        return "".join(self.lines)


def chunks(text: str) -> Iterator[Chunk]:
    """The statements of a text, comments and blank lines with the statement above them."""
    lines = [f"{line}\n" for line in text.split("\n")]
    starts = [0, *sorted(_starts(text)), len(lines)]
    for start, end in itertools.pairwise(starts):
        if any(line.strip() and not line.lstrip().startswith("#") for line in lines[start:end]):
            yield Chunk(start + 1, tuple(lines[start:end]))


def _starts(text: str) -> set[int]:
    """Indices of the lines at which statements start."""
    found: set[int] = set()
    depth = number = position = 0
    never_closed: set[str] = set()
    if _opens(text, 0, depth):
        found.add(0)
    while piece := _PIECE.search(text, position):
        position = piece.end()
        kind = piece.lastgroup
        if kind == "triple" and piece.group() not in never_closed:
            closing = _CLOSING[piece.group()].match(text, position)
            if closing:
                number += text.count("\n", position, closing.end())
                position = closing.end()
            else:
                never_closed.add(piece.group())
        elif kind in ("string", "joined"):
            number += piece.group().count("\n")
        elif kind == "open":
            depth += 1
        elif kind == "close":
            depth = max(0, depth - 1)
        elif kind == "line":
            number += 1
            if _opens(text, position, depth):
                found.add(number)
                depth = 0
    return found


def _opens(text: str, position: int, depth: int) -> bool:
    if depth:
        return _CERTAIN.match(text, position) is not None
    return position < len(text) and text[position] not in " \t\n#"
