"""Arguments and options that several commands share, so that they mean and say the same everywhere."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mixkit.cli import completion

if TYPE_CHECKING:
    from mixkit.model.classifier import Classifier
    from mixkit.recipe.schema import Recipe

RecipeName = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE", help="A gin file, or the name of a shipped recipe.", autocompletion=completion.recipes
    ),
]
RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run folder, or its best.safetensors.", autocompletion=completion.runs)
]
Repository = Annotated[str, typer.Argument(metavar="USER/NAME", help="A model repository of the Hugging Face Hub.")]
Folders = Annotated[
    list[Path],
    typer.Argument(metavar="RUN|STUDY...", help="Folders of runs or studies.", autocompletion=completion.runs),
]
Recordings = Annotated[
    list[str], typer.Argument(metavar="FILE|FOLDER|-...", help="Recordings, folders of them, or - for standard input.")
]
Layers = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="NAME",
        help="Lay a fragment over the recipe, such as size/base. Repeatable.",
        autocompletion=completion.fragments,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="LINE", help='Lay a line over the recipe: "train.epochs = 5". Repeatable.'),
]
Epochs = Annotated[int | None, typer.Option(metavar="N", min=1, help='Short for --set "train.epochs = N".')]
LearningRate = Annotated[
    float | None, typer.Option("--lr", metavar="X", help='Short for --set "train.learning_rate = X".')
]
StepClips = Annotated[
    int | None, typer.Option("--batch-size", metavar="N", min=1, help='Short for --set "train.batch_size = N".')
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
Jobs = Annotated[int | None, typer.Option(metavar="N", min=1, help="Runs at once; one a GPU or a core without.")]
Overlap = Annotated[
    float, typer.Option(metavar="SHARE", help="Of a window, that the next one hears again, at least.", min=0, max=0.95)
]
BatchSize = Annotated[int, typer.Option(metavar="N", help="Windows that are heard at once.", min=1)]
Patch = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="Linear patches of another size than the run's: 20, or bins x frames as 16x8."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]


def lines_of(
    settings: Sequence[str] | None, epochs: int | None = None, rate: float | None = None, batch_size: int | None = None
) -> list[str]:
    """The lines of `--set`, and those that the short forms of the commonest ones stand for, which win."""
    short = {"train.epochs": epochs, "train.learning_rate": rate, "train.batch_size": batch_size}
    return [*(settings or ()), *(f"{key} = {value!r}" for key, value in short.items() if value is not None)]


def load(
    recipe: str, layers: Sequence[str] | None, settings: Sequence[str] | None, plugins: Sequence[str] | None
) -> "Recipe":
    """The recipe that these arguments mean, with its plugins loaded."""
    from mixkit.plugins.load import load_plugins
    from mixkit.recipe.gin_file import load_recipe

    return load_recipe(recipe, layers or (), settings or (), load_plugins(plugins or ()))


RunSettings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="LINE", help="Where the data lie now: \"task.folder.root = 'moved'\". Repeatable."),
]


def load_model(
    run: Path,
    plugins: Sequence[str] | None,
    trust: str | None,
    device: str = "cpu",
    settings: Sequence[str] | None = None,
    patch: str | None = None,
) -> "Classifier":
    """The trained network of a run on a device, with the plugins that it needs loaded."""
    from mixkit.checkpoints.weights import load as load_weights
    from mixkit.model.patches import patch_size
    from mixkit.plugins.copies import load_for_run
    from mixkit.training.device import choose_device

    loaded = load_for_run(run, plugins or (), trust)
    size = None if patch is None else patch_size(patch)
    return load_weights(run, choose_device(device), loaded, tuple(settings or ()), size)
