"""Train a recipe, and measure what came of it."""

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal

from mixkit.checkpoints.weights import load
from mixkit.cli.views.terminal import stdout
from mixkit.cli.views.trackers import Tracked
from mixkit.cli.views.training import Live
from mixkit.data.run_split import run_split
from mixkit.errors import MixkitError
from mixkit.model.patches import Size
from mixkit.recipe.schema import Recipe
from mixkit.report.run_plots import draw
from mixkit.runs.folder import Run
from mixkit.runs.results import Figures
from mixkit.training import loop
from mixkit.training.device import choose_device
from mixkit.training.display import TrainingDisplay
from mixkit.training.evaluate import evaluate_split
from mixkit.training.signals import interactive


def train(
    recipe: Recipe,
    runs: str | Path = "runs",
    name: str | None = None,
    device: str = "auto",
    display: TrainingDisplay | None = None,
    *,
    progress: bool | None = None,
    log: Sequence[Literal["tensorboard", "wandb", "mlflow"]] = (),
    go_on: bool = False,
    allow_changes: bool = False,
) -> Run:
    """Trains a recipe, keeps the best epoch on validation, reports it on test, and draws its figures.

    Args:
        recipe: what to train.
        runs: the folder of run folders.
        name: of the run folder; `RECIPE/001` and on without.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        display: is told how it goes; without one, what `progress` says.
        progress: print each epoch, with a bar where one can be drawn; None for yes where somebody types commands, in a
            notebook or an interpreter, and no in a program.
        log: trackers that are told, too, as with `--log`.
        go_on: with the run of that name, or without one the latest of the same recipe, if there is one.
        allow_changes: go on although a condition is another and the last bits will be, too.

    Returns:
        The run, complete.

    Raises:
        MixkitError: before anything is written, if the mistake can be seen by then.
        Stopped: a signal asked for it, such as an interrupt; the state is saved, and `go_on` goes on.
    """
    if isinstance(log, str):
        raise MixkitError(f"log = {log!r} is one name; give a list of them: log = [{log!r}].")
    if display is None:
        display = Live(stdout()) if progress or (progress is None and interactive()) else TrainingDisplay()
    if log:
        display = Tracked(display, log)
    with closing(display):
        run = loop.train(recipe, runs, name, device, display, go_on=go_on, allow_changes=allow_changes)
        if os.environ.get("RANK", "0") == "0":  # the first of several processes draws for all
            draw(run, recipe.plugins, display.say)
            display.ended(run, recipe.plugins)
    return run


def evaluate(
    run: str | os.PathLike[str],
    split: Literal["train", "valid", "test"] = "test",
    device: str = "auto",
    plugins: Sequence[str] = (),
    settings: Sequence[str] = (),
    *,
    allow_missing: bool = False,
    patch: int | Size | None = None,
) -> Figures:
    """Measures a trained run on a split of its task.

    Args:
        run: its folder.
        split: which clips.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        plugins: modules already loaded that its recipe may import.
        settings: lines that say where its data lie now.
        allow_missing: do without clips of the run that are not there any more.
        patch: bins and frames of a patch, or one number for both, for linear patches of another size than the run's.

    Raises:
        MixkitError: there is no such run, it cannot have such patches, or its recordings are not what they were.
    """
    place = choose_device(device)
    model = load(Path(run), place, tuple(plugins), tuple(settings), patch)
    return evaluate_split(model, run_split(model, split, allow_missing=allow_missing), split, place)
