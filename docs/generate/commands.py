"""The command line, from the very commands that typer makes: what `--help` says, and nothing else."""

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from mixkit.cli.app import app, options

Described = tuple[str, Any, Any]  # the words that call a command, the command, and its context


def pages() -> Iterator[tuple[str, str]]:
    """One page with every command."""
    parts = [
        "# Command line\n\nMade from the commands when this site is built; `mixkit COMMAND --help` says the same.",
        "Results go to stdout, errors to stderr, in one message each. Exit codes: 0 done; 2 a mistake in what was "
        "asked; 3 refused, because it would run code that you did not ask for; 4 damaged input; 1 a fault of mixkit; "
        "130, 143, 138 and 129 after a signal.",
        *(_described(*command) for command in commands()),
    ]
    yield "reference/cli.md", "\n\n".join(parts) + "\n"


def commands() -> Iterator[Described]:
    """Every command by the words that call it, `mixkit data get`; ahead of them `mixkit` itself."""
    yield from _below("mixkit", get_command(app), None)


def _below(path: str, command: Any, parent: Any) -> Iterator[Described]:
    context = command.make_context(path.split()[-1], [], parent, resilient_parsing=True)
    yield path, command, context
    for name, inner in sorted(getattr(command, "commands", {}).items()):
        yield from _below(f"{path} {name}", inner, context)


def _described(path: str, command: Any, context: Any) -> str:
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    rows = [row for parameter in command.get_params(context) if (row := _row(parameter, context))]
    says = options.__doc__ if path == "mixkit" else command.help
    return "\n".join([f"## {path}", "", f"{says}", "", "```text", usage, "```", "", "| | |", "| --- | --- |", *rows])


def _row(parameter: Any, context: Any) -> str:
    """An option or argument as `--help` has it; nothing of one that is hidden."""
    record = parameter.get_help_record(context)
    if record is None:
        return ""
    called = parameter.display_name_raw if parameter.param_type_name == "argument" else record[0]
    return "| `{}` | {} |".format(*(part.replace("|", "\\|").replace("  [", " [") for part in (called, record[1])))
