"""A whole recipe as one network: features in front, so that it takes a waveform."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from mixkit.audio.waveform import Sound, waveform_of
from mixkit.errors import MixkitError, SettingError
from mixkit.model.mixer import Mixer
from mixkit.model.windows import OVERLAP, Prediction, embed_all, predict_all
from mixkit.recipe.schema import Recipe
from mixkit.registry import Features, features

BATCH_SIZE = 32

Found = TypeVar("Found", Prediction, Tensor)


class Classifier(nn.Module):
    """A whole recipe as one network.

    Shape: waveform `b s -> b k` logits; any length, cut or padded with silence to what the recipe says.

    Args:
        recipe: the features and the network.
        classes: how many there are to tell apart.
    """

    def __init__(self, recipe: Recipe, classes: int):
        super().__init__()
        self.recipe = recipe
        self.labels: tuple[str, ...] = ()
        self.multi_label: bool = recipe.task.params.get("multi_label", False)
        self.features = build_features(recipe)
        self.sample_rate: int = recipe.task.params["sample_rate"]
        self.mixer = Mixer(recipe.model, self.features.bins, self.features.frames, classes)

    def forward(self, waveform: Tensor) -> Tensor:
        """Logits of a batch of waveforms."""
        logits: Tensor = self.mixer(self.features(waveform))
        return logits

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


def _only(found: Found | MixkitError) -> Found:
    if isinstance(found, MixkitError):
        raise found
    return found


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
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.train.seed)
        return Classifier(recipe, classes)
