"""A whole recipe as one network: features in front, so that it takes a waveform."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn

from mixkit.audio.length import OVERLAP, Length, window_starts
from mixkit.audio.waveform import Sound, waveform_of
from mixkit.defaults import float32_default, torch_defaults
from mixkit.errors import MixkitError, SettingError
from mixkit.model.mixer import Mixer
from mixkit.model.windows import Prediction
from mixkit.recipe.schema import Recipe
from mixkit.registry import Features, features, loss

BATCH_SIZE = 32

Found = TypeVar("Found", Prediction, Tensor)


class Classifier(nn.Module):
    """A whole recipe as one network.

    Shape: waveform `b s -> b k` logits; any length, cut or padded as the recipe says.

    Args:
        recipe: the features and the network.
        classes: how many there are to tell apart.
    """

    def __init__(self, recipe: Recipe, classes: int):
        super().__init__()
        self.recipe = recipe
        self.labels: tuple[str, ...] = ()
        self.refit = False  # whether the validation clips were among those that it learned from
        self.multi_label: bool = recipe.task.params.get("multi_label", False)
        self.features = build_features(recipe)
        self.length = Length(self.features.samples, recipe.pad, recipe.crop)
        self.sample_rate: int = recipe.task.params["sample_rate"]
        self.mixer = Mixer(recipe.model, self.features.bins, self.features.frames, classes)

    def forward(self, waveform: Tensor) -> Tensor:
        """Logits of a batch of waveforms."""
        logits: Tensor = self.mixer(self.features(self.length(waveform)))
        return logits

    @torch_defaults()
    def predict(self, sound: Sound, sample_rate: int | None = None, overlap: float = OVERLAP) -> Prediction:
        """How likely each class is in a recording of any length, sample rate and channel count.

        Args:
            sound: a path, or a waveform `s` or `channels s` as tensor or NumPy array, from -1 to 1.
            sample_rate: of a waveform, in Hz; a file says its own.
            overlap: share of a window that the next one repeats, at least; 0 to 0.95.

        Raises:
            MixkitError: the network has no labels, or an argument is not as it has to be.
            DataError: the sound cannot be used.
        """
        return _only(*predict_all(self, self._read(sound, sample_rate), overlap, BATCH_SIZE))

    @torch_defaults()
    def embed(self, sound: Sound, sample_rate: int | None = None, overlap: float = OVERLAP) -> Tensor:
        """A recording as one vector, the pooled tokens ahead of the head, averaged over its windows: `c`.

        Args:
            sound: a path, or a waveform `s` or `channels s` as tensor or NumPy array, from -1 to 1.
            sample_rate: of a waveform, in Hz; a file says its own.
            overlap: share of a window that the next one repeats, at least; 0 to 0.95.

        Returns:
            float32 on the CPU; as many values as the recipe's `model.width`.

        Raises:
            MixkitError: an argument is not as it has to be.
            DataError: the sound cannot be used.
        """
        return _only(*embed_all(self, self._read(sound, sample_rate), overlap, BATCH_SIZE))

    def _read(self, sound: Sound, sample_rate: int | None) -> list[Callable[[], Tensor]]:
        return [lambda: waveform_of(sound, sample_rate, self.sample_rate)]


def build_features(recipe: Recipe) -> Features:
    """The features of a recipe, at the sample rate and length of its task.

    Raises:
        SettingError: the task has no setting for one of them, or the features cannot work with it.
    """
    for setting in ("sample_rate", "seconds"):
        if setting not in recipe.task.params:
            raise SettingError("recipe.task", f"is {recipe.task.name!r}, which has no setting {setting!r}. Add it.")
    return features.build(recipe.features, recipe.task.params["sample_rate"], recipe.task.params["seconds"])


def build(recipe: Recipe, classes: int) -> Classifier:
    """The network of a recipe with fresh weights, the same ones for the same `train.seed`.

    Args:
        recipe: what to build.
        classes: how many there are to tell apart.

    Raises:
        MixkitError: a setting that cannot work at this size.
    """
    with float32_default(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.train.seed)
        return Classifier(recipe, classes)


def predict_all(
    model: Classifier, sounds: Iterable[Callable[[], Tensor]], overlap: float, batch_size: int
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
    model: Classifier, sounds: Iterable[Callable[[], Tensor]], overlap: float, batch_size: int
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


def _only(found: Found | MixkitError) -> Found:
    if isinstance(found, MixkitError):
        raise found
    return found


@dataclass
class _Recording:
    """A recording on its way through the network: a row of results for each window."""

    samples: int
    starts: list[int]
    rows: list[Tensor] = field(default_factory=list)


def _rows_of(
    model: Classifier,
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
                batch.append((recording, model.length.padded(waveform[start : start + size])))
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
def _evaluating(model: Classifier) -> Iterator[torch.device]:
    """The network in evaluation, in full precision; afterwards as it was."""
    training = model.training
    model.train(False)
    try:
        with torch_defaults(), torch.no_grad():
            yield next(model.parameters()).device
    finally:
        model.train(training)
