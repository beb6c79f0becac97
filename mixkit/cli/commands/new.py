"""`mixkit new`."""

import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from mixkit.registry import REGISTRIES


def new(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help=f"{', '.join([*REGISTRIES][:-1])} or {[*REGISTRIES][-1]}.")
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="By which recipes will know it: letters, digits and _.")],
    like: Annotated[
        str | None, typer.Option(metavar="OPERATOR", help="Begin with the settings and the work of another operator.")
    ] = None,
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to write the two files.")] = Path("plugins"),
) -> None:
    """Write a plugin to begin with, an example that works, and its test."""
    from mixkit.scaffold.new import scaffold

    plugin, test = (shlex.quote(str(path)) for path in scaffold(kind, name, to, like))
    typer.echo(f"Wrote {plugin} and {test}.")
    typer.echo(f"Next:  mixkit check {plugin}")
    typer.echo(f"       pytest {test}" + ("" if find_spec("pytest") else "  # pip install pytest"))
