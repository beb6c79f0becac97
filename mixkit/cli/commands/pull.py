"""`mixkit pull`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from mixkit.cli.commands.train import Runs
from mixkit.cli.options import Plugins, Repository
from mixkit.cli.views.terminal import say


def pull(
    repository: Repository,
    runs: Runs = Path("runs"),
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Of the run folder; that of the repository.")] = None,
    revision: Annotated[str | None, typer.Option(metavar="REVISION", help="A branch, tag or commit.")] = None,
    plugins: Plugins = None,
) -> None:
    """Fetch a run from the Hugging Face Hub as a run folder, to predict, evaluate and fine-tune. It runs no code."""
    from mixkit.export import hub
    from mixkit.plugins.load import load_plugins
    from mixkit.runs.records import read_best

    folder = runs / (name or repository.split("/")[-1])
    run = hub.pull(repository, folder, revision, load_plugins(plugins or ()))
    if run.complete:
        say(f"{run.results().summary(read_best(run.folder))}.")
    say(f"{run.folder} has the run.  Next:  {shlex.join(['mixkit', 'predict', str(run.folder), 'clip.wav'])}")
