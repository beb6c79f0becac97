"""What a trained network says of sound of any length: in windows that overlap, averaged over them."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, Self

import torch
from torch import Tensor

from mixkit.errors import MixkitError, printable
from mixkit.model.mixer import Mixer
from mixkit.recipe.schema import Recipe
from mixkit.registry import Features, loss

OVERLAP = 0.5
MOST_OVERLAP = 0.95


class WindowModel(Protocol):
    """What a prediction needs of a network; `mixkit.model.classifier.Classifier` gives it."""

    labels: tuple[str, ...]
    sample_rate: int
    recipe: Recipe
    features: Features
    mixer: Mixer
    training: bool

    def __call__(self, waveform: Tensor, /) -> Tensor:
        """Logits of a batch of waveforms: `b s -> b k`."""

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """All weights."""

    def train(self, mode: bool = True) -> Self:
        """Sets training or evaluation."""


@dataclass(frozen=True)
class Prediction:
    """How likely each class is, in a recording and in each window of it.

    Args:
        labels: of the classes, `k`.
        probabilities: mean over the windows, float32 on the CPU, `k`.
        windows: probabilities in each window, `w k`.
        starts: where the windows begin, in seconds.
        window_seconds: length of a window; what a recording lacks of it was silence.
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


def predict_all(
    model: WindowModel, sounds: Iterable[Callable[[], Tensor]], overlap: float, batch_size: int
) -> Iterator[Prediction | MixkitError]:
    """Predictions of many recordings, in their order, with their windows together in batches.

    Args:
        model: with its labels.
        sounds: each gives a waveform at the model's sample rate when it is called, or raises a `MixkitError`.
        overlap: share of a window that the next one repeats, at least.
        batch_size: windows in a batch.

    Yields:
        A prediction, or the error in place of one.
    """
    if not model.labels:
        raise MixkitError("a network that was only built knows no labels to predict. Load a trained one: mixkit.load.")
    objective = loss.build(model.recipe.train.loss, None)
    rate, size = model.sample_rate, model.features.samples

    def scores(waveform: Tensor) -> Tensor:
        return objective.scores(model(waveform))

    for recording in _rows_of(model, scores, sounds, overlap, batch_size):
        if isinstance(recording, MixkitError):
            yield recording
            continue
        windows = torch.stack(recording.rows)
        starts = tuple(start / rate for start in recording.starts)
        mean = windows.double().mean(0).float()
        yield Prediction(model.labels, mean, windows, starts, size / rate, recording.samples / rate)


def embed_all(
    model: WindowModel, sounds: Iterable[Callable[[], Tensor]], overlap: float, batch_size: int
) -> Iterator[Tensor | MixkitError]:
    """The pooled vectors ahead of the head of many recordings, each the mean over its windows: `c`.

    Args:
        model: trained.
        sounds: each gives a waveform at the model's sample rate when it is called, or raises a `MixkitError`.
        overlap: share of a window that the next one repeats, at least.
        batch_size: windows in a batch.

    Yields:
        A vector on the CPU, or the error in place of one.
    """
    for recording in _rows_of(model, lambda x: model.mixer.embed(model.features(x)), sounds, overlap, batch_size):
        yield recording if isinstance(recording, MixkitError) else torch.stack(recording.rows).double().mean(0).float()


def window_starts(samples: int, size: int, overlap: float) -> list[int]:
    """Where windows begin: as few as cover the recording with that overlap, evenly spread from its start to its end.

    Args:
        samples: of the recording.
        size: samples of a window.
        overlap: share of a window that the next one repeats, at least.

    Raises:
        MixkitError: the overlap is none that works.
    """
    if not 0 <= overlap <= MOST_OVERLAP:
        raise MixkitError(f"overlap is {overlap:g}. It takes a share of a window, from 0 to {MOST_OVERLAP}.")
    spare = samples - size
    if spare <= 0:
        return [0]
    steps = math.ceil(spare / max(size * (1 - overlap), 1))
    return [spare * step // steps for step in range(steps + 1)]


@dataclass
class _Recording:
    """A recording on its way through the network: a row of results for each window."""

    samples: int
    starts: list[int]
    rows: list[Tensor] = field(default_factory=list)


def _rows_of(
    model: WindowModel,
    compute: Callable[[Tensor], Tensor],
    sounds: Iterable[Callable[[], Tensor]],
    overlap: float,
    batch_size: int,
) -> Iterator[_Recording | MixkitError]:
    """Each recording with its rows, in order. No more than one batch of windows waits at a time."""
    if batch_size < 1:
        raise MixkitError(f"batch_size is {batch_size}. Use 1 or more.")
    size = model.features.samples
    waiting: deque[_Recording | MixkitError] = deque()
    batch: list[tuple[_Recording, Tensor]] = []

    def flush() -> None:
        with _evaluating(model) as device:
            rows = compute(torch.stack([window for _, window in batch]).to(device)).float().cpu()
        for (recording, _), row in zip(batch, rows, strict=True):
            recording.rows.append(row)
        batch.clear()

    for sound in sounds:
        try:
            waveform = sound()
        except MixkitError as error:
            waiting.append(error)
        else:
            recording = _Recording(len(waveform), window_starts(len(waveform), size, overlap))
            waiting.append(recording)
            for start in recording.starts:
                window = waveform[start : start + size]
                batch.append((recording, torch.nn.functional.pad(window, (0, size - len(window)))))
                if len(batch) == batch_size:
                    flush()
        while waiting and _is_done(waiting[0]):
            yield waiting.popleft()
    if batch:
        flush()
    yield from waiting


def _is_done(recording: _Recording | MixkitError) -> bool:
    return isinstance(recording, MixkitError) or len(recording.rows) == len(recording.starts)


@contextmanager
def _evaluating(model: WindowModel) -> Iterator[torch.device]:
    """The network in evaluation, in full precision; afterwards as it was."""
    training = model.training
    model.train(False)
    try:
        with torch.no_grad():
            yield next(model.parameters()).device
    finally:
        model.train(training)
