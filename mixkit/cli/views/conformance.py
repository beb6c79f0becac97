"""What came of the checks of a registered thing, a line each."""

import os

from rich.console import Console
from rich.text import Text

from mixkit.cli.views.terminal import say
from mixkit.conformance.run_checks import CheckResult, run_checks
from mixkit.errors import printable
from mixkit.registry import REGISTRIES, Spec

_INDENT = 21  # of what is said of a check, behind its mark and its name


def show_checks(console: Console, spec: Spec) -> list[CheckResult]:
    """Runs every check of its kind and prints each as it ends."""
    where = REGISTRIES[spec.kind].entry(spec.name).where
    say(console, f"{spec.kind} {spec.name}, {_short(where)}", "bold")
    outcomes, left = [], []
    for result in run_checks(spec):
        outcomes.append(result)
        if result.tried:
            _line(console, result)
        else:
            left.append(result)
    if left:
        names = ", ".join(_words(result) for result in left)
        _hang(console, "-", "not tried", f"{names}: {left[0].fault}", "dim", "dim")
    return outcomes


def _line(console: Console, result: CheckResult) -> None:
    if result.fails:
        _hang(console, "fails", _words(result), result.fault or "", "bold red")
    else:
        _hang(console, "ok", _words(result), result.promise, "green", "dim")
    if result.look:
        _hang(console, "", "", f"look at {_short(result.look)}", "", "cyan")


def _hang(console: Console, mark: str, name: str, text: str, style: str, tone: str = "") -> None:
    """A line that goes on below itself, beside its mark, where the terminal is narrow; elsewhere it stays a line."""
    line = Text(printable(text.replace("\n", " ")), style=tone)
    head = Text("  ").append(f"{mark:<6}", style=style).append(f"{name:<12} ")
    parts = line.wrap(console, max(console.width - _INDENT, _INDENT)) if console.is_terminal else [line]
    for part in parts:
        part.rstrip()
        console.print(head.append(part), soft_wrap=True)
        head = Text(" " * _INDENT)


def _words(result: CheckResult) -> str:
    return result.check.replace("_", " ")


def _short(place: str) -> str:
    """A `file:line` from the working folder, where it is inside."""
    relative = os.path.relpath(place)
    return place if relative.startswith("..") else relative
