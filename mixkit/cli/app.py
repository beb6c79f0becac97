"""The commands."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mixkit import __version__
from mixkit.cli.data import data_app
from mixkit.errors import MixkitError

if TYPE_CHECKING:
    from mixkit.recipe.schema import Recipe

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Declare a Mixer in a short gin file, train it, and learn which perspective of a sound earns its place.",
)
app.add_typer(data_app, name="data")

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
Device = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:N or mps.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"mixkit {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the code an error arose.")] = False,
) -> None:
    """Options of mixkit itself."""


@app.command()
def train(
    recipe: Annotated[
        str | None, typer.Argument(metavar="[RECIPE]", help="A gin file, or the name of a shipped recipe.")
    ] = None,
    layers: Layers = None,
    settings: Settings = None,
    plugins: Plugins = None,
    seed: Annotated[int | None, typer.Option(help='Short for --set "train.seed = N".')] = None,
    fold: Annotated[int | None, typer.Option(help='Short for --set "task.NAME.fold = N".')] = None,
    device: Device = "auto",
    runs: Annotated[Path, typer.Option(help="Folder of run folders.")] = Path("runs"),
    name: Annotated[str | None, typer.Option(help="Run folder; RECIPE/001 and on without.")] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with a run that was stopped, instead of a RECIPE.")
    ] = None,
) -> None:
    """Train a recipe, keep the epoch that is best on validation, and report it on test."""
    from mixkit.cli import training

    if resume is not None:
        if recipe is not None or layers or settings or seed is not None or fold is not None or name is not None:
            raise MixkitError(f"--resume {resume} goes on with the recipe of that run. Leave the others out.")
        training.resume(resume, plugins or (), device)
        return
    if recipe is None:
        raise MixkitError("no RECIPE. Name one, such as asm_rh, or a run to go on with: --resume runs/asm_rh/001.")
    lines = [*(settings or []), *([] if seed is None else [f"train.seed = {seed}"])]
    if fold is not None:
        task = _load(recipe, layers, lines, plugins).task.name
        lines.append(f"task.{task}.fold = {fold}")
    training.train(_load(recipe, layers, lines, plugins), plugins or (), device, runs, name)


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    split: Annotated[Literal["train", "valid", "test"], typer.Option(help="Which clips.")] = "test",
    plugins: Plugins = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Measure a trained run on a split of its task."""
    from mixkit.cli import training
    from mixkit.plugins import load_plugins

    training.evaluate(run, split, device, as_json, load_plugins(plugins or ()))


@app.command()
def show(
    recipe: RecipeName,
    layers: Layers = None,
    settings: Settings = None,
    plugins: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Show what a recipe comes to: settings and where each was written, the grid, and the cost of every operator."""
    from mixkit.cli import recipes

    recipes.show(_load(recipe, layers, settings, plugins), as_json)


@app.command()
def check(recipe: RecipeName, layers: Layers = None, settings: Settings = None, plugins: Plugins = None) -> None:
    """Find every mistake in a recipe, without data and without training."""
    from mixkit.cli import recipes

    recipes.check(_load(recipe, layers, settings, plugins))


@app.command(name="list")
def list_(
    what: Annotated[
        Literal["operators", "recipes", "tasks", "all"], typer.Argument(metavar="[operators|recipes|tasks]")
    ] = "all",
    plugins: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """List operators, recipes and tasks, each with a line about it."""
    from mixkit.cli import recipes
    from mixkit.plugins import load_plugins

    load_plugins(plugins or ())
    recipes.list_all(what, as_json)


@app.command()
def copy(
    recipe: RecipeName, to: Annotated[Path, typer.Argument(metavar="TO", help="A file that is not there yet.")]
) -> None:
    """Copy a shipped recipe to a file of your own, to change it."""
    from mixkit.cli import recipes

    recipes.copy(recipe, to)


def _load(recipe: str, layers: list[str] | None, settings: list[str] | None, plugins: list[str] | None) -> "Recipe":
    from mixkit.plugins import load_plugins
    from mixkit.recipe.gin_file import load_recipe

    return load_recipe(recipe, layers or (), settings or (), load_plugins(plugins or ()))
