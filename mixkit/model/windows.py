"""What is predicted in each window of a recording, and in all."""

from dataclasses import dataclass, field

from torch import Tensor

from mixkit.errors import printable
from mixkit.markup import table


@dataclass(frozen=True)
class Prediction:
    """How likely each class is, in a recording and in each window of it.

    Args:
        labels: of the classes, `k`.
        probabilities: mean over the windows, float32 on the CPU, `k`.
        windows: probabilities in each window, `w k`.
        starts: where the windows begin, in seconds.
        window_seconds: length of a window; what a recording lacks of it was filled up.
        seconds: length of the recording.
    """

    labels: tuple[str, ...]
    probabilities: Tensor = field(repr=False)
    windows: Tensor = field(repr=False)
    starts: tuple[float, ...] = field(repr=False)
    window_seconds: float
    seconds: float

    def __str__(self) -> str:
        count = "1 window" if len(self.windows) == 1 else f"{len(self.windows)} windows"
        return f"{printable(self.label)} {self.probability:.1%} ({self.seconds:.2f} s, {count})"

    def __repr__(self) -> str:
        return f"<Prediction: {self}>"

    def _repr_html_(self) -> str:
        rows = [(label, f"{share:.1%}") for label, share in self.top(5)]
        return table(("label", "probability"), rows, str(self))

    @property
    def label(self) -> str:
        """The most likely class."""
        return self.top(1)[0][0]

    @property
    def probability(self) -> float:
        """Of the most likely class."""
        return self.top(1)[0][1]

    def top(self, count: int, window: int | None = None) -> list[tuple[str, float]]:
        """The most likely classes with their probabilities, the likeliest first.

        Args:
            count: how many; more than there are gives all.
            window: which window, from 0; None for the whole recording.
        """
        probabilities = self.probabilities if window is None else self.windows[window]
        order = probabilities.argsort(descending=True, stable=True)[:count].tolist()
        return [(self.labels[place], float(probabilities[place])) for place in order]

    def span(self, window: int) -> tuple[float, float]:
        """Where in the recording a window begins and ends, in seconds.

        Args:
            window: which one, from 0.
        """
        return self.starts[window], min(self.starts[window] + self.window_seconds, self.seconds)
