"""`mixkit check plugins/x.py`."""

import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from mixkit.conformance.examination import Outcome, examine
from mixkit.errors import MixkitError, printable
from mixkit.plugins import load_only, load_plugins
from mixkit.recipe import catalog
from mixkit.registry import REGISTRIES, Spec, is_inside


def is_plugin(name: str) -> bool:
    """Whether a name means a plugin and no recipe: a .py file, or a folder that is not named like a shipped recipe."""
    return name.endswith(".py") or (Path(name).is_dir() and name not in catalog.names())


def check(path: str, plugins: Sequence[str] = ()) -> None:
    """Checks all that a plugin registers.

    Args:
        path: a file, or a folder of them.
        plugins: others that it needs, as the user named them.

    Raises:
        MixkitError: it cannot be imported, registers nothing, or something does not hold.
    """
    console = Console(highlight=False)
    load_plugins(plugins)
    found = _registered(load_only([path]))
    if not found:
        raise MixkitError(f"{path} registers nothing. Decorate a class or function, as in @operator('name', ...).")
    outcomes = [outcome for spec in found for outcome in _told(console, spec)]
    failed = sum(outcome.fails for outcome in outcomes)
    names = ", ".join(f"{spec.kind} {spec.name}" for spec in found)
    if failed:
        raise MixkitError(f"{path}: {failed} of {len(outcomes)} checks fail ({names}).")
    left = sum(not outcome.tried for outcome in outcomes)
    held = len(outcomes) - left
    passes = "1 check passes" if held == 1 else f"{held} checks pass"
    more = f", {left} not tried" if left else ""
    console.print(Text(printable(f"{path} is sound: {passes}{more} ({names}).")), soft_wrap=True)


def _registered(modules: Sequence[str]) -> list[Spec]:
    return [
        registry.spec(name)
        for registry in REGISTRIES.values()
        for name in registry.names()
        if any(is_inside(registry.entry(name).target.__module__, module) for module in modules)
    ]


def _told(console: Console, spec: Spec) -> list[Outcome]:
    where = REGISTRIES[spec.kind].entry(spec.name).where
    console.print(Text(printable(f"{spec.kind} {spec.name}, {_short(where)}"), style="bold"), soft_wrap=True)
    outcomes, left = [], []
    for outcome in examine(spec):
        outcomes.append(outcome)
        if outcome.tried:
            _line(console, outcome)
        else:
            left.append(outcome)
    if left:
        names = ", ".join(_words(outcome) for outcome in left)
        line = Text(printable(f"  -     not tried    {names}: {left[0].fault}"), style="dim")
        console.print(line, soft_wrap=True)
    return outcomes


def _line(console: Console, outcome: Outcome) -> None:
    mark, style = ("fails", "bold red") if outcome.fails else ("ok", "green")
    line = Text("  ").append(f"{mark:<6}", style=style).append(f"{_words(outcome):<12} ")
    text = (outcome.fault or outcome.promise).replace("\n", " ")
    console.print(line.append(printable(text), style="" if outcome.fails else "dim"), soft_wrap=True)
    if outcome.look:
        console.print(Text(f"{'':21}look at {printable(_short(outcome.look))}", style="cyan"), soft_wrap=True)


def _words(outcome: Outcome) -> str:
    return outcome.check.replace("_", " ")


def _short(place: str) -> str:
    """A `file:line` from the working folder, where it is inside."""
    relative = os.path.relpath(place)
    return place if relative.startswith("..") else relative
