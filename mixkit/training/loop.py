"""Training: from a recipe to a run folder with the best epoch's weights and its figures."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from mixkit.checkpoints.state import load_state, states, step_of
from mixkit.checkpoints.weights import BEST, load, read_weights
from mixkit.defaults import torch_defaults
from mixkit.errors import DamagedError, MixkitError, RunError
from mixkit.plugins.copies import FOLDER, sources
from mixkit.recipe.gin_file import recorded_recipe
from mixkit.recipe.identity import what
from mixkit.recipe.schema import Recipe
from mixkit.recipe.writer import to_gin
from mixkit.registry import Measurable, loss
from mixkit.runs.clips import FILE as CLIPS
from mixkit.runs.clips import KeptClips, kept_in, to_bytes
from mixkit.runs.environment import code, environment
from mixkit.runs.folder import COMPLETE, RECIPE, REFIT, Run
from mixkit.runs.results import Refit, Results
from mixkit.training.device import deterministic
from mixkit.training.display import TrainingDisplay
from mixkit.training.distributed import RESTARTS, Processes
from mixkit.training.evaluate import evaluate
from mixkit.training.figures import chosen_by
from mixkit.training.fingerprint import changes, fingerprint
from mixkit.training.fit import Fit
from mixkit.training.prepare import Prepared, prepare
from mixkit.training.pretrain import results_of
from mixkit.training.progress import RunProgress
from mixkit.training.refit import joined, until
from mixkit.training.session import Session, open_session


@torch_defaults()
def train(
    recipe: Recipe,
    runs: str | Path = "runs",
    name: str | None = None,
    device: str = "auto",
    display: TrainingDisplay | None = None,
    *,
    go_on: bool = False,
    allow_changes: bool = False,
    test: bool = True,
) -> Run:
    """Trains a recipe, keeps the best epoch on validation, and reports it on test.

    Args:
        recipe: what to train.
        runs: the folder of run folders.
        name: of the run folder; `RECIPE/001` and on without.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        display: is told how it goes.
        go_on: with the run of that name, or without one the latest of the same recipe, if there is one.
        allow_changes: see `resume`.
        test: whether the test split is opened. Without it the run ends with its last epoch, and `resume` completes it.

    Returns:
        The run, complete unless its test split stays closed.

    Raises:
        MixkitError: before anything is written, if the mistake can be seen by then.
        Stopped: a signal asked for it; the state is saved, and `resume` goes on.
    """
    with open_session(device, display) as session:
        same = session.processes.same
        again = go_on or os.environ.get(RESTARTS, "0") != "0"
        started = same(lambda: Run.started(recipe, Path(runs), name) if again else None)
        if started is not None:
            if what((started.folder / RECIPE).read_text()) != what(to_gin(recipe)):
                raise RunError(
                    f"{started.folder} was started with another recipe: its own is {started.folder / 'recipe.gin'}. "
                    "Choose another --name."
                )
            return resume_run(started, recipe, session, allow_changes, test)
        same(lambda: Run.place(recipe, Path(runs), name))
        prepared = _prepared(recipe, session)
        run = session.own(same(lambda: _new(prepared, Path(runs), name, session.processes.ranks)))
        with run.hold():
            return _complete(prepared, run, session, None, test)


@torch_defaults()
def resume(
    folder: str | Path,
    device: str = "auto",
    display: TrainingDisplay | None = None,
    plugins: tuple[str, ...] = (),
    settings: tuple[str, ...] = (),
    *,
    allow_changes: bool = False,
) -> Run:
    """Goes on with a run that was stopped, from its newest whole state; a complete run is left as it is.

    Under the same conditions the weights and figures are those of a run that was never stopped, to the bit: order,
    crops and augmentation are keyed by seed, epoch and clip, and all else is in the saved state.

    Args:
        folder: the run.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        display: is told how it goes.
        plugins: modules already loaded that the recipe may import.
        settings: lines over its recipe that say where data lie or how it is carried out; the run keeps them.
        allow_changes: go on although a condition is another and the last bits will be, too; the run's events say so.

    Raises:
        RunError: there is no such run, another process writes it, or a condition has changed.
        DamagedError: no saved state is what was written.
        MixkitError: the recordings are not what they were.
        Stopped: a signal asked for it; the state is saved.
    """
    with open_session(device, display) as session:
        run = Run.open(Path(folder))
        recipe = recorded_recipe(run.folder / RECIPE, run.folder.name, plugins, settings)
        return resume_run(run, recipe, session, allow_changes)


def resume_run(run: Run, recipe: Recipe, session: Session, allow_changes: bool, test: bool = True) -> Run:
    """Goes on with a run within a session; see `resume`."""
    same, ranks = session.processes.same, session.processes.ranks
    if same(lambda: run.complete):
        return run
    run = session.own(run)
    with run.hold():
        fresh = not same(lambda: bool(states(run)))
        own_clips = None if fresh else kept_in(run.folder)
        prepared = _prepared(recipe, session, fresh, own_clips)
        kept, now = run.environment(), fingerprint(prepared)
        if fresh:  # nothing was trained that could be spoilt
            kept |= {"conditions": now, "processes": ranks}
            run.write_json("environment.json", kept)
            run.write(CLIPS, to_bytes(prepared.splits.kept))
        elif own_clips:
            now["data"] = str(prepared.splits.differ) or own_clips.sha256
            if "extends" in kept and "conditions" not in kept:  # it has just begun, on the clips of another run
                kept["conditions"] = {**now, "data": own_clips.sha256}
                run.write_json("environment.json", kept)
        changed = changes(kept.get("conditions", {}), now)
        if changed and not allow_changes:
            raise RunError(
                f"{run.folder} was started under other conditions, and would not end with the same bits:\n"
                + "".join(f"  {change}\n" for change in changed)
                + "Bring them back, or go on all the same with --allow-changes."
            )
        if kept.get("processes", 1) != ranks:
            changed.append(f"processes: {kept.get('processes', 1)}, now {ranks}")
        if changed:
            session.display.say(
                f"The last bits of the figures may differ from an undisturbed run's: {'; '.join(changed)}."
            )
        saved = same(lambda: _newest(run, session.display))
        run.event("resumed", step=0 if saved is None else step_of(saved[0]), changed=changed)
        if what((run.folder / RECIPE).read_text()) == what(to_gin(recipe)):
            run.write_recipe(recipe)
        return _complete(prepared, run, session, saved, test)


def _new(prepared: Prepared, runs: Path, name: str | None, ranks: int) -> Run:
    commit, difference = code(Path.cwd())
    kept = environment(str(prepared.device), prepared.precision)
    kept |= {"processes": ranks, "conditions": fingerprint(prepared), "code": commit}
    kept |= {} if prepared.teacher is None else {"teacher": prepared.teacher.path}
    run = Run.create(prepared.recipe, runs, name, kept)
    run.write(CLIPS, to_bytes(prepared.splits.kept))
    if difference:
        run.write("code.diff", difference.encode())
    for file, content in sources(prepared.recipe.plugins).items():
        run.write(f"{FOLDER}/{file}", content)
    return run


def _prepared(recipe: Recipe, session: Session, fresh: bool = True, clips: KeptClips | None = None) -> Prepared:
    kept = None if clips is None else clips.read()
    # The first decodes all clips once; the others find them in the cache.
    first = session.processes.first
    prepared = prepare(recipe, session.device, session.display, fresh=fresh, kept=kept) if first else None
    session.processes.any(False)
    return prepared or prepare(recipe, session.device, session.display, fresh=fresh, kept=kept)


def _newest(run: Run, display: TrainingDisplay) -> tuple[Path, dict[str, Any]] | None:
    """The newest state that is whole; None where there is none yet."""
    faults = []
    for path in states(run):
        try:
            return path, load_state(path)
        except DamagedError as error:
            faults.append(str(error))
            display.say(f"{error} Looking at the state before it.")
            run.event("damaged", file=path.name, fault=str(error))
    if faults:
        raise DamagedError(f"{faults[0]} No other state is left. Start the run anew under another --name.")
    return None


def _complete(
    prepared: Prepared, run: Run, session: Session, saved: tuple[Path, Mapping[str, Any]] | None, test: bool
) -> Run:
    features = prepared.model.features
    if saved is None and features.needs_measuring:
        features.load_state_dict(session.processes.same(lambda: _measured(prepared)))
    with deterministic(prepared.recipe.train.deterministic):
        progress = _fitted(Fit(prepared, run, session), saved)
        if prepared.recipe.pretrain is not None:
            _expect_best(run, progress)
            run.write_json(COMPLETE, results_of(prepared, progress).to_json())
            return run
        if not test:
            return run
        refit = _refit(prepared, run, session, progress.best["epoch"]) if prepared.recipe.refits else None
        run.write_json(COMPLETE, _test(prepared, run, progress, refit, session.processes).to_json())
    return run


def _fitted(fit: Fit, saved: tuple[Path, Mapping[str, Any]] | None) -> RunProgress:
    if saved is not None:
        fit.go_on(*saved)
    else:
        fit.run.keep_epochs(0)
        if fit.prepared.start is not None:
            fit.run.event("started_from", **fit.prepared.start.to_json())
        if fit.prepared.teacher is not None:
            fit.run.event("taught_by", **fit.prepared.teacher.to_json())
    return fit()


def _refit(prepared: Prepared, run: Run, session: Session, epoch: int) -> Refit:
    """Trains once more, with the validation clips, for as long as the chosen epoch took."""
    same = session.processes.same
    saved = same(lambda: _newest(Run(run.folder / REFIT), session.display))
    both = joined(prepared, fresh=saved is None)
    if saved is None and both.model.features.needs_measuring:
        both.model.features.load_state_dict(same(lambda: _measured(both)))
    length = until(prepared, both, epoch)
    found = Refit(len(both.splits.clips["train"]), length.steps)
    together = f"training and validation together, {found.clips:,} clips"
    session.display.say(f"Epoch {epoch} is chosen. Refit, that is once more, on {together}; {length}.")
    _fitted(Fit(both, run, session, length), saved)
    return found


def _measured(prepared: Prepared) -> dict[str, Tensor]:
    features, audio = prepared.model.features, prepared.splits.audio("train")
    if not isinstance(features, Measurable):
        name = type(features).__name__
        raise MixkitError(f"the features {name} need measuring, but have no method measure(clips). Write it.")
    features.measure(audio.unpadded(item) for item in range(len(audio)))
    return features.state_dict()


def _expect_best(run: Run, progress: RunProgress) -> None:
    """Refuses to end a run whose best weights are not there."""
    best = progress.best["epoch"]
    if read_weights(run.folder / BEST, run)[0].get("epoch") != str(best):
        raise DamagedError(
            f"{run.folder} holds no whole weights of its best epoch {best}. Start it anew under another --name."
        )


def _test(prepared: Prepared, run: Run, progress: RunProgress, refit: Refit | None, processes: Processes) -> Results:
    """Figures of the best epoch on validation, and of that network or of the refitted one on test."""
    recipe, device, best = prepared.recipe, prepared.device, progress.best["epoch"]
    _expect_best(run, progress)
    objective = loss.build(recipe.train.loss, None).to(device)
    model = load(run.folder / BEST, device, recipe.plugins)
    found = {}
    for split in ("valid", "test"):
        if refit and split == "test":
            model = load(run.folder, device, recipe.plugins)
        batches = prepared.splits.batches(split, device, processes.rank, processes.ranks)
        found[split] = evaluate(model, batches.epoch(0), objective, prepared.precision, processes)
    return Results(
        recipe=recipe.name,
        task=recipe.task.name,
        protocol=prepared.splits.protocol,
        fold=recipe.task.params.get("fold"),
        labels=model.labels,
        seed=recipe.train.seed,
        epochs=progress.epochs,
        best_epoch=best,
        chosen_by=chosen_by(recipe.train.best),
        skipped=tuple(one.to_json() for one in prepared.splits.skipped),
        refit=refit,
        teacher=None if prepared.teacher is None else prepared.teacher.name,
        parameters=sum(p.numel() for p in model.parameters()),
        **found,
    )
