"""The command line: thin over the Python API. Torch is imported inside commands, so that help is there at once."""

import os
import shutil
import signal
import sys
import textwrap

from mixkit.cli.app import app
from mixkit.errors import MixkitError, Stopped, printable
from mixkit.handlers import handled


def main() -> None:
    """Runs `mixkit`; a mistake of the user ends in one message and exit code 2, ours in 1."""
    # While torch is imported, Python's own handler may raise where somebody swallows it: Ctrl-C would do nothing. Until
    # training listens for signals, there is nothing to save.
    with handled([signal.SIGINT] if sys.argv[1:2] == ["train"] else [], signal.SIG_DFL):
        _main()


def _folded(line: str) -> str:
    """A long line, folded at words in a terminal, which would fold it inside them; one line elsewhere."""
    if not sys.stderr.isatty():
        return line
    width = shutil.get_terminal_size().columns
    indent = 2 * line[: len(line) - len(line.lstrip())]
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _main() -> None:
    debug = "--debug" in sys.argv[1:] or bool(os.environ.get("MIXKIT_DEBUG"))
    try:
        app()
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)  # noqa: T201
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Stopped as error:
        if os.environ.get("RANK", "0") == "0":
            print(error, file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except MixkitError as error:
        if debug:
            raise
        lines = f"error: {error}".split("\n")
        print("\n".join(_folded(printable(line)) for line in lines), file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        if isinstance(error, OSError) and error.filename is not None:
            name = printable(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else ""
            print(f"error: {name[:200]} cannot be used: {error.strerror}. Name another.", file=sys.stderr)  # noqa: T201
            sys.exit(2)
        print(  # noqa: T201
            f"mixkit failed, and it is not your fault: {type(error).__name__}: {error}\n"
            "Run the command again as `mixkit --debug ...` and report what it prints.",
            file=sys.stderr,
        )
        sys.exit(1)
