"""A study carried out from the command line: that of `mixkit ablate`, and one recipe over seeds and folds."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mixkit.cli.views.terminal import say, stdout

if TYPE_CHECKING:
    from mixkit.study.definition import Folds, Study
    from mixkit.study.engine import Engine

QUICK = "A quick look: one seed and a few epochs. It shows that everything works; its figures prove nothing."


def carry_out(
    study: "Study",
    runs: Path,
    name: str,
    plugins: Sequence[str],
    loaded: tuple[str, ...],
    *,
    quick: bool = False,
    engine: Literal["local", "slurm"] = "local",
    jobs: int | None = None,
    device: str = "auto",
    minutes: float | None = None,
    allow_changes: bool = False,
) -> None:
    """Runs what is not done yet, and says what came of all of it.

    Args:
        study: what is run.
        runs: folder of the study's folder.
        name: of the study's folder.
        plugins: as the user named them.
        loaded: what they are imported as.
        quick: one seed, one fold and a few epochs.
        engine: this machine, or a cluster.
        jobs: runs at once; None for what the machine has room for.
        device: for every run.
        minutes: a run that takes longer has failed; None for no limit.
        allow_changes: go on with half-done runs although versions, data or machine differ.

    Raises:
        MixkitError: an arm cannot be used, the folder cannot be written, or runs have failed.
    """
    from mixkit.cli.views.study import Shown, size_of
    from mixkit.runs.folder import expect_name
    from mixkit.study.driver import StudyFailed, drive
    from mixkit.study.plan import plan

    expect_name(name)
    folder = runs / name
    planned = plan(study, folder, tuple(plugins), loaded, quick)
    carried_out_by = engine_of(engine, folder, jobs, device, minutes)
    for note in (*planned.notes, *([QUICK] if quick else []), f"{study.name}: {size_of(planned.record)}."):
        say(note)
    try:
        with Shown(stdout(), planned.record) as display:
            limit = None if engine == "slurm" else minutes  # there jobs also queue
            drive(planned, carried_out_by, display, device, limit, allow_changes)
    except StudyFailed:
        _tell(folder, plugins, loaded)
        raise
    _tell(folder, plugins, loaded)


def repeated(
    recipe: str,
    layers: Sequence[str] | None,
    lines: Sequence[str],
    seeds: str | None,
    folds: str | None,
    plugins: Sequence[str] | None,
) -> "tuple[Study, tuple[str, ...]]":
    """One recipe over several seeds, folds or both: a study of one arm.

    Args:
        recipe: the name of one, or a path.
        layers: fragments over it.
        lines: `--set` lines over that.
        seeds: as `--seeds` names them; None for the seed of the recipe.
        folds: as `--folds` names them; None for what the recipe says.
        plugins: as the user named them.

    Returns:
        The study, and the plugins as they are imported.

    Raises:
        MixkitError: the recipe cannot be used, or seeds or folds are none.
    """
    from mixkit.plugins.load import load_plugins
    from mixkit.recipe.gin_file import load_recipe
    from mixkit.study.definition import Study

    loaded, fragments = load_plugins(plugins or ()), tuple(layers or ())
    seed = load_recipe(recipe, fragments, lines, loaded).train.seed
    study = Study(
        "-".join((*(Path(part).stem for part in (recipe, *fragments)), "runs")),
        recipe,
        layers=fragments,
        settings=tuple(lines),
        seeds=(seed,) if seeds is None else seeds_of(seeds),
        folds=None if folds is None else folds_of(folds),
    )
    return study, loaded


def _tell(folder: Path, plugins: Sequence[str], loaded: tuple[str, ...]) -> None:
    """What the runs that are done come to, and what can be done with them."""
    from mixkit.cli.views.comparison import show
    from mixkit.plugins.load import as_options
    from mixkit.report.write import compare

    if any((folder / "runs").glob("*/results.json")):
        say("")
        show(compare([folder], loaded))
        say("")
    say(f"All of it is in {folder}: study.json, runs/, logs/.")
    command = f"mixkit report {shlex.quote(str(folder))}{as_options(plugins)}"
    say(f"Next:  {command}    a page: figures, errors to listen to, commands")


def engine_of(kind: str, folder: Path, jobs: int | None, device: str, minutes: float | None) -> "Engine":
    """What carries out the runs, by the options of a command."""
    if kind == "slurm":
        from mixkit.study.slurm import Slurm

        return Slurm(folder / "slurm", jobs, device, minutes)
    from mixkit.study.local import engine_for

    return engine_for(device, jobs)


def folds_of(text: str) -> "Folds":
    """What `--folds` says.

    Raises:
        SettingError: it names no folds, or one twice.
    """
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


def seeds_of(text: str) -> tuple[int, ...]:
    """What `--seeds` says.

    Raises:
        SettingError: it names no numbers, or one twice.
    """
    from mixkit.errors import SettingError
    from mixkit.study.keys import expect_each_once

    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) < 10 for part in parts):
        raise SettingError("--seeds", f"is {text!r}. It takes numbers, such as 0,1,2.")
    numbers = tuple(map(int, parts))
    expect_each_once("--seeds", numbers)
    return numbers
