"""Compare networks over seeds and folds."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from mixkit.cli.views.study import Shown
from mixkit.cli.views.terminal import stdout
from mixkit.plugins.load import load_plugins
from mixkit.report.comparison import Comparison
from mixkit.report.write import compare
from mixkit.runs.folder import expect_name
from mixkit.study.definition import study_of
from mixkit.study.driver import drive
from mixkit.study.local import engine_for
from mixkit.study.plan import plan


def ablate(
    study: str | Path,
    settings: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
    folds: Sequence[int | str] | Literal["all"] | None = None,
    *,
    quick: bool = False,
    device: str = "auto",
    runs: str | Path = "runs",
    plugins: tuple[str, ...] = (),
) -> Comparison:
    """Compares: which part of a network earns its place? What is done already is not done again.

    Each run is a process of its own, as with `mixkit ablate`, which can also name jobs, limits and a cluster.

    Args:
        study: a study file or a recipe, whose parts are then compared; a path, or the name of a shipped one.
        settings: lines over every arm.
        seeds: each arm is trained with each of them; those of the study without.
        folds: and on each of these folds.
        quick: one seed and a few epochs, to see it work.
        device: for every run.
        runs: folder of the study's folder.
        plugins: files or modules, as for `load_plugins`.

    Returns:
        The arms, compared; the study's folder is `RUNS/NAME`, for `mixkit.report`.

    Raises:
        MixkitError: the study is wrong.
        StudyFailed: runs have failed.
    """
    loaded = load_plugins(plugins)
    found = study_of(study, loaded)
    found = replace(
        found,
        added=tuple(settings),
        seeds=found.seeds if seeds is None else tuple(seeds),
        folds=found.folds if folds is None else "all" if folds == "all" else tuple(folds),
    )
    called = f"{found.name}-quick" if quick else found.name
    expect_name(called)
    folder = Path(runs) / called
    planned = plan(found, folder, plugins, loaded, quick)
    with Shown(stdout(), planned.record) as display:
        drive(planned, engine_for(device), display, device)
    return compare([folder], loaded)
