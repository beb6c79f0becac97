"""The command line: thin over the Python API. Torch is imported inside commands, so that help is there at once."""

import errno
import io
import os
import shutil
import signal
import sys
import textwrap
from contextlib import suppress

from mixkit.cli.app import app
from mixkit.errors import MixkitError, Stopped, printable
from mixkit.handlers import handled


def main() -> None:
    """Runs `mixkit`; a mistake of the user ends in one message and exit code 2, ours in 1."""
    # While torch is imported, Python's own handler may raise where somebody swallows it: Ctrl-C would do nothing. Until
    # training listens for signals, there is nothing to save.
    with handled([signal.SIGINT] if sys.argv[1:2] in (["train"], ["pretrain"]) else [], signal.SIG_DFL):
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a character that the encoding lacks is no reason to say nothing
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            app()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # while a fault can still be told
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)  # noqa: T201
        sys.exit(130)
    except BrokenPipeError:
        _close_stdout()
        sys.exit(128 + signal.SIGPIPE)  # as the shell says it of a program that SIGPIPE ends
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
        if isinstance(error, OSError) and (told := _of_the_disk(error)):
            _close_stdout()
            print(f"error: {told}", file=sys.stderr)  # noqa: T201
            sys.exit(2)
        print(  # noqa: T201
            f"mixkit failed, and it is not your fault: {type(error).__name__}: {error}\n"
            "Run the command again as `mixkit --debug ...` and report what it prints.",
            file=sys.stderr,
        )
        sys.exit(1)


def _of_the_disk(error: OSError) -> str:
    """What the user can do about a fault of the system around mixkit; empty if it is none of those."""
    if isinstance(error.filename, str | bytes):
        return f"{printable(os.fsdecode(error.filename))[:200]} cannot be used: {error.strerror}. Name another."
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG):
        return f"what was to be printed, or a temporary file, cannot be written: {error.strerror}. Make room for it."
    if error.errno == errno.ENOENT and "temporary directory" in str(error):
        return "no temporary folder can be written. Set TMPDIR to a folder that can."
    return ""


def _close_stdout() -> None:
    """What is left in its buffer is not tried again at the end."""
    with suppress(io.UnsupportedOperation, AttributeError):  # closed from the start, or no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
