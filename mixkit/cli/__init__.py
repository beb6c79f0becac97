"""The command line: thin over the Python API. Torch is imported inside commands, so that help is there at once."""

import os
import sys

from mixkit.cli.app import app
from mixkit.errors import MixkitError


def main() -> None:
    """Runs `mixkit`; a mistake of the user ends in one message and exit code 2, ours in 1."""
    debug = "--debug" in sys.argv[1:] or bool(os.environ.get("MIXKIT_DEBUG"))
    try:
        app()
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)  # noqa: T201
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except MixkitError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        print(  # noqa: T201
            f"mixkit failed, and it is not your fault: {type(error).__name__}: {error}\n"
            "Run the command again as `mixkit --debug ...` and report what it prints.",
            file=sys.stderr,
        )
        sys.exit(1)
