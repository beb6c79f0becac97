"""`mixkit check`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mixkit.cli.options import Layers, Plugins, Settings, load
from mixkit.cli.views.terminal import say, stdout
from mixkit.errors import MixkitError

if TYPE_CHECKING:
    from mixkit.recipe.schema import Recipe
    from mixkit.registry import Spec


def check(
    recipe: Annotated[
        str,
        typer.Argument(metavar="RECIPE|PLUGIN", help="A recipe, or a plugin: a .py file or a folder of them."),
    ],
    layers: Layers = None,
    settings: Settings = None,
    plugins: Plugins = None,
) -> None:
    """Find every mistake in a recipe, without data and without training; or try out all that a plugin registers."""
    from mixkit.recipe import catalog

    if not recipe.endswith(".py") and not (Path(recipe).is_dir() and recipe not in catalog.names()):
        _check_recipe(load(recipe, layers, settings, plugins))
        return
    if layers or settings:
        raise MixkitError(f"{recipe} is a plugin; --with and --set are for recipes. Leave them out.")
    _check_plugin(recipe, plugins or ())


def _check_recipe(recipe: "Recipe") -> None:
    """Builds the network, without memory for its weights."""
    import torch

    from mixkit.cli.views.recipe import classes_of
    from mixkit.model.classifier import build_features
    from mixkit.model.mixer import Mixer

    features = build_features(recipe)
    classes, note = classes_of(recipe)
    with torch.device("meta"):
        mixer = Mixer(recipe.model, features.bins, features.frames, classes)
    say(
        stdout(),
        f"{recipe.name} is sound: {recipe.model.depth} blocks over a {mixer.grid.frequency} x {mixer.grid.time} "
        f"grid, {sum(p.numel() for p in mixer.parameters()):,} parameters for {classes} classes{note}",
    )


def _check_plugin(path: str, plugins: Sequence[str]) -> None:
    """Checks all that a file registers, or a folder of them."""
    from mixkit.cli.views.conformance import show_checks
    from mixkit.plugins.load import load_only, load_plugins

    console = stdout()
    load_plugins(plugins)
    found = _registered(load_only([path]))
    if not found:
        raise MixkitError(f"{path} registers nothing. Decorate a class or function, as in @operator('name', ...).")
    outcomes = [outcome for spec in found for outcome in show_checks(console, spec)]
    failed = sum(outcome.fails for outcome in outcomes)
    names = ", ".join(f"{spec.kind} {spec.name}" for spec in found)
    if failed:
        raise MixkitError(f"{path}: {failed} of {len(outcomes)} checks fail ({names}).")
    left = sum(not outcome.tried for outcome in outcomes)
    held = len(outcomes) - left
    passes = "1 check passes" if held == 1 else f"{held} checks pass"
    more = f", {left} not tried" if left else ""
    say(console, f"{path} is sound: {passes}{more} ({names}).")


def _registered(modules: Sequence[str]) -> "list[Spec]":
    from mixkit.registry import REGISTRIES, is_inside

    return [
        registry.spec(name)
        for registry in REGISTRIES.values()
        for name in registry.names()
        if any(is_inside(registry.entry(name).target.__module__, module) for module in modules)
    ]
