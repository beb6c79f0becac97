"""`mixkit push`."""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from mixkit.cli.options import Repository, RunFolder
from mixkit.cli.views.terminal import say
from mixkit.errors import MixkitError


def push(
    run: RunFolder,
    repository: Repository,
    public: Annotated[
        bool, typer.Option("--public", help="Anyone may see the repository, if it is a new one.")
    ] = False,
    dry_run: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write what would be sent into a new folder, and send nothing."),
    ] = None,
) -> None:
    """Send a complete run to the Hugging Face Hub: weights, recipe, figures, and a model card made from them."""
    from mixkit.export import hub
    from mixkit.storage.atomic import writing

    with ExitStack() as stack:
        if dry_run is None:
            folder = Path(stack.enter_context(TemporaryDirectory()))
        else:
            if dry_run.exists():
                raise MixkitError(f"--dry-run {dry_run} is already there. Name a folder that is not.")
            with writing(dry_run):
                dry_run.mkdir(parents=True)
            folder = dry_run
        for line in hub.stage(run, folder, repository):
            say(f"The recipe in it names a place of this machine: {line}")
        if dry_run is None:
            say(f"{hub.push(folder, repository, public)} has the run now.")
            return
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        say(f"{path.relative_to(folder)}  {path.stat().st_size:,} bytes")
    say(f"Nothing was sent; {folder} has what would be.")
