"""`mixkit check plugins/x.py`."""

import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from mixkit.cli.views.training import say
from mixkit.conformance.examination import Outcome, examine
from mixkit.errors import MixkitError, printable
from mixkit.plugins.load import load_only, load_plugins
from mixkit.recipe import catalog
from mixkit.registry import REGISTRIES, Spec, is_inside

_INDENT = 21  # of what is said of a check, behind its mark and its name


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
    say(console, f"{path} is sound: {passes}{more} ({names}).")


def _registered(modules: Sequence[str]) -> list[Spec]:
    return [
        registry.spec(name)
        for registry in REGISTRIES.values()
        for name in registry.names()
        if any(is_inside(registry.entry(name).target.__module__, module) for module in modules)
    ]


def _told(console: Console, spec: Spec) -> list[Outcome]:
    where = REGISTRIES[spec.kind].entry(spec.name).where
    say(console, f"{spec.kind} {spec.name}, {_short(where)}", "bold")
    outcomes, left = [], []
    for outcome in examine(spec):
        outcomes.append(outcome)
        if outcome.tried:
            _line(console, outcome)
        else:
            left.append(outcome)
    if left:
        names = ", ".join(_words(outcome) for outcome in left)
        _hang(console, "-", "not tried", f"{names}: {left[0].fault}", "dim", "dim")
    return outcomes


def _line(console: Console, outcome: Outcome) -> None:
    if outcome.fails:
        _hang(console, "fails", _words(outcome), outcome.fault or "", "bold red")
    else:
        _hang(console, "ok", _words(outcome), outcome.promise, "green", "dim")
    if outcome.look:
        _hang(console, "", "", f"look at {_short(outcome.look)}", "", "cyan")


def _hang(console: Console, mark: str, name: str, text: str, style: str, tone: str = "") -> None:
    """A line that goes on below itself, beside its mark, where the terminal is narrow; elsewhere it stays a line."""
    line = Text(printable(text.replace("\n", " ")), style=tone)
    head = Text("  ").append(f"{mark:<6}", style=style).append(f"{name:<12} ")
    parts = line.wrap(console, max(console.width - _INDENT, _INDENT)) if console.is_terminal else [line]
    for part in parts:
        part.rstrip()
        console.print(head.append(part), soft_wrap=True)
        head = Text(" " * _INDENT)


def _words(outcome: Outcome) -> str:
    return outcome.check.replace("_", " ")


def _short(place: str) -> str:
    """A `file:line` from the working folder, where it is inside."""
    relative = os.path.relpath(place)
    return place if relative.startswith("..") else relative
