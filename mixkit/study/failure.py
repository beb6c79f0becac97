"""Why a run of a study failed, in a line or a few: from its exit code and the end of what it printed."""

import signal
from pathlib import Path

from mixkit.errors import printable

KILLED = 128 + signal.SIGKILL
STARTED = "$ mixkit "  # before the arguments of each attempt
END = 16_384  # bytes of a log that are looked at
LINES = 10
LETTERS = 300


def reason(code: int, log: Path) -> str:
    """Why a run failed.

    Args:
        code: its exit code; 128 + N where signal N ended it.
        log: what it printed.
    """
    if code == KILLED:
        return f"killed ({code}), likely out of memory"
    if code > 128 and (code - 128) in {number.value for number in signal.Signals}:
        return f"ended by {signal.Signals(code - 128).name} ({code})"
    lines = [printable(line.rstrip()) for line in _end_of(log).split("\n") if line.strip()]
    attempts = [number for number, line in enumerate(lines) if line.startswith(STARTED)]
    lines = lines[attempts[-1] + 1 :] if attempts else lines
    starts = [number for number, line in enumerate(lines) if line.startswith(("error: ", "mixkit failed,"))]
    told = lines[starts[-1] :] if starts else lines[-1:]
    told = [line for line in told if not line.startswith("Run the command again as")]
    text = "\n".join(line[:LETTERS] for line in told[:LINES]).removeprefix("error: ")
    return text or f"ended with exit code {code} and said nothing"


def _end_of(log: Path) -> str:
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - END))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
