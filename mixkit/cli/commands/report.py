"""`mixkit report` and `mixkit compare`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mixkit.cli.options import AsJson, Device, Plugins

if TYPE_CHECKING:
    from rich.console import Console

    from mixkit.report.comparison import Answer

Folders = Annotated[list[Path], typer.Argument(metavar="RUN|STUDY...", help="Folders of runs or studies.")]


def report(
    folders: Folders,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder to write; `report` in the study or run without.")
    ] = None,
    errors: Annotated[int, typer.Option(min=0, max=50, help="Worst errors of each arm to show and play.")] = 4,
    plugins: Plugins = None,
    device: Device = "auto",
) -> None:
    """Make a page of studies or runs: tables with intervals and tests, figures, errors to listen to, commands."""
    from rich.console import Console

    from mixkit.cli.views.training import say
    from mixkit.plugins.load import load_plugins
    from mixkit.report import write
    from mixkit.training.device import choose_device

    console = Console(highlight=False)
    loaded, place = load_plugins(plugins or ()), choose_device(device)
    page, found = write.report(folders, out, loaded, errors, place, lambda line: say(console, line, "dim"))
    show(found, console)
    console.print()
    say(console, f"Wrote {page}, and beside it table.md, table.tex, runs.csv, answer.json and the figures.")


def compare(
    folders: Folders,
    plugins: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Print runs and studies beside each other; the first recipe is the base."""
    from rich.console import Console

    from mixkit.plugins.load import load_plugins
    from mixkit.report import formats, write

    found = write.compare(folders, load_plugins(plugins or ()))
    if as_json:
        print(formats.to_json(found), end="")  # noqa: T201
        return
    show(found, Console(highlight=False))


def show(found: "Answer", console: "Console") -> None:
    """The answer in a terminal: tables, caption, stamps and notes."""
    from mixkit.cli.views.training import say
    from mixkit.report import formats, tables
    from mixkit.report.captions import caption, notes, stamps, summary

    for stamp in stamps(found.evidence):
        say(console, stamp, "bold yellow")
    say(console, caption(found.evidence))
    console.print()
    metrics = tables.further(found, found.evidence.metrics)
    for grid in (tables.figures(found), metrics, tables.costs(found), tables.paper(found)):
        if grid.rows:
            console.print(formats.rich_table(grid))
    if sentence := summary(found):
        say(console, sentence, "bold")
    for note in notes(found):
        say(console, f"- {note}")
