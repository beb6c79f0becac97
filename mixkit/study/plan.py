"""All runs of a study, each known by the recipe that it resolves to and the code of its plugins."""

import hashlib
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mixkit.errors import RunError
from mixkit.plugins.copies import sources
from mixkit.recipe.identity import what
from mixkit.recipe.schema import Recipe
from mixkit.recipe.train import Train
from mixkit.recipe.writer import to_gin
from mixkit.registry import Spec, task
from mixkit.study.arms import Loader, Look, arms_of, base_of, derived
from mixkit.study.definition import Study
from mixkit.study.record import RUNS, ArmRun, Record
from mixkit.tasks.folds import without_folds
from mixkit.values import fold_value

QUICK_EPOCHS = 4
MOST = 10_000  # runs; more is a slip of the pen


@dataclass(frozen=True)
class PlannedRun:
    """What a run is made of.

    Args:
        recipe: text that loads as it.
        length: how long it trains, in the unit; None where that goes by the number of clips.
        unit: `epoch` or `steps`, as the records of its epochs call it.
        code: of its plugins: contents by file name.
    """

    recipe: str
    length: int | None
    unit: str
    code: Mapping[str, bytes]


@dataclass(frozen=True)
class Plan:
    """A study before its first run.

    Args:
        record: with every trial waiting.
        runs: by the name of the run folder.
        notes: what the user should know.
        plugins: as the user named them.
    """

    record: Record
    runs: Mapping[str, PlannedRun]
    notes: tuple[str, ...]
    plugins: tuple[str, ...] = ()


def plan(
    study: Study,
    folder: Path,
    plugins: Sequence[str] = (),
    loaded: Collection[str] = (),
    quick: bool = False,
    look: Look = lambda name, recipe: None,
) -> Plan:
    """Resolves every run of a study; nothing is written.

    Args:
        study: from a file, or of a plain recipe.
        folder: of the study.
        plugins: as the user named them.
        loaded: what they are imported as.
        quick: one seed, one fold and a few epochs.
        look: is shown every arm; what it raises is told as a fault of the arm.

    Raises:
        RecipeError: an arm cannot be used; the message is every fault, with the arm and where it stands.
        RunError: there are too many runs.
    """
    last: tuple[str, ...] = ()
    base = base_of(study, Loader(study, loaded)).recipe
    if quick:
        study = replace(study, seeds=study.seeds[:1])
        last = (f"train.epochs = {min(base.train.epochs or QUICK_EPOCHS, QUICK_EPOCHS)}",)
    if study.parts:
        study = replace(study, edits=derived(base))
    loader = Loader(study, loaded, last)
    arms = arms_of(study, loader, look)
    runs = [
        (arm, of, seed, fold)
        for arm, of in arms.arms
        for fold in _folds(study, of.recipe.task, quick)
        for seed in study.seeds
    ]
    if len(runs) > MOST:
        raise RunError(f"{study.name} has more than {MOST:,} runs. Name fewer arms, seeds or folds.")
    trials: list[ArmRun] = []
    made: dict[str, PlannedRun] = {}
    unseen: set[str] = set()
    for arm, of, seed, fold in runs:
        recipe = with_seed(of.recipe, seed, fold)
        expect_classes(recipe, f"arm {arm.name!r}")
        run = PlannedRun(to_gin(recipe), *length(recipe.train), sources(recipe.plugins))
        unseen |= set() if run.code else set(recipe.plugins)
        key = key_of(run)
        if key in made:
            other = next(trial.arm for trial in trials if trial.folder.name == key)
            raise RunError(f"arms {arm.name!r} and {other!r} come to the same runs. Take one of them out.")
        made[key] = run
        command = command_of(study, of.lines, seed, fold, plugins)
        trials.append(ArmRun(arm.name, seed, fold, folder / RUNS / key, "waiting", None, command))
    record = Record(
        name=study.name,
        folder=folder,
        recipe=study.base,
        layers=(*study.layers, *study.added_layers),
        settings=(*study.settings, *study.added, *last),
        base=arms.base,
        arms=tuple(arm for arm, _ in arms.arms),
        trials=tuple(sorted(trials, key=_order)),
        quick=quick,
        note=_note(study),
        others=study.others,
    )
    notes = arms.notes
    if study.parts and not study.edits:
        notes += (f"{base.name} has no operator that can be left out or replaced: it is trained by itself.",)
    if study.folds is not None and any(trial.fold is None for trial in trials):
        notes += ("The task has no folds: each arm is run once for each seed.",)
    if unseen:
        names = ", ".join(sorted(unseen))
        notes += (f"The source of {names} is missing or too large: a change there does not make finished runs anew.",)
    return Plan(record, made, notes, tuple(plugins))


def _order(trial: ArmRun) -> tuple[int, int, str]:
    """By seed, then fold: numbers ahead of words."""
    return (trial.seed, 2**63, trial.fold) if isinstance(trial.fold, str) else (trial.seed, trial.fold or 0, "")


def length(settings: Train) -> tuple[int | None, str]:
    """How long a run trains, and in which unit; None where that goes by the number of clips."""
    if settings.steps is None:
        return settings.epochs, "epoch"
    return None if settings.steps == "auto" else settings.steps, "steps"


def expect_classes(recipe: Recipe, name: str) -> None:
    """Refuses a recipe that pretrains where figures of classes are compared.

    Args:
        recipe: resolved.
        name: what it is.

    Raises:
        RunError: it does.
    """
    if recipe.pretrain is not None:
        raise RunError(
            f"{name} pretrains (recipe.pretrain), and what is compared is figures of classes. "
            "Pretrain first, mixkit pretrain, and start from that run: train.init = @weights.run()."
        )


def key_of(run: PlannedRun) -> str:
    """The name of a run folder: two runs share it if plugin code and what the recipe says of a run are the same."""
    digest = hashlib.sha256(what(run.recipe, where=True).encode())
    for name, content in sorted(run.code.items()):
        digest.update(f"{len(name)} {name} {len(content)} ".encode() + content)
    return digest.hexdigest()[:16]


def _note(study: Study) -> str:
    """What a reader has to know; also that a paper's figures are of something else, where lines are laid over."""
    changed = (*study.added_layers, *study.added)
    if not (study.values or study.others) or not changed:
        return study.note
    return f"Not as in the paper: {', '.join(changed)} laid over it. {study.note}".rstrip()


def _folds(study: Study, spec: Spec, quick: bool) -> tuple[int | str | None, ...]:
    if study.folds is None:
        return (None,)
    known = tuple(map(fold_value, task.build(spec).folds))
    if not known:
        if study.added_layers:  # such as task/demo over a study of another task
            return (None,)
        raise RunError(without_folds(spec.name, "study.folds and --folds"))
    folds = known if study.folds == "all" else study.folds
    for fold in folds:
        if fold not in known:
            listed = ", ".join(map(repr, known))
            raise RunError(f"fold {fold} was asked for, and task {spec.name} has none of that name. It has: {listed}.")
    return folds[:1] if quick else folds


def with_seed(arm: Recipe, seed: int, fold: int | str | None) -> Recipe:
    """The recipe of an arm, with seed and fold."""
    recipe = replace(arm, train=replace(arm.train, seed=seed))
    if fold is None:
        return recipe
    return replace(recipe, task=task.spec(recipe.task.name, **{**recipe.task.params, "fold": fold}))


def command_of(study: Study, lines: tuple[str, ...], seed: int, fold: int | str | None, plugins: Sequence[str]) -> str:
    """What to type to make a run of an arm by hand."""
    words = ["mixkit", "train", study.base]
    words += [word for layer in (*study.layers, *study.added_layers) for word in ("--with", layer)]
    words += [word for line in lines for word in ("--set", line)]
    words += ["--seed", str(seed), *([] if fold is None else ["--fold", str(fold)])]
    words += [word for plugin in plugins for word in ("--plugin", plugin)]
    return shlex.join(words)
