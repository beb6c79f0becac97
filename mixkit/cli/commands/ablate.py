"""`mixkit ablate`."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mixkit.cli.options import Device, Layers, Plugins, Settings
from mixkit.cli.views.terminal import say, stdout

if TYPE_CHECKING:
    from mixkit.study.definition import Folds
    from mixkit.study.engine import Engine

QUICK = "A quick look: one seed and a few epochs. It shows that everything works; its figures prove nothing."


def ablate(
    asked: Annotated[
        str, typer.Argument(metavar="STUDY|RECIPE", help="A study file, or a recipe, whose parts are then compared.")
    ],
    layers: Layers = None,
    settings: Settings = None,
    plugins: Plugins = None,
    seeds: Annotated[str | None, typer.Option(metavar="0,1,2", help="Train each arm with each of them.")] = None,
    folds: Annotated[str | None, typer.Option(metavar="all|1,2", help="And on each of these folds.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One seed, a few epochs: to see it work.")] = False,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Runs at once; one a GPU or a core without.")
    ] = None,
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
    from mixkit.cli.views.study import Shown, size_of
    from mixkit.plugins.load import load_plugins
    from mixkit.runs.folder import expect_name
    from mixkit.study.definition import Study, load_study
    from mixkit.study.driver import StudyFailed, drive
    from mixkit.study.plan import plan

    loaded = load_plugins(plugins or ())
    study = load_study(asked, loaded) or Study(f"{Path(asked).stem}-ablation", asked)
    study = replace(
        study,
        added_layers=tuple(layers or ()),
        added=tuple(settings or ()),
        seeds=study.seeds if seeds is None else _numbers("--seeds", seeds, "0,1,2"),
        folds=study.folds if folds is None else _folds(folds),
    )
    called = name or (f"{study.name}-quick" if quick else study.name)
    expect_name(called)
    folder = runs / called
    planned = plan(study, folder, tuple(plugins or ()), loaded, quick)
    carried_out_by = engine_of(engine, folder, jobs, device, minutes)
    for note in (*planned.notes, *([QUICK] if quick else []), f"{study.name}: {size_of(planned.record)}."):
        say(note)
    try:
        with Shown(stdout(), planned.record) as display:
            limit = None if engine == "slurm" else minutes  # there jobs also queue
            drive(planned, carried_out_by, display, device, limit, allow_changes)
    except StudyFailed:
        _tell(folder, plugins or (), loaded)
        raise
    _tell(folder, plugins or (), loaded)


def _tell(folder: Path, plugins: Sequence[str], loaded: tuple[str, ...]) -> None:
    """What the runs that are done come to, and what can be done with them."""
    from mixkit.cli.views.comparison import show
    from mixkit.report.write import compare

    if any((folder / "runs").glob("*/results.json")):
        say("")
        show(compare([folder], loaded))
        say("")
    say(f"All of it is in {folder}: study.json, runs/, logs/.")
    command = shlex.join(["mixkit", "report", str(folder), *(part for path in plugins for part in ("--plugin", path))])
    say(f"Next:  {command}    a page: figures, errors to listen to, commands")


def engine_of(kind: str, folder: Path, jobs: int | None, device: str, minutes: float | None) -> "Engine":
    """What carries out the runs, by the options of a command."""
    if kind == "slurm":
        from mixkit.study.slurm import Slurm

        return Slurm(folder / "slurm", jobs, device, minutes)
    from mixkit.study.local import Local, gpus, usual_jobs

    found = gpus(device)
    return Local(jobs or usual_jobs(found, device), found)


def _folds(text: str) -> "Folds":
    from mixkit.errors import SettingError
    from mixkit.study.keys import expect_each_once
    from mixkit.values import fold_value

    if text == "all":
        return "all"
    folds = tuple(fold_value(part.strip()) for part in text.split(","))
    if "" in folds:
        raise SettingError("--folds", f"is {text!r}. It takes folds, such as 1,2, or all.")
    expect_each_once("--folds", folds)
    return folds


def _numbers(option: str, text: str, example: str) -> tuple[int, ...]:
    from mixkit.errors import SettingError
    from mixkit.study.keys import expect_each_once

    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) < 10 for part in parts):
        raise SettingError(option, f"is {text!r}. It takes numbers, such as {example}.")
    numbers = tuple(map(int, parts))
    expect_each_once(option, numbers)
    return numbers
