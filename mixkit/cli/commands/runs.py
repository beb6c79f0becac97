"""`mixkit runs`."""

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from mixkit.cli.options import AsJson
from mixkit.cli.views.terminal import print_json, stdout, table
from mixkit.errors import printable


def runs(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of run folders.")] = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """List runs: state, best figure, time, size."""
    from mixkit.recipe.figures import figure
    from mixkit.runs.overview import overview

    lines = overview(folder)
    if as_json:
        print_json([asdict(line) for line in lines])
        return
    rows = table("run", "state", "epochs", "by", "best valid", "test", "time", "MB", "note", left=2)
    for column in (3, -1):
        rows.columns[column].justify = "left"
    for line in lines:
        best = figure(line.best)
        cells = [str(line.epochs), printable(line.best), best.show(line.valid), best.show(line.test)]
        cells += [str(timedelta(seconds=round(line.seconds))), f"{line.size / 1e6:,.1f}"]
        rows.add_row(Text(printable(line.run)), line.state, *cells, Text(printable(line.note)))
    stdout().print(rows if lines else Text(f"{printable(str(folder))} holds no run."))
