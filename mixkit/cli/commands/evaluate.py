"""`mixkit evaluate`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mixkit.cli.options import AsJson, Device, Plugins, RunSettings, Trust, load_model
from mixkit.cli.views.terminal import print_json, say, stdout


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    split: Annotated[Literal["train", "valid", "test"], typer.Option(help="Which clips.")] = "test",
    settings: RunSettings = None,
    plugins: Plugins = None,
    trust: Trust = None,
    device: Device = "auto",
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Do without clips of the run that are not there any more.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure a trained run on a split of its task."""
    from mixkit.cli.views.results import classes, show_results
    from mixkit.data.run_split import run_split
    from mixkit.training.device import choose_device
    from mixkit.training.evaluate import evaluate_split
    from mixkit.training.memory import keep_freed

    keep_freed()
    place = choose_device(device)
    model = load_model(run, plugins, trust, settings=settings)
    splits = run_split(model, split, allow_missing=allow_missing)
    found, protocol = evaluate_split(model, splits, split, place), splits.protocol
    if as_json:
        document = {"run": str(run), "protocol": protocol, "split": split, "refit": model.refit}
        print_json({**document, "clips": splits.differ.to_json(), split: found.to_json()})
        return
    say(f"{model.recipe.name} on {model.recipe.task.name} ({protocol})")
    if model.refit:
        heard = "test" if split == "test" else f"{split}, trained on"
        title = "figures of the network refitted on training and validation together"
        show_results({heard: found}, model.recipe.train.best, title)
    else:
        show_results({split: found}, model.recipe.train.best)
    stdout().print(classes(found))
