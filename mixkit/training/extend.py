"""A finished run trained longer: a new run folder that begins where another ended, and names it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from mixkit.checkpoints.state import load_state, save_state, states, step_of
from mixkit.checkpoints.weights import BEST, load, save_weights, saved_epoch
from mixkit.defaults import torch_defaults
from mixkit.errors import DamagedError, RunError, printable
from mixkit.plugins.copies import FOLDER, sources
from mixkit.recipe.gin_file import recipe_from_text, recorded_recipe
from mixkit.recipe.identity import what
from mixkit.recipe.schema import Recipe
from mixkit.recipe.writer import to_gin
from mixkit.registry import schedule
from mixkit.runs.clips import FILE as CLIPS
from mixkit.runs.clips import read_clips
from mixkit.runs.environment import code, environment
from mixkit.runs.folder import METRICS, RECIPE, TABLE, TIMES, Run
from mixkit.training.budget import Budget, budget
from mixkit.training.device import choose_device
from mixkit.training.display import TrainingDisplay
from mixkit.training.loop import resume_run
from mixkit.training.precision import precision_of
from mixkit.training.progress import RunProgress
from mixkit.training.session import Session, open_session

FREE = ("epochs", "steps", "learning_rate", "schedule", "patience", "augment_strength")
"""Settings of `train` that may be others than those of the run that is gone on from."""


@torch_defaults()
def extend(
    parent: str | Path,
    settings: Sequence[str],
    runs: str | Path = "runs",
    name: str | None = None,
    device: str = "auto",
    display: TrainingDisplay | None = None,
    plugins: tuple[str, ...] = (),
    *,
    allow_changes: bool = False,
) -> Run:
    """Trains a finished run longer: weights, optimizer and records are taken up, and the schedule is that of the whole.

    Args:
        parent: folder of the run, which is left as it is.
        settings: lines over its recipe: `train.epochs = 40`, and what else is in `FREE` or says where data lie.
        runs: the folder of run folders.
        name: of the new run folder; `RECIPE/002` and on without.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        display: is told how it goes.
        plugins: modules already loaded that the recipe may import.
        allow_changes: go on although versions, data or machine differ.

    Returns:
        The new run, complete. Its `environment.json` and `events.jsonl` name the other.

    Raises:
        RunError: the run has not ended, keeps no state, or is as long already.
        MixkitError: the lines make another network, or the recordings are not what they were.
        Stopped: a signal asked for it; the state is saved, and `resume` of the new run goes on.
    """
    with open_session(device, display) as session:
        same = session.processes.same
        old = Run.open(Path(parent))
        kept = recorded_recipe(old.folder / RECIPE, old.folder.name, plugins)
        recipe = _longer(kept, settings, plugins)
        path, state = _last(old)
        said = _expect_longer(old, kept, recipe, RunProgress.from_state(path, state["progress"]))
        same(lambda: Run.place(recipe, Path(runs), name))
        run = same(lambda: _begun(old, recipe, state, step_of(path), Path(runs), name, session))
        session.display.say(said)
        return resume_run(run, recipe, session, allow_changes)


def _longer(kept: Recipe, settings: Sequence[str], plugins: tuple[str, ...]) -> Recipe:
    """The recipe with the lines over it, which may not make another network of it."""
    recipe = recipe_from_text(to_gin(kept), kept.name, plugins, settings)
    free = {name: getattr(kept.train, name) for name in FREE}
    alike = replace(recipe, train=replace(recipe.train, **free))
    here, there = (set(what(to_gin(one)).splitlines()) for one in (alike, kept))
    if other := sorted(here - there):
        raise RunError(
            f"{printable(other[0])} is not as the run has it. A run that is trained longer takes "
            f"train.{', train.'.join(FREE)}; for another network or other clips, start from its weights: --from RUN."
        )
    return recipe


def _last(old: Run) -> tuple[Path, dict[str, Any]]:
    """The newest state of the run, which has ended."""
    if not old.complete:
        raise RunError(f"{old.folder} has not ended. Go on with it: --resume {old.folder}.")
    for path in states(old):
        with suppress(DamagedError):
            state = load_state(path)
            if isinstance(state.get("progress"), dict):
                return path, state
    raise RunError(f"{old.folder} keeps no whole state in last/. Start from its weights instead: --from {old.folder}.")


def _expect_longer(old: Run, kept: Recipe, recipe: Recipe, progress: RunProgress) -> str:
    """Refuses a length that is reached already; gives in words what the schedule does."""
    clips = [one for one in read_clips(old.folder / CLIPS) if one.split == "train" and one.skipped is None]
    before, after = (budget(one.train, len(clips)) for one in (kept, recipe))
    done, best = progress.epochs, progress.best["epoch"]
    if after.epochs <= done:
        fix = f"Ask for more: --epochs {2 * done}."
        raise RunError(f"{old.folder} has {done} epochs, and {after.epochs} are asked for. {fix}")
    patience = recipe.train.patience
    if patience is not None and done - best >= patience:
        fix = 'Add --set "train.patience = None".'
        raise RunError(f"{old.folder} ended because train.patience is {patience}, and would end at once again. {fix}")
    ended, goes_on = _rate(kept, before, before.up_to(done) - 1), _rate(recipe, after, after.up_to(done))
    last = _rate(recipe, after, after.steps - 1)
    return (
        f"Trains {old.folder} longer, from epoch {done} to {after.epochs} ({after}). The schedule is of the whole: "
        f"the learning rate was {ended:.2g} at the end of that run, is {goes_on:.2g} now, and ends at {last:.2g}."
    )


def _rate(recipe: Recipe, length: Budget, done: int) -> float:
    """The learning rate of the update after so many."""
    factor = schedule.build(recipe.train.schedule, length.steps, length.per_epoch)
    return recipe.train.learning_rate * factor(done)


def _begun(
    old: Run, recipe: Recipe, state: Mapping[str, Any], step: int, runs: Path, name: str | None, session: Session
) -> Run:
    """A new run folder with all that the other ended with but its results; it appears whole."""
    device = choose_device(session.device)
    commit, difference = code(Path.cwd())
    parent = {"run": str(old.folder), "id": old.identity, "epochs": state["progress"]["epochs"]}
    facts = environment(str(device), precision_of(recipe.train.precision, device))
    facts |= {"processes": session.processes.ranks, "code": commit, "extends": parent}
    best = load(old.folder / BEST, "cpu", recipe.plugins)
    best.recipe = recipe

    def fill(run: Run) -> None:
        for file in (CLIPS, METRICS, TABLE, TIMES):
            run.write(file, (old.folder / file).read_bytes())
        for file, content in sources(recipe.plugins).items():
            run.write(f"{FOLDER}/{file}", content)
        if difference:
            run.write("code.diff", difference.encode())
        run.event("extends", **parent)
        save_weights(run, best, saved_epoch(old) or 0)
        save_state(run, step, {**state, "run": run.identity})

    return Run.create(recipe, runs, name, facts, fill)
