"""Time, measured so that two things can be compared: turn by turn, each round against its own."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch


class Clock(Protocol):
    """Marks moments on a device; how far they are apart is asked later, so that marking holds nothing up."""

    def mark(self) -> Any:
        """This moment."""

    def seconds(self, begun: Any, ended: Any) -> float:
        """From one moment to another."""


class WallClock:
    """For a CPU, which has done its work when the call returns."""

    def mark(self) -> float:
        """This moment."""
        return time.perf_counter()

    def seconds(self, begun: float, ended: float) -> float:
        """From one moment to another."""
        return ended - begun


class EventClock:
    """For a CUDA GPU, which works behind the program: moments are events in its own queue."""

    def mark(self) -> Any:
        """This moment."""
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self, begun: Any, ended: Any) -> float:
        """From one moment to another."""
        ended.synchronize()
        return float(begun.elapsed_time(ended)) / 1000


def clock_of(device: torch.device) -> Clock:
    """The clock of a device."""
    return EventClock() if device.type == "cuda" else WallClock()


class Stopwatch:
    """Cuts one pass into phases.

    Args:
        clock: of the device.
    """

    def __init__(self, clock: Clock):
        self.clock = clock
        self.marks: list[tuple[str, Any, Any]] = []

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """What happens inside counts as that phase."""
        begun = self.clock.mark()
        yield
        self.marks.append((name, begun, self.clock.mark()))

    def read(self) -> dict[str, float]:
        """Seconds by phase since the last reading."""
        seconds: dict[str, float] = {}
        for name, begun, ended in self.marks:
            seconds[name] = seconds.get(name, 0.0) + self.clock.seconds(begun, ended)
        self.marks.clear()
        return seconds


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
    passes: Mapping[str, Pass], rounds: int, warm_up: int = 1, say: Callable[[str], None] = lambda _: None
) -> dict[str, list[dict[str, float]]]:
    """Takes every pass in turn, A B C A B C, so that what else the machine does falls on all of them alike.

    Args:
        passes: by name; each returns its seconds by phase.
        rounds: how often each is measured.
        warm_up: passes of each that do not count.
        say: is told of every round.

    Returns:
        Of each pass, its seconds by phase for every round.
    """
    found: dict[str, list[dict[str, float]]] = {name: [] for name in passes}
    for number in range(-warm_up, rounds):
        for name, one in passes.items():
            seconds = dict(one())
            if number >= 0:
                found[name].append(seconds)
        say(f"round {number + 1} of {rounds}" if number >= 0 else "warmed up")
    return found
