"""The demo task: everyday sounds that mixkit makes itself, so that everything can be tried without a download."""

import logging
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shutil import disk_usage
from typing import Annotated

from mixkit.errors import DataError, SettingError
from mixkit.registry import Clip, task
from mixkit.storage.atomic import make_whole
from mixkit.storage.capacity import expect
from mixkit.storage.folders import data_folder, nearest
from mixkit.tasks.clip import SPLITS, expect_split, some
from mixkit.tasks.urbansound8k import LABELS
from mixkit.values import Count, Positive, Range, Seed

VERSION = 1  # of the sounds; a change of a single sample asks for the next
RECORDERS = {"train": 20, "valid": 4, "test": 6}
HEADER = 44  # bytes of a WAV file ahead of its samples
RATE = 16_000  # Hz, of the files

Clips = Annotated[int, Range(least=1, most=10_000)]  # of each class: 100,000 files

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Take:
    """A clip to be made: the `number`th of its label and split."""

    label: str
    split: str
    number: int

    @property
    def recorder(self) -> int:
        """Which device: each belongs to one split."""
        before = sum(RECORDERS[split] for split in SPLITS[: SPLITS.index(self.split)])
        return before + self.number % RECORDERS[self.split]

    @property
    def path(self) -> str:
        """Where it lies in the folder of the data."""
        return f"{self.label}/{self.split}-recorder_{self.recorder:02d}-{self.number:04d}.wav"


@task("demo")
class Demo:
    """Ten kinds of everyday noise that mixkit makes up itself, heard through devices that training never met.

    Made once, in seconds, into `$MIXKIT_DATA/demo` or `~/.cache/mixkit/demo`: about 100 MB as it stands. The classes
    bear the names of UrbanSound8K's, but nothing was recorded, and a figure on them says nothing about real streets.
    They differ in how they move: on average spectra, logistic regression gets less than 60 % of the test clips right.

    Args:
        sample_rate: that the model takes, Hz; the files have 16,000 Hz.
        seconds: length of a clip, at least 0.5.
        clips: of each class, at least 3; a fifth is for test, two fifteenths are for validation.
        seed: of the sounds; another one gives other clips and other devices.

    Raises:
        SettingError: clips too few or too short to be heard, or more than the disk has room for.
    """

    protocol: str = "recorders held out"
    notes: tuple[str, ...] = ()
    folds: tuple[str, ...] = ()
    labels: tuple[str, ...] = LABELS

    def __init__(self, *, sample_rate: Count = 16_000, seconds: Positive = 2.0, clips: Clips = 150, seed: Seed = 0):
        if seconds < 0.5:
            raise SettingError("seconds", f"is {seconds}, too short to tell a siren from a horn. Use 0.5 or more.")
        if clips < 3:
            raise SettingError("clips", f"is {clips}, but each class needs one for each split. Use 3 or more.")
        self.sample_rate = sample_rate
        self.seconds = seconds
        self.counts = {"test": max(1, clips // 5), "valid": max(1, clips * 2 // 15)}
        self.counts["train"] = clips - sum(self.counts.values())
        self.seed = seed
        self._name = f"v{VERSION}_{clips}_clips_{seconds:g}_seconds_seed_{seed}"

    def clips(self, split: str) -> tuple[Clip, ...]:
        """The clips of a split, label by label; the first call makes all three splits.

        Raises:
            MixkitError: there is no such split, or the sounds cannot be written.
        """
        expect_split(split)
        return tuple(
            Clip(self.folder / take.path, take.label, f"recorder_{take.recorder:02d}") for take in self._takes([split])
        )

    def count(self, split: str) -> int:
        """How many clips a split has; nothing is made.

        Raises:
            MixkitError: there is no such split.
        """
        expect_split(split)
        return self.counts[split] * len(LABELS)

    @cached_property
    def folder(self) -> Path:
        """Where the sounds are; made if need be.

        Raises:
            DataError: the sounds cannot be written, or some are missing.
        """
        folder = data_folder() / "demo" / self._name
        size = HEADER + 2 * self._samples
        if not folder.is_dir():
            needed, room = size * sum(1 for _ in self._takes()), disk_usage(nearest(folder)).free
            expect("task.demo.clips", "bytes on the disk", needed, "Use fewer, or shorter ones.", room)
        make_whole(folder, self._make)
        broken = [take.path for take in self._takes() if not _has_size(folder / take.path, size)]
        if broken:
            raise DataError(
                f"{folder}: missing or cut short: {some(broken)}. Remove the folder, and mixkit makes it again."
            )
        return folder

    @property
    def _samples(self) -> int:
        return round(self.seconds * RATE)

    def _takes(self, splits: Sequence[str] = SPLITS) -> Iterator[_Take]:
        for split in splits:
            for label in LABELS:
                for number in range(self.counts[split]):
                    yield _Take(label, split, number)

    def _make(self, folder: Path) -> None:
        from numpy.random import RandomState  # here, since whoever lists tasks needs no NumPy

        from mixkit.tasks.demo_recorder import Recorder, record
        from mixkit.tasks.demo_sounds import SOUNDS

        _log.info("making the demo sounds in %s; this takes seconds, and once only", folder.parent)
        # RandomState and not a Generator, since NumPy promises that its numbers never change.
        recorders = [Recorder.draw(RandomState([self.seed, 1, number])) for number in range(sum(RECORDERS.values()))]
        for label in LABELS:
            (folder / label).mkdir()
        for take in self._takes():
            place = LABELS.index(take.label), SPLITS.index(take.split), take.number
            rng = RandomState([self.seed, 2, *place])
            sound = SOUNDS[take.label](rng, self._samples)
            with wave.open(str(folder / take.path), "wb") as file:
                file.setparams((1, 2, RATE, 0, "NONE", "not compressed"))
                file.writeframes(record(sound, recorders[take.recorder], rng).astype("<i2").tobytes())


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False
