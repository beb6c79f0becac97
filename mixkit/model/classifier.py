"""A whole recipe as one network: features in front, so that it takes a waveform."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn

from mixkit.audio.length import OVERLAP, Length
from mixkit.audio.waveform import OpenSound, Sound, sound_opener
from mixkit.defaults import float32_default, torch_defaults
from mixkit.errors import MixkitError, SettingError
from mixkit.model.estimate import expect_clip
from mixkit.model.masking import MaskedPrediction
from mixkit.model.mixer import Mixer
from mixkit.model.recordings import heard
from mixkit.model.whole import build_whole, pooled
from mixkit.model.windows import Prediction
from mixkit.recipe.schema import Recipe
from mixkit.registry import Features, Spec, features, loss
from mixkit.runs.clips import KeptClips

BATCH_SIZE = 32

Found = TypeVar("Found", Prediction, Tensor)


class Classifier(nn.Module):
    """A whole recipe as one network.

    Shape: waveform `b s -> b k` logits; any length, cut or padded as the recipe says.

    Args:
        recipe: the features and the network.
        classes: how many there are to tell apart; 0 for a network that is pretrained, whose head never learns.

    Attributes:
        mixer: the network of a recipe that has a model.
        whole: the network of a recipe that names one.
        pretraining: what pretraining adds to the mixer; None of a recipe that trains.
        place: which of these two it is, `mixer` or `whole`.
    """

    mixer: Mixer
    whole: nn.Module

    def __init__(self, recipe: Recipe, classes: int):
        super().__init__()
        self.recipe = recipe
        self.labels: tuple[str, ...] = ()
        self.refit = False  # whether the validation clips were among those that it learned from
        self.trained_on: KeptClips | None = None
        self.multi_label: bool = recipe.task.params.get("multi_label", False)
        self.features = build_features(recipe)
        self.length = Length(self.features.samples, recipe.pad, recipe.crop)
        self.sample_rate: int = recipe.task.params["sample_rate"]
        shape = self.features.bins, self.features.frames, max(classes, 1)
        if isinstance(recipe.architecture, Spec):
            self.place = "whole"
            self.whole = build_whole(recipe.architecture, *shape)
        else:
            self.place = "mixer"
            self.mixer = Mixer(recipe.architecture, *shape)
        self.pretraining = None
        if recipe.pretrain is not None:
            self.pretraining = MaskedPrediction(recipe.pretrain, self.mixer, *shape[:2])

    @property
    def network(self) -> nn.Module:
        """What stands behind the features, from spectrograms to logits."""
        return self.get_submodule(self.place)

    def forward(self, waveform: Tensor) -> Tensor:
        """Logits of a batch of waveforms."""
        logits: Tensor = self.network(self.features(self.length(waveform)))
        return logits

    def pooled(self, spectrogram: Tensor) -> Tensor:
        """The vector ahead of the head: `b m l -> b c`."""
        return self.mixer.embed(spectrogram) if self.place == "mixer" else pooled(self.whole, spectrogram)

    @property
    def width(self) -> int:
        """How many values that vector has."""
        if self.recipe.model is not None:
            return self.recipe.model.width
        silence = torch.zeros(1, self.features.bins, self.features.frames, device=next(self.parameters()).device)
        with _evaluating(self), torch.no_grad():
            return self.pooled(silence).shape[1]

    def expect_mixer(self, what: str) -> Mixer:
        """The mixer, for what looks at operators or at tokens on a grid.

        Args:
            what: wants it, in words.

        Raises:
            MixkitError: the recipe names a whole network.
        """
        if (named := self.recipe.network) is not None:
            raise MixkitError(f"{what}, and @network.{named.name}() has neither. Take a recipe with a model.")
        return self.mixer

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
        with sound_opener(sound, sample_rate, self.sample_rate) as open_sound:
            return _only(*predict_all(self, [open_sound], overlap, BATCH_SIZE))

    @torch_defaults()
    def embed(self, sound: Sound, sample_rate: int | None = None, overlap: float = OVERLAP) -> Tensor:
        """A recording as one vector, what comes to the head, averaged over its windows: `c`.

        Args:
            sound: a path, or a waveform `s` or `channels s` as tensor or NumPy array, from -1 to 1.
            sample_rate: of a waveform, in Hz; a file says its own.
            overlap: share of a window that the next one repeats, at least; 0 to 0.95.

        Returns:
            float32 on the CPU; of a model as many values as its `model.width`.

        Raises:
            MixkitError: an argument is not as it has to be.
            DataError: the sound cannot be used.
        """
        with sound_opener(sound, sample_rate, self.sample_rate) as open_sound:
            return _only(*embed_all(self, [open_sound], overlap, BATCH_SIZE))


def build_features(recipe: Recipe) -> Features:
    """The features of a recipe, at the sample rate and length of its task.

    Raises:
        SettingError: the task has no setting for one of them, or the features cannot work with it.
    """
    for setting in ("sample_rate", "seconds"):
        if setting not in recipe.task.params:
            raise SettingError("recipe.task", f"is {recipe.task.name!r}, which has no setting {setting!r}. Add it.")
    expect_clip(recipe)
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


def expect_labels(model: Classifier) -> None:
    """Refuses a network that tells no classes apart.

    Raises:
        MixkitError: it was only built, or pretrained.
    """
    if model.pretraining is not None:
        fix = "Fine-tune it, and ask that run: mixkit train RECIPE --from RUN"
        raise MixkitError(f"the network is pretrained on recordings without labels, and knows no classes yet. {fix}")
    if not model.labels:
        raise MixkitError("a network that was only built knows no labels to predict. Load a trained one: mixkit.load.")


def predict_all(
    model: Classifier, sounds: Iterable[OpenSound], overlap: float, batch_size: int
) -> Iterator[Prediction | MixkitError]:
    """Predictions of many recordings, in their order, with their windows together in batches.

    Args:
        model: with its labels.
        sounds: see `OpenSound`; at the model's sample rate.
        overlap: share of a window that the next one repeats, at least.
        batch_size: windows in a batch.

    Yields:
        A prediction, or the error in place of one.
    """
    expect_labels(model)
    objective = loss.build(model.recipe.train.loss, None)
    rate, size = model.sample_rate, model.features.samples

    def scores(windows: Tensor) -> Tensor:
        with _evaluating(model) as device:
            return objective.scores(model(windows.to(device))).float().cpu()

    for recording in heard(scores, sounds, model.length, overlap, batch_size):
        if recording.error is not None:
            yield recording.error
            continue
        windows = recording.rows
        starts = tuple(start / rate for start in recording.starts)
        mean = windows.double().mean(0).float()
        yield Prediction(model.labels, mean, windows, starts, size / rate, recording.samples / rate)


def embed_all(
    model: Classifier, sounds: Iterable[OpenSound], overlap: float, batch_size: int
) -> Iterator[Tensor | MixkitError]:
    """The vectors ahead of the head of many recordings, each the mean over its windows: `c`.

    Args:
        model: trained.
        sounds: see `OpenSound`; at the model's sample rate.
        overlap: share of a window that the next one repeats, at least.
        batch_size: windows in a batch.

    Yields:
        A vector on the CPU, or the error in place of one.
    """

    def vectors(windows: Tensor) -> Tensor:
        with _evaluating(model) as device:
            return model.pooled(model.features(windows.to(device))).float().cpu()

    for recording in heard(vectors, sounds, model.length, overlap, batch_size, summed=True):
        yield recording.error or (recording.rows[0] / len(recording.starts)).float()


def _only(found: Found | MixkitError) -> Found:
    if isinstance(found, MixkitError):
        raise found
    return found


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
