"""`mixkit runs`."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from mixkit.cli.options import AsJson
from mixkit.cli.views.terminal import print_json, say, stdout
from mixkit.errors import RunError, printable

if TYPE_CHECKING:
    from mixkit.runs.overview import Line

Order = Literal["run", "recipe", "task", "valid", "test", "epochs", "time", "size", "newest"]
EDGES = 3  # cells that a column takes beside its text


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Args:
        title: above it.
        cell: its text for a run.
        rank: of those for which a narrow terminal has no room, the highest comes first; 0 for always there.
        words: whether it is text, which stands to the left.
    """

    title: str
    cell: "Callable[[Line], str]"
    rank: int = 0
    words: bool = False


def runs(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of run folders.")] = Path("runs"),
    sort: Annotated[Order, typer.Option(help="By what; of figures the best first, of sizes the largest.")] = "run",
    as_json: AsJson = False,
) -> None:
    """List runs: what each is, its state, the figure by which it chooses its epoch, time, size."""
    from mixkit.runs.overview import overview

    if not folder.is_dir() and folder == Path("runs"):
        raise RunError("there is no run yet: no folder runs here. Train one: mixkit train small_data.")
    lines = sorted(overview(folder), key=_key(sort))
    if as_json:
        print_json([asdict(line) for line in lines])
        return
    if not lines:
        say(f"{folder} holds no run. Train one: mixkit train small_data --runs {folder}")
        return
    _show(lines)


def _key(sort: Order) -> "Callable[[Line], Any]":
    """What lines are sorted by; runs without it come last, and those that are level by name."""
    if sort == "newest":
        return lambda line: ([-ord(letter) for letter in line.started] or [1], line.run)
    if sort in ("run", "recipe", "task"):
        return lambda line: (getattr(line, sort), line.run)
    if sort in ("valid", "test"):
        return lambda line: (_rank(line, getattr(line, sort)), line.run)
    name = {"time": "seconds"}.get(sort, sort)
    return lambda line: (-getattr(line, name), line.run)


def _rank(line: "Line", value: float | None) -> tuple[bool, float]:
    from mixkit.recipe.figures import figure

    if value is None:
        return True, 0.0
    return False, value if figure(line.best).lower_is_better else -value


def _columns() -> list[Column]:
    from mixkit.recipe.figures import figure

    return [
        Column("run", lambda line: line.run, words=True),
        Column("recipe", lambda line: line.recipe, 6, words=True),
        Column("task", lambda line: line.task, 5, words=True),
        Column("seed", lambda line: "" if line.seed is None else str(line.seed), 8),
        Column("fold", lambda line: "" if line.fold is None else str(line.fold), 9),
        Column("state", lambda line: line.state, words=True),
        Column("epochs", lambda line: str(line.epochs), 4),
        Column("by", lambda line: line.best, 7, words=True),
        Column("valid", lambda line: figure(line.best).show(line.valid)),
        Column("test", lambda line: figure(line.best).show(line.test)),
        Column("time", lambda line: str(timedelta(seconds=round(line.seconds))), 3),
        Column("MB", lambda line: f"{line.size / 1e6:,.1f}", 2),
        Column("note", lambda line: line.note, 1, words=True),
    ]


def _show(lines: "Sequence[Line]") -> None:
    """Prints the columns for which there is room; no name is ever cut."""
    console = stdout()
    cells = {column: [printable(column.cell(line)) for line in lines] for column in _columns()}
    cells = {column: found for column, found in cells.items() if any(found)}
    room = console.width if console.is_terminal else None
    kept = [column for column in cells if not column.rank]
    for column in sorted(cells, key=lambda column: -column.rank):
        wide = _width({one: cells[one] for one in (*kept, column)})
        if column.rank and (room is None or wide <= room):
            kept.append(column)
    left_out = [column.title for column in cells if column not in kept]
    cells = {column: found for column, found in cells.items() if column in kept}
    rows = Table()
    for column in cells:
        side: Literal["left", "right"] = "left" if column.words else "right"
        rows.add_column(column.title, justify=side, overflow="fold", no_wrap=room is None)
    for texts in zip(*cells.values(), strict=True):
        rows.add_row(*map(Text, texts))
    if room is None:
        console.width = max(console.width, _width(cells))
    console.print(rows)
    if "by" in left_out and len({line.best for line in lines}) == 1:
        say(f"valid and test: {printable(lines[0].best)}, by which each run chooses its epoch.", "dim", console)
    if left_out:
        say(f"No room here for {', '.join(left_out)}; a wider terminal or --json has them.", "dim", console)


def _width(cells: "dict[Column, list[str]]") -> int:
    return 1 + sum(EDGES + max(map(cell_len, (column.title, *found))) for column, found in cells.items())
