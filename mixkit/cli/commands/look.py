"""`mixkit look`: pictures of what a network mixes."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mixkit.cli import completion
from mixkit.cli.options import Layers, Plugins, Settings, Trust, load, load_model
from mixkit.cli.views.terminal import say
from mixkit.errors import MixkitError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from mixkit.model.classifier import Classifier

CLIPS = 32
"""Clips of the validation split that a trained network is looked at with."""

SHOWN = 6
"""Layers in a picture, unless they are named."""


def look(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|RUN", help="A recipe, or a run folder.", autocompletion=completion.recipes_and_runs
        ),
    ],
    layers: Layers = None,
    settings: Settings = None,
    plugins: Plugins = None,
    trust: Trust = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="F,T", help="The token: frequency and time on the grid; the middle.")
    ] = None,
    layer: Annotated[list[int] | None, typer.Option(help="A layer, from 0. Repeatable; six of them without.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where; RUN/figures, or look, without.")] = None,
) -> None:
    """Draw what every operator mixes, and for a trained run how much each branch changes."""
    from mixkit.cli.views.picture import write_png
    from mixkit.model.classifier import build
    from mixkit.storage.atomic import writing

    run = Path(what) if (Path(what) / "recipe.gin").is_file() else None
    features = None
    if run is None:
        model = build(load(what, layers, settings, plugins), 10)
    elif layers:
        raise MixkitError(f"{run} is a run, with a recipe of its own. Leave --with out.")
    else:
        model = load_model(run, plugins, trust, settings=settings)
        features = clips_of(model)
        if model.refit:
            say("The clips it is shown are of validation, on which it was trained, too (train.refit).")
    pictures, said = looked_at(model, features, _token(at), layer or ())
    folder = out or (run / "figures" if run else Path("look"))
    fix = "Free the disk, or name another folder with --out."
    with writing(folder, fix=fix):
        folder.mkdir(parents=True, exist_ok=True)
    for sentence in said:
        say(sentence)
    drawn = [file for file, draw in pictures.items() if write_png(folder / file, draw, fix)]
    if not drawn:
        raise MixkitError("nothing could be drawn.")
    say(f"Drawn in {folder}: {', '.join(drawn)}.")


def looked_at(
    model: "Classifier", features: "Tensor | None", at: tuple[int, int] | None, layers: Sequence[int]
) -> "tuple[dict[str, Callable[[], Figure]], list[str]]":
    """What draws each picture, by its file, and what there is to say.

    Args:
        model: fresh, or trained.
        features: of clips that a trained one is shown; None for noise.
        at: the token, as frequency and time on the grid; None for the middle.
        layers: those that are named, or none.
    """
    from mixkit.explain import plots
    from mixkit.explain.influence import LOOKED, changes, influences

    depth = len(model.expect_mixer(LOOKED).blocks)
    chosen = layers or sorted({round(step * (depth - 1) / max(1, min(SHOWN, depth) - 1)) for step in range(SHOWN)})
    found = list(influences(model, features, at, [number for number in chosen if layers or number < depth]))
    pictures: dict[str, Callable[[], Figure]] = {}
    said = []
    for name in dict.fromkeys(one.name for one in found):
        own = [one for one in found if one.name == name]
        first = [one for one in own if one.branch == own[0].branch]
        pictures[f"look_{name}.png"] = partial(plots.mixing, first)
        said.append(f"{plots.shares(own)}.")
    if features is not None:
        pictures["look_branches.png"] = partial(plots.used, changes(model, features))
    return pictures, said


def clips_of(model: "Classifier") -> "Tensor":
    """Features of clips of the validation split, from all over it."""
    import torch

    from mixkit.data.run_split import run_split

    splits = run_split(model, "valid", allow_missing=True)
    count = len(splits.clips["valid"])
    waveform = splits.batch("valid", [round(n * (count - 1) / max(1, CLIPS - 1)) for n in range(min(CLIPS, count))])
    with torch.no_grad():
        return model.features(waveform)


def _token(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        frequency, time = (int(part) for part in text.split(","))
    except ValueError:
        raise MixkitError(f"--at {text} is no place on the grid. Write frequency,time, such as --at 3,10.") from None
    return frequency, time
