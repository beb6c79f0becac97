"""`mixkit train`."""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mixkit.cli.options import Device, Jobs, Layers, Plugins, Settings, load
from mixkit.cli.studying import carry_out, repeated
from mixkit.cli.views.terminal import say, stderr, stdout
from mixkit.errors import MixkitError
from mixkit.values import fold_value

if TYPE_CHECKING:
    from mixkit.recipe.schema import Recipe
    from mixkit.runs.folder import Run

AUTO = "auto"


def train(
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help="A gin file, or the name of a shipped recipe.")
    ] = None,
    layers: Layers = None,
    settings: Settings = None,
    plugins: Plugins = None,
    seed: Annotated[int | None, typer.Option(help='Short for --set "train.seed = N".')] = None,
    fold: Annotated[str | None, typer.Option(help='Short for --set "task.NAME.fold = N".')] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="0,1,2", help="A run with each of them, and what they come to together.")
    ] = None,
    folds: Annotated[
        str | None, typer.Option(metavar="all|1,2", help="A run that tests each of these folds, and what they come to.")
    ] = None,
    jobs: Jobs = None,
    init: Annotated[
        str | None,
        typer.Option("--from", metavar="RUN", help="Fine-tune a run: start from its weights, as far as they fit."),
    ] = None,
    device: Device = "auto",
    gpus: Annotated[int | None, typer.Option(min=1, help="Share the work among so many GPUs of this machine.")] = None,
    max_restarts: Annotated[
        int, typer.Option(min=0, help="With --gpus: start all again so often after one has died.")
    ] = 0,
    runs: Annotated[Path, typer.Option(help="Folder of run folders.")] = Path("runs"),
    name: Annotated[
        str | None,
        typer.Option(help="Run folder, or that of several; RECIPE/001 and on, or RECIPE-runs, without."),
    ] = None,
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
    test: Annotated[
        bool,
        typer.Option("--test/--no-test", help="Report it on test, or leave that split closed for --resume to open."),
    ] = True,
    trust: Annotated[
        str | None,
        typer.Option(metavar="DIGEST", help="With --resume: run the copies of plugins that the run keeps."),
    ] = None,
    allow_changes: Annotated[
        bool, typer.Option("--allow-changes", help="With --resume: go on although versions, data or machine differ.")
    ] = False,
) -> None:
    """Train a recipe, keep the epoch that is best on validation, and report it on test."""
    from mixkit.plugins.load import load_plugins
    from mixkit.tasks.folds import has_folds, without_folds

    named = resume is not None and resume != AUTO
    others = (recipe, layers, init, seed, fold, seeds, folds, name)
    if named and any(other is not None for other in others):
        raise MixkitError(f"--resume {resume} goes on with the recipe of that run. Leave the others out.")
    if named and not test:
        raise MixkitError(f"--resume {resume} opens the test split at the end. Leave --no-test out.")
    if not named and recipe is None:
        raise MixkitError("no RECIPE. Name one, such as asm_rh, or a run to go on with: --resume runs/asm_rh/001.")
    lines = [] if init is None else ["train.init = @weights.run()", f"weights.run.path = {init!r}"]
    lines += [*(settings or []), *([] if seed is None else [f"train.seed = {seed}"])]
    if seeds is not None or folds is not None:
        one = {"--resume": resume, "--gpus": gpus, "--dry-run": dry_run, "--tensorboard": tensorboard, "--trust": trust}
        _expect_several({**one, "--seed": seeds and seed is not None, "--fold": folds and fold is not None})
        loaded = load_plugins(plugins or ())
        study = repeated(str(recipe), layers or (), lines, seeds, folds or fold, loaded)
        into = name or study.name
        carry_out(study, runs, into, plugins or (), loaded, jobs=jobs, device=device, allow_changes=allow_changes)
        return
    if jobs is not None:
        raise MixkitError("--jobs is for several runs. Name them by --seeds or --folds, or leave it out.")
    if gpus is not None and "WORLD_SIZE" not in os.environ:
        from mixkit.training.launch import launch

        code = launch(sys.argv[1:], gpus, max_restarts, device)
        if code:
            raise typer.Exit(code)
        return
    from mixkit.training.memory import keep_freed

    keep_freed()
    from mixkit.cli.views.tensorboard import TensorBoard
    from mixkit.cli.views.training import Live
    from mixkit.plugins.copies import load_for_run
    from mixkit.runs.folder import Run
    from mixkit.training import loop

    wanted, done = None, None
    if resume is not None and named:
        done = Run.open(Path(resume))
    else:
        if fold is not None:
            task = load(str(recipe), layers, lines, plugins).task.name
            if not has_folds(task):
                raise MixkitError(without_folds(task, "--fold"))
            lines.append(f"task.{task}.fold = {fold_value(fold)!r}")
        wanted = load(str(recipe), layers, lines, plugins)
        if dry_run:
            _dry_run(wanted, device)
            return
        if resume is not None:
            done = Run.started(wanted, runs, name)
    if done is not None and done.complete:
        say(f"{done.folder} is complete: nothing is left to train.")
        return
    display = TensorBoard(stdout()) if tensorboard else Live(stdout())
    if wanted is None:
        folder = Path(str(resume))
        loaded = load_for_run(folder, plugins or (), trust)
        over = tuple(settings or ())
        run = loop.resume(folder, device, display, loaded, over, allow_changes=allow_changes)
    else:
        loaded = load_plugins(plugins or ())
        go_on = resume is not None
        run = loop.train(wanted, runs, name, device, display, go_on=go_on, allow_changes=allow_changes, test=test)
    if os.environ.get("RANK", "0") != "0":  # the first of several processes closes for all
        return
    if not run.complete:
        say(f"The test split stays closed. To open it:  mixkit train --resume {shlex.quote(str(run.folder))}")
    else:
        _close(run, plugins or (), loaded)


def _expect_several(of_one: Mapping[str, object]) -> None:
    """Refuses options of a single run beside those that make several."""
    given = next((option for option, value in of_one.items() if value), None)
    if given:
        raise MixkitError(f"{given} is of one run, and --seeds or --folds make several. Leave one of them out.")


def _dry_run(recipe: "Recipe", device: str) -> None:
    """Says what a run would take."""
    from mixkit.cli.views.training import Live
    from mixkit.training.dry_run import dry_run

    found = dry_run(recipe, device, Live(stdout()))
    hours, days = found.run_seconds / 3600, found.run_seconds / 86400
    whole = f"{days:.1f} days" if days >= 2 else f"{hours:.1f} hours" if hours >= 2 else f"{60 * hours:.1f} minutes"
    say(
        f"{recipe.name}: {found.parameters:,} parameters, {found.precision} on {found.device}. A step of "
        f"{recipe.train.batch_size} clips takes {found.step_seconds:.2f} s (loss {found.loss:.3f}), an epoch "
        f"{found.epoch_seconds:.0f} s, {found.budget.steps:,} updates {whole}.",
    )
    say(f"Memory {found.memory / 2**30:.2f} GiB at its peak; disk at least {found.disk / 2**30:.2f} GiB.")
    say("No run was written.")


def _close(run: "Run", plugins: Sequence[str], loaded: tuple[str, ...]) -> None:
    """Draws the figures, and says what the run came to and what to type next."""
    from mixkit.cli.views.results import show_results, summary
    from mixkit.report.run_plots import draw
    from mixkit.runs.records import read_best

    draw(run, loaded, lambda line: say(line, console=stderr()))
    results, best = run.results(), read_best(run.folder)
    say("")
    if results.refit:
        splits = {"valid, before the refit": results.valid, "test": results.test}
        show_results(splits, best, "figures of the best epoch on valid, and of the refitted network on test")
    else:
        show_results({"valid": results.valid, "test": results.test}, best)
    say(f"{summary(results, best)}, {run.seconds():.0f} s.")
    flags = "".join(f" --plugin {shlex.quote(plugin)}" for plugin in plugins)
    folder = shlex.quote(str(run.folder))
    say("")
    weights = "best.safetensors, refit.safetensors" if results.refit else "best.safetensors"
    say(f"All of it is in {run.folder}: figures/, results.json, {weights}, recipe.gin.")
    say(f"Next:  mixkit evaluate {folder} --split {'test' if results.refit else 'valid'}{flags}")
    say(f"       mixkit show {folder}/recipe.gin{flags}")
