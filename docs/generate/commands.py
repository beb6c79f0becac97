"""The command line, from the signatures of the very commands."""

import inspect
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any, Literal

import typer
from typer.models import ArgumentInfo, OptionInfo

from mixkit.cli.app import app, options


def pages() -> Iterator[tuple[str, str]]:
    """One page with every command."""
    parts = [
        "# Command line\n\nMade from the commands when this site is built; `mixkit COMMAND --help` says the same.",
        "Results go to stdout, errors to stderr, in one message each. Exit codes: 0 done; 2 a mistake in what was "
        "asked; 3 refused, because it would run code that you did not ask for; 4 damaged input; 1 a fault of mixkit; "
        "130, 143, 138 and 129 after a signal.",
        _command("mixkit", options, "COMMAND [ARGUMENTS]..."),
        *(_command(f"mixkit {name}", callback) for name, callback in sorted(_commands(app))),
    ]
    yield "reference/cli.md", "\n\n".join(parts) + "\n"


def _commands(group: typer.Typer, ahead: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    for command in group.registered_commands:
        assert command.callback is not None
        yield f"{ahead}{command.name or command.callback.__name__}", command.callback
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from _commands(inner.typer_instance, f"{ahead}{inner.name} ")


def _command(name: str, callback: Callable[..., Any], last: str = "") -> str:
    hints = typing.get_type_hints(callback, include_extras=True)
    rows, arguments = [], []
    for parameter in inspect.signature(callback).parameters.values():
        kind, info = typing.get_args(hints[parameter.name])[:2]
        if isinstance(info, ArgumentInfo):
            called = _argument(parameter, info)
            arguments.append(called)
        else:
            called = _option(parameter.name, kind, info)
        rows.append(f"| `{called}` | {_cell(info.help or '')} | {_default(parameter)} |")
    usage = " ".join(
        word for word in (name, "[OPTIONS]" if len(rows) > len(arguments) else "", *arguments, last) if word
    )
    table = "| | | default |\n| --- | --- | --- |\n" + "\n".join(rows)
    return f"## {name}\n\n{inspect.getdoc(callback)}\n\n```text\n{usage}\n```\n\n{table}"


def _argument(parameter: inspect.Parameter, info: ArgumentInfo) -> str:
    named = (info.metavar or parameter.name.upper()).strip("[]")
    return named if parameter.default is parameter.empty else f"[{named}]"


def _option(name: str, kind: Any, info: OptionInfo) -> str:
    flags = ", ".join(info.param_decls or (f"--{name.replace('_', '-')}",))
    return flags if kind is bool else f"{flags} {info.metavar or _takes(kind)}"


def _takes(kind: Any) -> str:
    """What stands behind an option, where the command does not say: `onnx|torch`, `INT`, `PATH`."""
    if typing.get_origin(kind) is Literal:
        return "|".join(typing.get_args(kind))
    if isinstance(kind, types.UnionType):
        return _takes(typing.get_args(kind)[0])
    return {"str": "TEXT"}.get(kind.__name__, kind.__name__.upper())


def _default(parameter: inspect.Parameter) -> str:
    default = parameter.default
    return "" if default in (None, False, parameter.empty) else f"`{default}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
