"""`mixkit report`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from mixkit.cli.options import Device, Folders, Plugins, RunSettings
from mixkit.cli.views.terminal import say


def report(
    folders: Folders,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder to write; `report` in the study or run without.")
    ] = None,
    errors: Annotated[int, typer.Option(min=0, max=50, help="Worst errors of each arm to show and play.")] = 4,
    watch: Annotated[
        bool, typer.Option("--watch", help="Follow runs that still train on a page that refreshes itself, then report.")
    ] = False,
    settings: RunSettings = None,
    plugins: Plugins = None,
    device: Device = "auto",
) -> None:
    """Make a page of studies or runs: tables with intervals and tests, figures, errors to listen to, commands."""
    from mixkit.cli.views.comparison import show
    from mixkit.plugins.load import load_plugins
    from mixkit.report import write
    from mixkit.report.run_plots import draw
    from mixkit.runs.folder import Run
    from mixkit.training.device import choose_device

    loaded, place, lines = load_plugins(plugins or ()), choose_device(device), tuple(settings or ())

    def tell(line: str) -> None:
        say(line, "dim")

    if watch and not _watched(folders, out):
        return
    page, found = write.report(folders, out, loaded, errors, place, tell, lines)
    for run in [Run(folder) for folder in folders]:
        if run.complete:
            draw(run, loaded, tell, lines, missing=True)
    show(found)
    say("")
    say(f"Wrote {page}, and beside it table.md, table.tex, runs.csv, answer.json and the figures.")


def _watched(folders: list[Path], out: Path | None) -> bool:
    """Follows the runs; whether all have ended."""
    from mixkit.report.watch import watch

    if watch(folders, out, say):
        return True
    say(f"No longer watched. To go on:  mixkit report {shlex.join(map(str, folders))} --watch")
    return False
