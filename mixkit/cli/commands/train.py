"""`mixkit train`."""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mixkit.cli import completion, options
from mixkit.cli.options import Device, Jobs, Layers, Plugins, Settings, load
from mixkit.cli.studying import carry_out, repeated
from mixkit.cli.views.terminal import say, stderr, stdout
from mixkit.errors import MixkitError
from mixkit.values import fold_value

if TYPE_CHECKING:
    from mixkit.recipe.schema import Recipe
    from mixkit.runs.folder import Run
    from mixkit.training.display import TrainingDisplay

AUTO = "auto"


class TrackerName(StrEnum):
    """Trackers of experiments."""

    TENSORBOARD = "tensorboard"
    WANDB = "wandb"
    MLFLOW = "mlflow"


OwnRecipe = Annotated[
    str | None,
    typer.Argument(
        metavar="RECIPE", help="A gin file, or the name of a shipped recipe.", autocompletion=completion.recipes
    ),
]
Seed = Annotated[int | None, typer.Option(help='Short for --set "train.seed = N".')]
Fold = Annotated[str | None, typer.Option(help='Short for --set "task.NAME.fold = N".')]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="RUN",
        help="Fine-tune a run: start from its weights, as far as they fit.",
        autocompletion=completion.runs,
    ),
]
Gpus = Annotated[
    int | None,
    typer.Option(
        "--gpus", "--gpus-per-node", min=1, help="Share the work among so many GPUs of this machine, or of each node."
    ),
]
MaxRestarts = Annotated[int, typer.Option(min=0, help="With --gpus: start all again so often after one has died.")]
Runs = Annotated[Path, typer.Option(help="Folder of run folders.")]
Name = Annotated[str | None, typer.Option(help="Run folder; RECIPE/001 and on without.")]
Resume = Annotated[
    str | None,
    typer.Option(
        metavar="RUN|auto",
        help="Go on with a run that was stopped; auto: with this RECIPE's, or start.",
        autocompletion=completion.runs,
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Build everything, take a few steps, estimate time and memory, and stop.")
]
Tensorboard = Annotated[
    bool, typer.Option("--tensorboard", help="Short for --log tensorboard, which writes to RUN/tensorboard.")
]
Log = Annotated[
    list[TrackerName] | None,
    typer.Option(help="Tell a tracker, too; into the run folder, unless it is set up otherwise. Repeatable."),
]
TrustOfRun = Annotated[
    str | None,
    typer.Option(metavar="DIGEST", help="With --resume: run the copies of plugins that the run keeps."),
]
AllowChanges = Annotated[
    bool, typer.Option("--allow-changes", help="With --resume: go on although versions, data or machine differ.")
]


def train(
    recipe: OwnRecipe = None,
    layers: Layers = None,
    settings: Settings = None,
    epochs: options.Epochs = None,
    learning_rate: options.LearningRate = None,
    batch_size: options.StepClips = None,
    plugins: Plugins = None,
    seed: Seed = None,
    fold: Fold = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="0,1,2", help="A run with each of them, and what they come to together.")
    ] = None,
    folds: Annotated[
        str | None, typer.Option(metavar="all|1,2", help="A run that tests each of these folds, and what they come to.")
    ] = None,
    jobs: Jobs = None,
    init: From = None,
    device: Device = "auto",
    gpus: Gpus = None,
    max_restarts: MaxRestarts = 0,
    engine: Annotated[
        Literal["local", "slurm"],
        typer.Option(help="This machine, or a job on a cluster, which goes on by itself (needs the extra slurm)."),
    ] = "local",
    nodes: Annotated[
        int, typer.Option(min=1, help="With --engine slurm: machines, each with so many --gpus-per-node.")
    ] = 1,
    minutes: Annotated[
        float | None, typer.Option(metavar="N", min=0.001, help="With --engine slurm: the job's limit; a day without.")
    ] = None,
    runs: Runs = Path("runs"),
    name: Annotated[
        str | None, typer.Option(help="Run folder, or that of several; RECIPE/001 and on, or RECIPE-runs, without.")
    ] = None,
    resume: Resume = None,
    longer: Annotated[
        str | None,
        typer.Option(
            "--extend",
            metavar="RUN",
            help="Train a finished run longer, as a new run of --epochs in all.",
            autocompletion=completion.runs,
        ),
    ] = None,
    dry_run: DryRun = False,
    tensorboard: Tensorboard = False,
    log: Log = None,
    test: Annotated[
        bool,
        typer.Option("--test/--no-test", help="Report it on test, or leave that split closed for --resume to open."),
    ] = True,
    trust: Annotated[
        str | None,
        typer.Option(metavar="DIGEST", help="With --resume or --extend: run the plugins that the run keeps."),
    ] = None,
    allow_changes: AllowChanges = False,
) -> None:
    """Train a recipe, keep the epoch that is best on validation, and report it on test."""
    own = options.lines_of(settings, epochs, learning_rate, batch_size)
    others = (recipe, layers, init, seed, fold, seeds, folds)
    going_on = None if resume in (None, AUTO) else resume
    for option, run in (("--resume", going_on), ("--extend", longer)):
        more = (*others, name if option == "--resume" else going_on or resume)
        if run is not None and any(other is not None for other in more):
            raise MixkitError(f"{option} {run} goes on with the recipe of that run. Leave the others out.")
        if run is not None and not test:
            raise MixkitError(f"{option} {run} opens the test split at the end. Leave --no-test out.")
    if going_on is None and longer is None and recipe is None:
        raise MixkitError("no RECIPE. Name one, such as asm_rh, or a run to go on with: --resume runs/asm_rh/001.")
    lines = [] if init is None else ["train.init = @weights.run()", f"weights.run.path = {init!r}"]
    lines += [*own, *([] if seed is None else [f"train.seed = {seed}"])]
    if seeds is not None or folds is not None:
        one: dict[str, object] = {
            "--resume": resume,
            "--gpus": gpus,
            "--engine": engine == "slurm",
            "--dry-run": dry_run,
            "--tensorboard": tensorboard,
            "--trust": trust,
        }
        one |= {"--no-test": not test, "--log": log}
        _expect_several({**one, "--seed": seeds and seed is not None, "--fold": folds and fold is not None})
        study, loaded = repeated(str(recipe), layers, lines, seeds, folds or fold, plugins)
        into = name or study.name
        carry_out(study, runs, into, plugins or (), loaded, jobs=jobs, device=device, allow_changes=allow_changes)
        return
    if jobs is not None:
        raise MixkitError("--jobs is for several runs. Name them by --seeds or --folds, or leave it out.")
    if engine == "local" and (nodes > 1 or minutes is not None):
        raise MixkitError("--nodes and --minutes are of a job on a cluster. Add --engine slurm, or leave them out.")
    if (gpus is not None or engine == "slurm") and "WORLD_SIZE" not in os.environ:
        from mixkit.training.launch import MEETING, launch

        if engine == "slurm" and MEETING not in os.environ:
            _expect_job(longer, dry_run)
            if going_on is None:
                _wanted(str(recipe), layers, lines, fold, plugins)  # a misspelt key is refused here, not on a node
            _submit(runs, nodes, gpus or 1, device, minutes, resume)
            return
        if code := launch(sys.argv[1:], gpus or 1, max_restarts, device):
            raise typer.Exit(code)
        return
    from mixkit.plugins.load import as_options
    from mixkit.training.memory import keep_freed

    keep_freed()
    with closing(_display([*(log or ()), *([TrackerName.TENSORBOARD] if tensorboard else [])])) as display:
        if going_on is not None or longer is not None:
            done, loaded = _gone_on(going_on, longer, own, runs, name, device, display, plugins, trust, allow_changes)
        else:
            wanted = _wanted(str(recipe), layers, lines, fold, plugins)
            if dry_run:
                _dry_run(wanted, device)
                return
            done, loaded = _trained(wanted, runs, name, device, display, plugins, resume == AUTO, allow_changes, test)
        if done is None or os.environ.get("RANK", "0") != "0":  # the first of several processes closes for all
            return
        if not done.complete:
            resumed = f"mixkit train --resume {shlex.quote(str(done.folder))}{as_options(plugins or ())}"
            say(f"The test split stays closed. To open it:  {resumed}")
        else:
            _close(done, plugins or (), loaded, display)


def _display(trackers: Sequence[str]) -> "TrainingDisplay":
    from mixkit.cli.views.trackers import Tracked
    from mixkit.cli.views.training import Live

    return Tracked(Live(stdout()), trackers) if trackers else Live(stdout())


def _wanted(
    recipe: str, layers: Sequence[str] | None, lines: Sequence[str], fold: str | None, plugins: Sequence[str] | None
) -> "Recipe":
    """The recipe that is to be trained, with its fold."""
    from mixkit.tasks.folds import has_folds, without_folds

    if fold is None:
        return load(recipe, layers, lines, plugins)
    task = load(recipe, layers, lines, plugins).task.name
    if not has_folds(task):
        raise MixkitError(without_folds(task, "--fold"))
    return load(recipe, layers, [*lines, f"task.{task}.fold = {fold_value(fold)!r}"], plugins)


def _trained(
    recipe: "Recipe",
    runs: Path,
    name: str | None,
    device: str,
    display: "TrainingDisplay",
    plugins: Sequence[str] | None,
    go_on: bool,
    allow_changes: bool,
    test: bool,
) -> "tuple[Run | None, tuple[str, ...]]":
    """A new run, or where it goes on the one that was started; None where that is complete."""
    from mixkit.plugins.load import load_plugins
    from mixkit.runs.folder import Run
    from mixkit.training import loop

    loaded = load_plugins(plugins or ())
    if go_on and _is_complete(Run.started(recipe, runs, name)):
        return None, loaded
    how = {"go_on": go_on, "allow_changes": allow_changes, "test": test}
    return loop.train(recipe, runs, name, device, display, **how), loaded


def _gone_on(
    resume: str | None,
    longer: str | None,
    lines: Sequence[str],
    runs: Path,
    name: str | None,
    device: str,
    display: "TrainingDisplay",
    plugins: Sequence[str] | None,
    trust: str | None,
    allow_changes: bool,
) -> "tuple[Run | None, tuple[str, ...]]":
    """A run that was stopped, gone on with, or a finished one trained longer; None where nothing is left to do."""
    from mixkit.plugins.copies import load_for_run
    from mixkit.runs.folder import Run
    from mixkit.training import loop
    from mixkit.training.extend import extend

    if longer is not None:
        loaded = load_for_run(Path(longer), plugins or (), trust)
        return extend(longer, lines, runs, name, device, display, loaded, allow_changes=allow_changes), loaded
    folder = Path(str(resume))
    if _is_complete(Run.open(folder)):
        return None, ()
    loaded = load_for_run(folder, plugins or (), trust)
    return loop.resume(folder, device, display, loaded, tuple(lines), allow_changes=allow_changes), loaded


def _is_complete(run: "Run | None") -> bool:
    if run is None or not run.complete:
        return False
    say(f"{run.folder} is complete: nothing is left to train.")
    return True


def _expect_several(of_one: Mapping[str, object]) -> None:
    """Refuses options of a single run beside those that make several."""
    given = next((option for option, value in of_one.items() if value), None)
    if given:
        raise MixkitError(f"{given} is of one run, and --seeds or --folds make several. Leave one of them out.")


def _expect_job(longer: str | None, dry_run: bool) -> None:
    """Refuses what a job on a cluster cannot do, since it may be started again."""
    for option, given in (("--extend", longer is not None), ("--dry-run", dry_run)):
        if given:
            raise MixkitError(f"{option} is no job for --engine slurm. Leave one of them out.")


def _submit(runs: Path, nodes: int, count: int, device: str, minutes: float | None, resume: str | None) -> None:
    """Hands this very command to a cluster, where it goes on with what it finds."""
    from mixkit.study.nodes import submit

    arguments = [*sys.argv[1:], *(["--resume", AUTO] if resume is None else [])]
    job, log = submit(arguments, runs.absolute() / "slurm", nodes, count, device, minutes)
    each = f"{nodes} node{'s' if nodes > 1 else ''} with {count} {'process' if device == 'cpu' else 'GPU'}"
    say(f"Submitted as job {job}: {each}{('es' if device == 'cpu' else 's') if count > 1 else ''} each.")
    say(f"Next:  tail -F {shlex.quote(str(log))}    what it prints")
    say(f"       scancel {job}    to stop it; the same command goes on")


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
    if found.teacher:
        say(found.teacher)
    say(f"Memory {found.memory / 2**30:.2f} GiB at its peak; disk at least {found.disk / 2**30:.2f} GiB.")
    say("No run was written.")


def _close(run: "Run", plugins: Sequence[str], loaded: tuple[str, ...], display: "TrainingDisplay") -> None:
    """Draws the figures, and says what the run came to and what to type next."""
    from mixkit.cli.views.results import show_results
    from mixkit.plugins.load import as_options
    from mixkit.report.run_plots import draw
    from mixkit.runs.pretrained import Pretrained
    from mixkit.runs.records import read_best

    ended, folder = run.ended(), shlex.quote(str(run.folder))
    flags = as_options(plugins)
    if isinstance(ended, Pretrained):
        say("")
        say(f"{ended}, {run.seconds():.0f} s.")
        say(f"All of it is in {run.folder}: results.json, best.safetensors, recipe.gin.")
        say(f"Next:  mixkit train RECIPE --with task/NAME --from {folder}{flags}")
        return
    draw(run, loaded, lambda line: say(line, console=stderr()))
    display.ended(run, loaded)
    results, best = run.results(), read_best(run.folder)
    say("")
    if results.refit:
        splits = {"valid, before the refit": results.valid, "test": results.test}
        show_results(splits, best, "figures of the best epoch on valid, and of the refitted network on test")
    else:
        show_results({"valid": results.valid, "test": results.test}, best)
    say(f"{results.summary(best)}, {run.seconds():.0f} s.")
    say("")
    weights = "best.safetensors, refit.safetensors" if results.refit else "best.safetensors"
    say(f"All of it is in {run.folder}: figures/, results.json, {weights}, recipe.gin.")
    say(f"Next:  mixkit evaluate {folder} --split {'test' if results.refit else 'valid'}{flags}")
    say(f"       mixkit show {folder}/recipe.gin{flags}")
