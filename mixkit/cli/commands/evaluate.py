"""`mixkit evaluate`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mixkit.cli.options import AsJson, Device, Plugins, Trust, load_model
from mixkit.cli.views.terminal import print_json, say, stdout


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    split: Annotated[Literal["train", "valid", "test"], typer.Option(help="Which clips.")] = "test",
    plugins: Plugins = None,
    trust: Trust = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Measure a trained run on a split of its task."""
    from mixkit.cli.views.results import classes, show_results
    from mixkit.registry import task
    from mixkit.training.device import choose_device
    from mixkit.training.evaluate import evaluate_split
    from mixkit.training.memory import keep_freed

    keep_freed()
    place = choose_device(device)
    model = load_model(run, plugins, trust)
    found = evaluate_split(model, split, place)
    protocol = task.build(model.recipe.task).protocol
    if as_json:
        document = {"run": str(run), "protocol": protocol, "split": split, "refit": model.refit}
        print_json({**document, split: found.to_json()})
        return
    say(f"{model.recipe.name} on {model.recipe.task.name} ({protocol})")
    if model.refit:
        heard = "test" if split == "test" else f"{split}, trained on"
        title = "figures of the network refitted on training and validation together"
        show_results({heard: found}, model.recipe.train.best, title)
    else:
        show_results({split: found}, model.recipe.train.best)
    stdout().print(classes(found))
