"""How long a search has taken, all processes and all days together."""

import json
import time
from pathlib import Path

from mixkit.storage.atomic import replace, writing

TIMES = "times"
EVERY = 5.0  # seconds between two notes


class Clock:
    """Counts the time in which at least one process was at work.

    Args:
        folder: of the search.
        process: that counts.
        budget: seconds that there are for all of it; None for no end.
    """

    def __init__(self, folder: Path, process: str, budget: float | None):
        self._file = folder / TIMES / f"{process}.json"
        self._budget = budget
        with writing(self._file.parent):
            self._file.parent.mkdir(parents=True, exist_ok=True)
        self._began = self._noted = time.time()
        self._before = [span for span in _spans(folder / TIMES) if span[0] < self._began]
        self.tick(always=True)

    def tick(self, always: bool = False) -> None:
        """Time has passed; it is noted now and then, for those that come after a kill."""
        now = time.time()
        if always or now - self._noted > EVERY:
            self._noted = now
            with writing(self._file):
                replace(self._file, json.dumps([self._began, now]).encode(), durable=False)

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return covered([*self._before, (self._began, time.time())])

    @property
    def left(self) -> float | None:
        """Seconds of the budget; None without one."""
        return None if self._budget is None else self._budget - self.spent


def covered(spans: list[tuple[float, float]]) -> float:
    """How much time the spans cover together."""
    total, end = 0.0, float("-inf")
    for begin, stop in sorted(spans):
        total += max(0.0, stop - max(begin, end))
        end = max(end, stop)
    return total


def _spans(folder: Path) -> list[tuple[float, float]]:
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            begin, end = json.loads(path.read_bytes())
            found.append((float(begin), float(end)))
        except (ValueError, TypeError, OSError):  # cut short by a kill: seconds, at most
            continue
    return found
