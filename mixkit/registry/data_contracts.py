"""Contracts of what stands ahead of a network: tasks and their clips, features, augmentations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mixkit.registry.contract import TorchModule

if TYPE_CHECKING:
    from torch import Tensor

    from mixkit.draw import Draw


@dataclass(frozen=True, slots=True)
class Clip:
    """A labelled stretch of a recording.

    Args:
        path: the audio file.
        label: what is heard; in a multi-label set, all of it in words, such as `dog;rain`.
        group: speaker, source recording or device; clips of one group stay in one split.
        start: where the stretch begins, seconds; None for the beginning of the file.
        stop: where it ends, seconds; None for the end of the file.
        tags: in a multi-label set, every label that is heard, and none where nothing is; None in any other set.
    """

    path: Path
    label: str
    group: str
    start: float | None = None
    stop: float | None = None
    tags: tuple[str, ...] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label of the clip: exactly one, unless the set is multi-label."""
        return (self.label,) if self.tags is None else self.tags


class Task(Protocol):
    """Where labelled clips come from. A task lists them; it never opens one.

    A task whose clips have several labels each, or none, has a setting `multi_label`, which is True, and gives every
    clip its `tags`. A task without that setting has one label a clip.
    """

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label, in the order of the model's classes."""

    @property
    def folds(self) -> tuple[str, ...]:
        """Names of the folds that the data come in, in order; empty where there are none."""

    @property
    def protocol(self) -> str:
        """By what rule clips came into the splits; it stands beside every figure."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the listing: clips missing, listed twice, left out. Reading it lists the clips."""

    def clips(self, split: str) -> tuple[Clip, ...]:
        """The clips of `train`, `valid` or `test`, in the same order every time."""

    @property
    def sample_rate(self) -> int:
        """Hz, as the model takes it."""

    @property
    def seconds(self) -> float:
        """Length of a clip as the model takes it."""


@runtime_checkable
class Counted(Protocol):
    """A task that knows how many clips a split has without listing them, since that would make the recordings."""

    def count(self, split: str) -> int:
        """Clips of `train`, `valid` or `test`."""


class Features(TorchModule, Protocol):
    """Waveforms `b s` to spectrograms `b m l`; built of a sample rate and the seconds of a clip.

    Waveforms come in one length: `task.pad` and `task.crop` say how others come to it, for all features alike.
    """

    samples: int
    """Of each waveform, s."""
    bins: int
    """Frequencies of the spectrogram, m."""
    frames: int
    """Moments of the spectrogram, l."""
    needs_measuring: bool
    """Whether `measure` is to be called with the training set first; see `Measurable`."""

    def __call__(self, waveform: Tensor, /) -> Tensor:
        """Spectrograms of a batch of waveforms."""


@runtime_checkable
class Measurable(Protocol):
    """Features that learn a mean, or the like, from a training set."""

    def measure(self, clips: Iterable[Tensor]) -> None:
        """Looks at all clips of a training set, waveforms `s` cut to `samples` but not padded."""


@runtime_checkable
class PowerFeatures(Protocol):
    """Features that are made of a power spectrum, which augmentations can vary before it is compressed."""

    def power(self, waveform: Tensor) -> Tensor:
        """The power of a batch of waveforms: `b s -> b m l`, none of it below 0."""

    def from_power(self, power: Tensor) -> Tensor:
        """The spectrograms of what `power` gave: together they are what a call gives."""


class Augmentation(TorchModule, Protocol):
    """A random variation of training clips; built of the sample rate.

    Its decorator says `on` what it works: waveforms `b s`, power spectra `b m l` or features `b m l`; in `scales` which
    of its settings `train.augment_strength` multiplies, all of them at 0 leaving clips as they are; and by `mixes` that
    clips of a batch mingle, which several processes then put together first.
    """

    def __call__(self, x: Tensor, target: Tensor, draw: Draw, /) -> tuple[Tensor, Tensor]:
        """Clips and targets `b k`, varied; in evaluation mode what came. All randomness is drawn from `draw`."""
