"""`mixkit train`: its options, and who is to run it."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mixkit.cli.options import Device, Layers, Plugins, Settings
from mixkit.errors import MixkitError

AUTO = "auto"


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
    gpus: Annotated[int | None, typer.Option(min=1, help="Share the work among so many GPUs of this machine.")] = None,
    max_restarts: Annotated[
        int, typer.Option(min=0, help="With --gpus: start all again so often after one has died.")
    ] = 0,
    runs: Annotated[Path, typer.Option(help="Folder of run folders.")] = Path("runs"),
    name: Annotated[str | None, typer.Option(help="Run folder; RECIPE/001 and on without.")] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN|auto", help="Go on with a run that was stopped; auto: with this RECIPE's, or start."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Build everything, take a few steps, estimate time and memory, and stop.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write figures for TensorBoard to RUN/tensorboard as well.")
    ] = False,
    trust: Annotated[
        str | None,
        typer.Option(metavar="DIGEST", help="With --resume: run the copies of plugins that the run keeps."),
    ] = None,
    allow_changes: Annotated[
        bool, typer.Option("--allow-changes", help="With --resume: go on although versions, data or machine differ.")
    ] = False,
) -> None:
    """Train a recipe, keep the epoch that is best on validation, and report it on test."""
    named = resume is not None and resume != AUTO
    if named and (recipe is not None or layers or settings or seed is not None or fold is not None or name is not None):
        raise MixkitError(f"--resume {resume} goes on with the recipe of that run. Leave the others out.")
    if not named and recipe is None:
        raise MixkitError("no RECIPE. Name one, such as asm_rh, or a run to go on with: --resume runs/asm_rh/001.")
    if gpus is not None and "WORLD_SIZE" not in os.environ:
        from mixkit.training.launch import launch

        code = launch(sys.argv[1:], gpus, max_restarts, device)
        if code:
            raise typer.Exit(code)
        return
    from mixkit.cli.commands import evaluate as training
    from mixkit.training.memory import keep_freed

    keep_freed()
    if resume is not None and named:
        training.resume(Path(resume), plugins or (), device, allow_changes, tensorboard, trust)
        return
    lines = [*(settings or []), *([] if seed is None else [f"train.seed = {seed}"])]
    if fold is not None:
        task = training.load(str(recipe), layers, lines, plugins).task.name
        lines.append(f"task.{task}.fold = {fold}")
    loaded = training.load(str(recipe), layers, lines, plugins)
    if dry_run:
        training.rehearse(loaded, device)
        return
    go_on = resume == AUTO
    training.train(loaded, plugins or (), device, runs, name, go_on, allow_changes, tensorboard)
