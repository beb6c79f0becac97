"""`mixkit runs`: what stands in a folder of runs."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mixkit.cli.options import AsJson
from mixkit.errors import printable


def runs(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="A folder of run folders.")] = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """List runs: state, best figure, time, size."""
    from mixkit.runs.overview import overview
    from mixkit.training.metrics import per_cent

    lines = overview(folder)
    if as_json:
        print(json.dumps([line.to_json() for line in lines], indent=2))  # noqa: T201
        return
    table = Table()
    for column in ("run", "state", "epochs", "best valid", "test", "time", "MB", "note"):
        table.add_column(column, justify="left" if column in ("run", "state", "note") else "right")
    for line in lines:
        cells = [str(line.epochs), per_cent(line.valid), per_cent(line.test)]
        cells += [str(timedelta(seconds=round(line.seconds))), f"{line.size / 1e6:,.1f}"]
        table.add_row(Text(printable(line.run)), line.state, *cells, Text(printable(line.note)))
    Console(highlight=False).print(table if lines else Text(f"{printable(str(folder))} holds no run."))
