"""Arguments and options that several commands share, so that they mean and say the same everywhere."""

from typing import Annotated

import typer

RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="A gin file, or the name of a shipped recipe.")]
Layers = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="NAME", help="Lay a fragment over the recipe, such as size/base. Repeatable."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="LINE", help='Lay a line over the recipe: "train.epochs = 5". Repeatable.'),
]
Plugins = Annotated[
    list[str] | None,
    typer.Option("--plugin", metavar="PATH", help="Load operators of your own: a file, a folder or a module."),
]
Trust = Annotated[
    str | None,
    typer.Option(metavar="DIGEST", help="Run the copies of plugins that the run keeps, if they are these very ones."),
]
Device = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:N or mps.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]
