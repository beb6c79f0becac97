"""`mixkit ablate`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from mixkit.cli import completion, options
from mixkit.cli.options import Device, Jobs, Layers, Plugins, Settings
from mixkit.cli.studying import carry_out, folds_of, seeds_of


def ablate(
    asked: Annotated[
        str,
        typer.Argument(
            metavar="STUDY|RECIPE",
            help="A study file, or a recipe, whose parts are then compared.",
            autocompletion=completion.studies,
        ),
    ],
    layers: Layers = None,
    settings: Settings = None,
    epochs: options.Epochs = None,
    learning_rate: options.LearningRate = None,
    batch_size: options.StepClips = None,
    plugins: Plugins = None,
    seeds: Annotated[str | None, typer.Option(metavar="0,1,2", help="Train each arm with each of them.")] = None,
    folds: Annotated[str | None, typer.Option(metavar="all|1,2", help="And on each of these folds.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One seed, a few epochs: to see it work.")] = False,
    jobs: Jobs = None,
    engine: Annotated[
        Literal["local", "slurm"], typer.Option(help="This machine, or a cluster (needs the extra slurm).")
    ] = "local",
    device: Device = "auto",
    minutes: Annotated[
        float | None, typer.Option(metavar="N", min=0.001, help="End a run that takes longer: it has failed.")
    ] = None,
    allow_changes: Annotated[
        bool,
        typer.Option("--allow-changes", help="Go on with half-done runs though versions, data or machine differ."),
    ] = False,
    runs: Annotated[Path, typer.Option(help="Folder of the study's folder.")] = Path("runs"),
    name: Annotated[str | None, typer.Option(help="Of the study's folder; that of the study without.")] = None,
) -> None:
    """Compare: which part of a network earns its place? What is done already is not done again."""
    from mixkit.plugins.load import load_plugins
    from mixkit.study.definition import study_of

    loaded = load_plugins(plugins or ())
    study = study_of(asked, loaded)
    study = replace(
        study,
        added_layers=tuple(layers or ()),
        added=tuple(options.lines_of(settings, epochs, learning_rate, batch_size)),
        seeds=study.seeds if seeds is None else seeds_of(seeds),
        folds=study.folds if folds is None else folds_of(folds),
    )
    carry_out(
        study,
        runs,
        name or (f"{study.name}-quick" if quick else study.name),
        plugins or (),
        loaded,
        quick=quick,
        engine=engine,
        jobs=jobs,
        device=device,
        minutes=minutes,
        allow_changes=allow_changes,
    )
