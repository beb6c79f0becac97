"""`mixkit copy`."""

from pathlib import Path
from typing import Annotated

import typer

from mixkit.cli.options import RecipeName
from mixkit.cli.views.terminal import say


def copy(
    recipe: RecipeName, to: Annotated[Path, typer.Argument(metavar="TO", help="A file that is not there yet.")]
) -> None:
    """Copy a shipped recipe to a file of your own, to change it."""
    from mixkit.recipe import catalog

    written = catalog.copy(recipe, to)
    say(f"Wrote {written}. Next:  mixkit show {written}")
