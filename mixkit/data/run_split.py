"""The clips of a run as its network takes them: those that can be used, decoded once, of one length, in batches."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from mixkit.audio.length import Length
from mixkit.data.batches import Batches, ClipAudio, Order
from mixkit.data.inspect import CheckedClip
from mixkit.data.kept_clips import Differences, compare_content, find_clips, name_clips
from mixkit.data.unusable import Skipped, usable
from mixkit.data.waveforms import Waveforms
from mixkit.errors import DataError
from mixkit.recipe.schema import Recipe
from mixkit.registry import Clip, Features, Task, task
from mixkit.runs.clips import KeptClips, RunClip
from mixkit.runs.results import CLASSES
from mixkit.tasks.clip import SPLITS, some
from mixkit.tasks.leakage import split_faults, unlabelled_faults
from mixkit.tasks.progress import LongListing, Progress, quiet
from mixkit.tasks.unlabelled import Unlabelled

_log = logging.getLogger(__name__)


class AudioClassifier(Protocol):
    """What the clips are for; a `Classifier` is one."""

    recipe: Recipe
    labels: tuple[str, ...]
    sample_rate: int
    features: Features
    length: Length
    trained_on: KeptClips | None


@dataclass(frozen=True)
class RunSplits:
    """The splits of a run's task.

    Args:
        network: that takes the clips.
        protocol: by which the task is split.
        clips: of each split, without those that are left out.
        skipped: what is left out.
        waveforms: reads the clips of all splits.
        differ: how the clips of their run differ from those that the task lists now.
    """

    network: AudioClassifier
    protocol: str
    clips: Mapping[str, tuple[Clip, ...]]
    skipped: Sequence[Skipped]
    waveforms: Waveforms
    differ: Differences = field(default_factory=Differences)

    @cached_property
    def kept(self) -> tuple[RunClip, ...]:
        """All clips as a run keeps them, those that are left out as well."""
        skipped = {one.clip: one.reason for one in self.skipped}
        splits = {
            split: (*clips, *(one.clip for one in self.skipped if one.split == split))
            for split, clips in self.clips.items()
        }
        return name_clips(splits, skipped, self.waveforms.cache)

    def audio(self, split: str, seed: int | None = None, *, windows: bool = False) -> ClipAudio:
        """The audio of a split, cut as the recipe says: for training with a seed, else for evaluation."""
        network, recipe = self.network, self.network.recipe
        seed = seed if recipe.training_crop == "random" else None
        return ClipAudio(self.clips[split], network.labels, self.waveforms, network.length, seed, windows)

    def batches(self, split: str, device: torch.device, rank: int = 0, ranks: int = 1) -> Batches:
        """The batches of a split in the order in which it is listed, as it is evaluated."""
        recipe = self.network.recipe
        audio, settings = self.audio(split, windows=recipe.every_window), recipe.train
        return Batches(audio, Order(len(audio), settings.batch_size, rank=rank, ranks=ranks), device, settings.workers)

    def batch(self, split: str, items: Sequence[int]) -> Tensor:
        """A few clips of a split, by their place in it: `b s`."""
        audio = self.audio(split)
        return torch.stack([audio.cut(item) for item in items])


def source_of(recipe: Recipe) -> Task:
    """The task of a recipe; for one that pretrains, without labels and without the test split.

    Raises:
        SettingError: a setting of the task cannot be used.
    """
    source = task.build(recipe.task)
    return source if recipe.pretrain is None else Unlabelled(source)


def usable_splits(
    network: AudioClassifier, source: Task, listed: Mapping[str, Sequence[Clip]], say: Callable[[str], None]
) -> tuple[RunSplits, list[CheckedClip]]:
    """All splits of a run, every clip decoded once, so that no bad one comes up later; and what the clips are.

    Args:
        network: with the labels of the task.
        source: the task.
        listed: its clips, split by split.
        say: is told of each clip that is left out.

    Raises:
        DataError: clips cannot be used, and `task.on_bad_file` does not leave them out.
    """
    waveforms = Waveforms(network.sample_rate)
    clips, skipped, checked = usable(listed, network.recipe.on_bad_file, waveforms, say)
    return RunSplits(network, source.protocol, clips, skipped, waveforms), checked


def run_split(
    network: AudioClassifier, split: str, say: Callable[[str], None] = _log.warning, *, allow_missing: bool = False
) -> RunSplits:
    """A split that a trained network was made on: the very clips of its run, wherever they lie now.

    They are never divided again: with a clip more or less, another division would test what was trained on.

    Args:
        network: trained.
        split: `train`, `valid` or `test`.
        say: is told of clips that are new, missing or exchanged, and of each that is left out.
        allow_missing: do without those of the run whose files are missing or hold something else than they did.

    Raises:
        DataError: the recordings are not there, or are not those of the run.
        DamagedError: the list of the run's clips is not what was written.
    """
    source = source_of(network.recipe)
    listed = list_splits(source)
    waveforms = Waveforms(network.sample_rate)
    if network.trained_on is None:
        return _anew(network, source, listed, split, say)
    everywhere = find_clips(network.trained_on.read(), listed)
    skipped = [Skipped(kept.split, clip, kept.skipped) for kept, clip in everywhere.there if kept.skipped is not None]
    for one in skipped:
        say(str(one))
    found = compare_content(everywhere.of(split), waveforms.cache)
    clips = tuple(clip for kept, clip in found.there if kept.skipped is None)
    _say_lost(found.differ, split, len(clips), say, allow_missing)
    if found.differ.new:
        say(f"Not counted, since the run did not know them: {Differences(new=found.differ.new)}.")
    if found.differ.relabelled:
        say(f"Counted with the labels of the run: {Differences(relabelled=found.differ.relabelled)}.")
    return RunSplits(network, source.protocol, {split: clips}, skipped, waveforms, found.differ)


def faults_of(name: str, source: Task, listed: Mapping[str, Sequence[Clip]]) -> Iterator[DataError]:
    """What keeps clips from being trained on, whatever they sound like.

    Training refuses the first of them, and `mixkit data check` lists all.

    Args:
        name: of the task.
        source: the task.
        listed: its clips, split by split.
    """
    if isinstance(source, Unlabelled):
        yield from unlabelled_faults(listed)
        return
    if len(source.labels) > CLASSES:
        yield DataError(
            f"task {name} has {len(source.labels):,} classes, and a run tells at most {CLASSES:,} apart: "
            "results.json holds a number for each pair. Train on fewer."
        )
    yield from split_faults(listed, source.labels, source.protocol)


def list_splits(source: Task, progress: Progress = quiet) -> dict[str, tuple[Clip, ...]]:
    """The clips of a task, split by split; of a listing that takes long, it is told how far it is."""
    if isinstance(source, LongListing):
        source.list_clips(progress)
    return {split: tuple(source.clips(split)) for split in SPLITS}


def _say_lost(differ: Differences, split: str, left: int, say: Callable[[str], None], allow_missing: bool) -> None:
    """Says which clips of a split are missing or exchanged, or refuses to go on without them."""
    exchanged = tuple(clip for clip in differ.exchanged if clip.skipped is None)
    lost = Differences(missing=differ.missing, exchanged=exchanged)
    count = len(lost.missing) + len(lost.exchanged)
    of = f"{count:,} of the run's {count + left:,} {split} clips"
    if count and not (allow_missing and left):
        fix = "Bring them back, or do without them: --allow-missing." if left else "Bring them back."
        raise DataError(f"{of} are not what they were: {lost}. {fix}")
    if count:
        say(f"{of} are left out: {lost}.")


def _anew(
    network: AudioClassifier,
    source: Task,
    listed: Mapping[str, tuple[Clip, ...]],
    split: str,
    say: Callable[[str], None],
) -> RunSplits:
    """A split of a run that keeps no list of its clips."""
    if tuple(source.labels) != network.labels:
        raise DataError(
            f"the recordings of {network.recipe.task.name} have the labels {some(source.labels, 10)}; the network was "
            f"trained on {some(network.labels, 10)}. Name the recordings that it was trained on."
        )
    say(
        "The run keeps no list of its clips, so they are divided anew: unless the recordings are the very same, clips "
        "that it was trained on may be among those that are held out."
    )
    if network.recipe.on_bad_file == "skip":
        return usable_splits(network, source, listed, say)[0]
    return RunSplits(network, source.protocol, {split: listed[split]}, (), Waveforms(network.sample_rate))
