"""The commands."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mixkit.cli.commands.ablate import ablate
from mixkit.cli.commands.bench import bench
from mixkit.cli.commands.data import data_app
from mixkit.cli.commands.look import look
from mixkit.cli.commands.new import new
from mixkit.cli.commands.report import compare, report
from mixkit.cli.commands.runs import runs
from mixkit.cli.commands.train import train
from mixkit.cli.options import AsJson, Device, Layers, Plugins, RecipeName, Settings, Trust
from mixkit.errors import MixkitError
from mixkit.version import __version__

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
app.command()(train)
app.command()(runs)
app.command()(look)
app.command()(bench)
app.command()(new)
app.command()(ablate)
app.command()(report)
app.command()(compare)

Listed = Literal[
    "operators",
    "recipes",
    "tasks",
    "features",
    "heads",
    "losses",
    "augmentations",
    "optimizers",
    "schedules",
    "metrics",
    "weights",
    "all",
]


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
def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    split: Annotated[Literal["train", "valid", "test"], typer.Option(help="Which clips.")] = "test",
    plugins: Plugins = None,
    trust: Trust = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Measure a trained run on a split of its task."""
    from mixkit.cli.commands import evaluate as training
    from mixkit.plugins.copies import load_for_run

    training.evaluate(run, split, device, as_json, load_for_run(run, plugins or (), trust))


@app.command()
def show(
    recipe: Annotated[
        str,
        typer.Argument(metavar="RECIPE|KIND.NAME", help="A recipe; or what there is by name, such as operator.roll."),
    ],
    layers: Layers = None,
    settings: Settings = None,
    plugins: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Show what a recipe comes to: settings and where each was written, the grid, all costs; or a thing by its name."""
    from mixkit.cli.commands import show as recipes
    from mixkit.cli.views import card as cards

    if cards.is_card(recipe):
        from mixkit.plugins.load import load_plugins

        if layers or settings:
            raise MixkitError(f"{recipe} is no recipe; --with and --set are for recipes. Leave them out.")
        load_plugins(plugins or ())
        cards.card(recipe, as_json)
        return
    recipes.show(_load(recipe, layers, settings, plugins), as_json)


@app.command()
def check(
    recipe: Annotated[
        str,
        typer.Argument(metavar="RECIPE|PLUGIN", help="A recipe, or a plugin: a .py file or a folder of them."),
    ],
    layers: Layers = None,
    settings: Settings = None,
    plugins: Plugins = None,
) -> None:
    """Find every mistake in a recipe, without data and without training; or try out all that a plugin registers."""
    from mixkit.cli.commands import check as check_plugin
    from mixkit.cli.commands import show as recipes

    if check_plugin.is_plugin(recipe):
        if layers or settings:
            raise MixkitError(f"{recipe} is a plugin; --with and --set are for recipes. Leave them out.")
        check_plugin.check(recipe, plugins or ())
        return
    recipes.check(_load(recipe, layers, settings, plugins))


@app.command(name="list")
def list_(
    what: Annotated[
        Listed,
        typer.Argument(metavar="[KIND]", help="operators, recipes, tasks, features, losses ... Without one, all."),
    ] = "all",
    plugins: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """List operators, recipes, tasks and all else that a recipe can name, each with a line about it."""
    from mixkit.cli.commands import show as recipes
    from mixkit.plugins.load import load_all_installed, load_plugins

    load_plugins(plugins or ())
    for fault in load_all_installed():
        typer.echo(f"left out: {fault}", err=True)
    recipes.list_all(what, as_json)


@app.command()
def copy(
    recipe: RecipeName, to: Annotated[Path, typer.Argument(metavar="TO", help="A file that is not there yet.")]
) -> None:
    """Copy a shipped recipe to a file of your own, to change it."""
    from mixkit.cli.commands import show as recipes

    recipes.copy(recipe, to)


RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or its best.safetensors.")]
Recordings = Annotated[
    list[str], typer.Argument(metavar="FILE|FOLDER|-...", help="Recordings, folders of them, or - for standard input.")
]
Overlap = Annotated[
    float, typer.Option(metavar="SHARE", help="Of a window, that the next one hears again, at least.", min=0, max=0.95)
]
BatchSize = Annotated[int, typer.Option(metavar="N", help="Windows that are heard at once.", min=1)]


@app.command()
def predict(
    run: RunFolder,
    recordings: Recordings,
    top: Annotated[int, typer.Option(metavar="K", help="How many classes to name.", min=1)] = 3,
    timeline: Annotated[bool, typer.Option("--timeline", help="Every window of a recording, too.")] = False,
    overlap: Overlap = 0.5,
    batch_size: BatchSize = 32,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object for each recording, a line each.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, a row for each recording or window.")] = False,
    plugins: Plugins = None,
    trust: Trust = None,
    device: Device = "auto",
) -> None:
    """Say what is heard in recordings of any length, sample rate and channel count."""
    from mixkit.cli.commands import predict as predicting
    from mixkit.cli.views.predictions import Form
    from mixkit.plugins.copies import load_for_run

    if as_json and as_csv:
        raise MixkitError("--json and --csv were both given. Choose one.")
    form = Form("json" if as_json else "csv" if as_csv else "table", top, timeline)
    predicting.predict(run, recordings, form, overlap, batch_size, device, load_for_run(run, plugins or (), trust))


@app.command()
def embed(
    run: RunFolder,
    recordings: Recordings,
    out: Annotated[Path, typer.Option(metavar="FILE", help="An .npz or .safetensors file.")],
    overlap: Overlap = 0.5,
    batch_size: BatchSize = 32,
    plugins: Plugins = None,
    trust: Trust = None,
    device: Device = "auto",
) -> None:
    """Write a vector for each recording: the pooled tokens ahead of the head."""
    from mixkit.cli.commands import predict as predicting
    from mixkit.plugins.copies import load_for_run

    predicting.embed(run, recordings, out, overlap, batch_size, device, load_for_run(run, plugins or (), trust))


@app.command()
def export(
    run: RunFolder,
    to: Annotated[Literal["onnx", "torch"], typer.Option(help="Kind of file: .onnx, or torch.export's .pt2.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where; model.onnx or model.pt2 here without.")
    ] = None,
    plugins: Plugins = None,
    trust: Trust = None,
) -> None:
    """Write a run as one file that needs no mixkit: waveform in, probabilities out."""
    from mixkit.cli.commands import export as exporting
    from mixkit.plugins.copies import load_for_run

    exporting.export(run, to, out, load_for_run(run, plugins or (), trust))


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Look over this machine: versions, devices, codecs, data, and a line of advice on each."""
    from mixkit.cli.commands import doctor as examining

    examining.doctor(as_json)


def _load(recipe: str, layers: list[str] | None, settings: list[str] | None, plugins: list[str] | None) -> "Recipe":
    from mixkit.plugins.load import load_plugins
    from mixkit.recipe.gin_file import load_recipe

    return load_recipe(recipe, layers or (), settings or (), load_plugins(plugins or ()))
