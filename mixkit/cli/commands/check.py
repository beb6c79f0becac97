"""`mixkit check`."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from mixkit.cli import completion
from mixkit.cli.options import Layers, Plugins, Settings
from mixkit.cli.views.terminal import say, stdout
from mixkit.errors import MixkitError, RunError, printable

if TYPE_CHECKING:
    from mixkit.conformance.run_checks import CheckResult
    from mixkit.recipe.schema import Recipe
    from mixkit.registry import Spec
    from mixkit.study.definition import Study
    from mixkit.study.plan import Plan

_INDENT = 21  # of what is said of a check, behind its mark and its name


def check(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|STUDY|PLUGIN",
            help="A recipe, a study, or a plugin: a .py file or a folder of them.",
            autocompletion=completion.studies,
        ),
    ],
    layers: Layers = None,
    settings: Settings = None,
    plugins: Plugins = None,
) -> None:
    """Find every mistake in a recipe or a study, without data and training; or try out all that a plugin registers."""
    from mixkit.recipe import catalog

    shipped = (*catalog.names(), *catalog.studies())
    if recipe.endswith(".py") or (Path(recipe).is_dir() and recipe not in shipped):
        if layers or settings:
            raise MixkitError(f"{recipe} is a plugin; --with and --set are for recipes. Leave them out.")
        _check_plugin(recipe, plugins or ())
        return
    from mixkit.plugins.load import load_plugins
    from mixkit.recipe.gin_file import load_recipe
    from mixkit.study.definition import load_study

    loaded = load_plugins(plugins or ())
    if study := load_study(recipe, loaded):
        lines = of_study(replace(study, added_layers=tuple(layers or ()), added=tuple(settings or ())), loaded)
    else:
        lines = of_recipe(load_recipe(recipe, layers or (), settings or (), loaded))
    for line in lines:
        say(line)


def of_recipe(recipe: "Recipe") -> list[str]:
    """Builds the network, and says what it comes to."""
    from mixkit.training.budget import planned

    size, note = _built(recipe)
    more = (recipe.note, _taught(recipe))
    return [f"{recipe.name} is sound: {size}{note}", *(text for text in more if text), planned(recipe)]


def of_study(study: "Study", loaded: tuple[str, ...]) -> list[str]:
    """Builds the network of every arm, and says what they come to."""
    from mixkit.cli.views.study import size_of
    from mixkit.recipe.faults import RecipeError
    from mixkit.study.plan import plan

    sizes: dict[str, tuple[str, str]] = {}
    taught: list[str] = []

    def look(arm: str, recipe: "Recipe") -> None:
        sizes[arm] = _built(recipe)
        taught.extend(f"{arm}: {text}" for text in [_taught(recipe)] if text)

    try:
        planned = plan(study, Path(study.name), loaded=loaded, look=look)
    except (RecipeError, RunError):
        raise
    except MixkitError as error:  # of a task whose folds are those of its recordings, which are not here
        arms, size = [*sizes], f"{len(sizes)} arms; how many runs is not known: {error}"
        notes: list[str] = []
    else:
        arms, size = [arm.name for arm in planned.record.arms], f"{size_of(planned.record)}."
        notes = [*planned.notes, *_lengths(planned, loaded)]
    wide = max(map(len, arms))
    each = [f"  {arm:<{wide}}  {sizes[arm][0]}" for arm in arms]
    assumed = {f"The number of classes is {note.removeprefix(', ')}" for _, note in sizes.values() if note}
    return [f"{study.name} is sound: {size}", *each, *sorted(assumed), *dict.fromkeys(taught), *notes]


def _lengths(study: "Plan", loaded: tuple[str, ...]) -> list[str]:
    """How long a run of each arm is; one sentence where that is the same for all."""
    from mixkit.recipe.gin_file import recipe_from_text
    from mixkit.training.budget import planned

    runs = {trial.arm: study.runs[trial.folder.name] for trial in reversed(study.record.trials)}  # the first of each
    known: list[tuple[Recipe, str]] = []  # counting the clips of a large data set takes its time
    found: dict[str, list[str]] = {}
    for arm in (arm.name for arm in study.record.arms):
        recipe = recipe_from_text(runs[arm].recipe, arm, loaded)
        alike = (text for other, text in known if (other.task, other.train) == (recipe.task, recipe.train))
        text = next(alike, None) or planned(recipe)
        known.append((recipe, text))
        found.setdefault(text, []).append(arm)
    return [text if len(found) == 1 else f"{', '.join(arms)}: {text}" for text, arms in found.items()]


def _built(recipe: "Recipe") -> tuple[str, str]:
    """The size of the network, which is built without memory for its weights, and a note on its classes."""
    from mixkit.cli.views.recipe import classes_of
    from mixkit.model.classifier import build_features
    from mixkit.model.cost import learned_features, without_memory
    from mixkit.model.masks import Masks
    from mixkit.model.mixer import Mixer
    from mixkit.model.patches import expect_flexible
    from mixkit.training.fine_tune import expect_learning

    features = build_features(recipe)
    classes, note = classes_of(recipe)
    network = without_memory(recipe.architecture, features.bins, features.frames, classes)
    expect_learning(features, network, recipe.train)
    expect_flexible(recipe, network, features.bins, features.frames)
    learned = sum(row.parameters for row in learned_features(features))
    parameters = learned + sum(p.numel() for p in network.parameters())
    form = f"network {recipe.network.name}" if recipe.network else ""
    if isinstance(network, Mixer):
        grid = network.stem.grid
        if recipe.pretrain is not None:
            Masks(recipe.pretrain, network.sites[-1].grid)
        form = f"{len(network.layers)} blocks over a {grid.frequency} x {grid.time} grid"
    return f"{form}, {parameters:,} parameters for {classes} classes", note


def _taught(recipe: "Recipe") -> str:
    """What teaches the network, and what work that is; nothing without a teacher."""
    if recipe.train.teacher is None:
        return ""
    from mixkit.cli.views.recipe import classes_of
    from mixkit.model.classifier import build_features
    from mixkit.registry import task
    from mixkit.training.teacher import Teacher

    features, (classes, note) = build_features(recipe), classes_of(recipe)
    teacher = Teacher(recipe, features, None if note else task.build(recipe.task).labels)
    return f"{teacher} {teacher.work(recipe, features, classes)}"


def _check_plugin(path: str, plugins: Sequence[str]) -> None:
    """Checks all that a file registers, or a folder of them."""
    from mixkit.plugins.load import load_only, load_plugins

    load_plugins(plugins)
    found = _registered(load_only([path]))
    if not found:
        raise MixkitError(f"{path} registers nothing. Decorate a class or function, as in @operator('name', ...).")
    outcomes = [outcome for spec in found for outcome in _show_checks(spec)]
    failed = sum(outcome.fails for outcome in outcomes)
    names = ", ".join(f"{spec.kind} {spec.name}" for spec in found)
    if failed:
        raise MixkitError(f"{path}: {failed} of {len(outcomes)} checks fail ({names}).")
    left = sum(not outcome.tried for outcome in outcomes)
    held = len(outcomes) - left
    passes = "1 check passes" if held == 1 else f"{held} checks pass"
    more = f", {left} not tried" if left else ""
    say(f"{path} is sound: {passes}{more} ({names}).")


def _registered(modules: Sequence[str]) -> "list[Spec]":
    from mixkit.registry import REGISTRIES, is_inside

    return [
        registry.spec(name)
        for registry in REGISTRIES.values()
        for name in registry.names()
        if any(is_inside(registry.entry(name).target.__module__, module) for module in modules)
    ]


def _show_checks(spec: "Spec") -> "list[CheckResult]":
    """Runs every check of its kind and prints each as it ends."""
    from mixkit.conformance.run_checks import run_checks
    from mixkit.registry import REGISTRIES

    where = REGISTRIES[spec.kind].entry(spec.name).where
    say(f"{spec.kind} {spec.name}, {_short(where)}", "bold")
    outcomes, left = [], []
    for result in run_checks(spec):
        outcomes.append(result)
        if result.tried:
            _line(result)
        else:
            left.append(result)
    if left:
        names = ", ".join(_words(result) for result in left)
        _hang("-", "not tried", f"{names}: {left[0].fault}", "dim", "dim")
    return outcomes


def _line(result: "CheckResult") -> None:
    if result.fails:
        _hang("fails", _words(result), result.fault or "", "bold red")
    else:
        _hang("ok", _words(result), result.promise, "green", "dim")
    if result.look:
        _hang("", "", f"look at {_short(result.look)}", "", "cyan")


def _hang(mark: str, name: str, text: str, style: str, tone: str = "") -> None:
    """A line that goes on below itself, beside its mark, where the terminal is narrow; elsewhere it stays a line."""
    console = stdout()
    line = Text(printable(text.replace("\n", " ")), style=tone)
    head = Text("  ").append(f"{mark:<6}", style=style).append(f"{name:<12} ")
    parts = line.wrap(console, max(console.width - _INDENT, _INDENT)) if console.is_terminal else [line]
    for part in parts:
        part.rstrip()
        console.print(head.append(part), soft_wrap=True)
        head = Text(" " * _INDENT)


def _words(result: "CheckResult") -> str:
    return result.check.replace("_", " ")


def _short(place: str) -> str:
    """A `file:line` from the working folder, where it is inside."""
    relative = os.path.relpath(place)
    return place if relative.startswith("..") else relative
