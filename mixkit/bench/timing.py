"""Time, measured so that two things can be compared: turn by turn, each round against its own."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch


class Stopwatch:
    """Cuts one pass into phases.

    A CPU has done its work when a call returns. A CUDA GPU works behind the program: its moments are events in its own
    queue, and how far they are apart is asked last, so that marking holds nothing up.

    Args:
        device: that computes.
    """

    def __init__(self, device: torch.device):
        self.events = device.type == "cuda"
        self.marks: list[tuple[str, Any, Any]] = []

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """What happens inside counts as that phase."""
        begun = self._now()
        yield
        self.marks.append((name, begun, self._now()))

    def _now(self) -> Any:
        if not self.events:
            return perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def read(self) -> dict[str, float]:
        """Seconds by phase."""
        if not self.events:
            return {name: ended - begun for name, begun, ended in self.marks}
        for _, _, ended in self.marks:
            ended.synchronize()
        return {name: begun.elapsed_time(ended) / 1000 for name, begun, ended in self.marks}


@dataclass(frozen=True)
class Spread:
    """Many measurements in three numbers: the median, and the quartiles that half of them lie between."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of one measurement or more."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def ratios(reference: Sequence[float], other: Sequence[float]) -> Spread:
    """How many times as fast the other is: the ratio of each round, in which both stood under the same load."""
    return Spread.of([one / another for one, another in zip(reference, other, strict=True)])


Pass = Callable[[], Mapping[str, float]]


def interleaved(
    passes: Mapping[str, Pass], rounds: int, say: Callable[[str], None] = lambda _: None
) -> dict[str, list[Mapping[str, float]]]:
    """Takes every pass in turn, A B C A B C, so that what else the machine does falls on all of them alike.

    Args:
        passes: by name; each returns its seconds by phase. The first of each does not count: it warms up.
        rounds: how often each is measured.
        say: is given a line on every round.

    Returns:
        Of each pass, its seconds by phase for every round.
    """
    found: dict[str, list[Mapping[str, float]]] = {name: [] for name in passes}
    for number in range(rounds + 1):
        for name, one in passes.items():
            seconds = one()
            if number:
                found[name].append(seconds)
        say(f"round {number} of {rounds}" if number else "warmed up")
    return found
