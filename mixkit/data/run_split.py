"""The clips of a run as its network takes them: those that can be used, decoded once, of one length, in batches."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from mixkit.audio.length import Length
from mixkit.data.batches import Batches, ClipAudio, Order
from mixkit.data.inspect import CheckedClip
from mixkit.data.unusable import Skipped, usable
from mixkit.data.waveforms import Waveforms
from mixkit.errors import DataError
from mixkit.recipe.schema import Recipe
from mixkit.registry import Clip, Features, Task, task
from mixkit.tasks.clip import SPLITS, some

_log = logging.getLogger(__name__)


class Network(Protocol):
    """What the clips are for; a `Classifier` is one."""

    recipe: Recipe
    labels: tuple[str, ...]
    sample_rate: int
    features: Features
    length: Length


@dataclass(frozen=True)
class RunSplits:
    """The splits of a run's task.

    Args:
        network: that takes the clips.
        protocol: by which the task is split.
        clips: of each split, without those that are left out.
        skipped: what is left out.
        waveforms: reads the clips of all splits.
    """

    network: Network
    protocol: str
    clips: Mapping[str, tuple[Clip, ...]]
    skipped: Sequence[Skipped]
    waveforms: Waveforms

    def audio(self, split: str, seed: int | None = None, *, windows: bool = False) -> ClipAudio:
        """The audio of a split, cut as the recipe says: for training with a seed, else for evaluation."""
        network, recipe = self.network, self.network.recipe
        seed = seed if recipe.training_crop == "random" else None
        return ClipAudio(self.clips[split], network.labels, self.waveforms, network.length, seed, windows)

    def batches(self, split: str, device: torch.device, rank: int = 0, ranks: int = 1) -> Batches:
        """The batches of a split in the order in which it is listed, as it is evaluated."""
        recipe = self.network.recipe
        audio, settings = self.audio(split, windows=recipe.windows == "all"), recipe.train
        return Batches(audio, Order(len(audio), settings.batch_size, rank=rank, ranks=ranks), device, settings.workers)

    def batch(self, split: str, items: Sequence[int]) -> Tensor:
        """A few clips of a split, by their place in it: `b s`."""
        audio = self.audio(split)
        return torch.stack([audio.cut(item) for item in items])


def usable_splits(network: Network, source: Task, say: Callable[[str], None]) -> tuple[RunSplits, list[CheckedClip]]:
    """All splits of a task, every clip decoded once, so that no bad one comes up later; and what the clips are.

    Args:
        network: with the labels of the task.
        source: the task.
        say: is told of each clip that is left out.

    Raises:
        DataError: clips cannot be used, and `task.on_bad_file` does not leave them out.
    """
    waveforms = Waveforms(network.sample_rate)
    clips, skipped, checked = usable(_listed(source), network.recipe.on_bad_file, waveforms, say)
    return RunSplits(network, source.protocol, clips, skipped, waveforms), checked


def run_splits(network: Network, say: Callable[[str], None] = _log.warning) -> RunSplits:
    """The splits that a trained network was made on, listed anew, without the clips that training left out.

    Unless clips may be left out, none is decoded before it is asked for.

    Args:
        network: trained.
        say: is told of each clip that is left out.

    Raises:
        DataError: the recordings are not there, or their labels are not the network's.
    """
    recipe = network.recipe
    source = task.build(recipe.task)
    if tuple(source.labels) != network.labels:
        raise DataError(
            f"the recordings of {recipe.task.name} have the labels {some(source.labels, 10)}; the network was trained "
            f"on {some(network.labels, 10)}. Name the recordings that it was trained on."
        )
    if recipe.on_bad_file == "skip":
        return usable_splits(network, source, say)[0]
    return RunSplits(network, source.protocol, _listed(source), (), Waveforms(network.sample_rate))


def _listed(source: Task) -> dict[str, tuple[Clip, ...]]:
    return {split: tuple(source.clips(split)) for split in SPLITS}
