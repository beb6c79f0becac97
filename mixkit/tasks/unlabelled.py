"""Tasks as pretraining sees them: clips without labels, and nothing of the test split."""

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

from mixkit.registry import Clip, Task
from mixkit.tasks.clip import nfc
from mixkit.tasks.entry import ClipEntry
from mixkit.tasks.listing import Found
from mixkit.tasks.progress import LongListing, Progress
from mixkit.tasks.split import Division

USED = ("train", "valid")
"""The splits of a task that pretraining uses."""


class Loose:
    """The recordings below a folder, none of which says a label; none is for test unless its settings name some.

    Args:
        root: the folder.
        found: in it.
        division: as the settings say.
    """

    def __init__(self, root: Path, found: Found, division: Division):
        self.root = root
        self.left_out = found.left_out
        self._division = replace(division, fold=None, test_share=0.0)
        self._entries = [ClipEntry(path, "", nfc(path), tags=()) for path in found.files]

    @property
    def protocol(self) -> str:
        """By what rule clips came into the splits."""
        named = self._division.valid_groups
        valid = "those of valid_groups" if named else f"{self._division.valid_share:.0%} of the recordings"
        return f"no labels, {valid} to choose the epoch by"

    @property
    def notes(self) -> tuple[str, ...]:
        """What the search left out, and which recordings are used."""
        kept = len(self.clips["test"])
        many, left = len(self._entries), f"{kept:,} are" if kept else "none is"
        told = (
            f"{many:,} recordings without labels, as not each lies in a folder that could be one; {left} kept for test."
        )
        return (*map(str, self.left_out.listed()), told)

    @cached_property
    def clips(self) -> dict[str, tuple[Clip, ...]]:
        """By split, sorted by path.

        Raises:
            SettingError: a group is named that there is not.
        """
        return {
            split: tuple(Clip(self.root / entry.path, "", entry.group, tags=()) for entry in entries)
            for split, entries in self._division.part(self._entries).items()
        }


@runtime_checkable
class MayLackLabels(Protocol):
    """A task whose recordings may have no labels."""

    def without_labels(self) -> Loose | None:
        """The recordings by themselves, where they have none."""


class Unlabelled:
    """A task as pretraining sees it: its clips for training and validation, without their labels.

    Of a folder in which recordings lie loose, all are used.

    Args:
        source: the task; its test split is never asked for.
    """

    labels: tuple[str, ...] = ()

    def __init__(self, source: Task):
        self._source = source

    @property
    def sample_rate(self) -> int:
        """Hz, as the model takes it."""
        return self._source.sample_rate

    @property
    def seconds(self) -> float:
        """Length of a clip as the model takes it."""
        return self._source.seconds

    @property
    def folds(self) -> tuple[str, ...]:
        """Names of the folds that the data come in."""
        return self._source.folds if self._loose is None else ()

    @property
    def protocol(self) -> str:
        """By what rule clips came into the splits."""
        return self._source.protocol if self._loose is None else self._loose.protocol

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of the listing, and which clips are used."""
        if self._loose is not None:
            return self._loose.notes
        told = "Labels are not used, and of the test split nothing is read."
        return (*self._source.notes, told)

    def clips(self, split: str) -> tuple[Clip, ...]:
        """The clips of a split, without labels; none for test."""
        if split not in USED:
            return ()
        if self._loose is not None:
            return self._loose.clips[split]
        return tuple(replace(clip, label="", tags=()) for clip in self._source.clips(split))

    def list_clips(self, progress: Progress) -> None:
        """Lists all clips now, so that the user can be told how far that is."""
        if self._loose is None and isinstance(self._source, LongListing):
            self._source.list_clips(progress)

    @cached_property
    def _loose(self) -> Loose | None:
        return self._source.without_labels() if isinstance(self._source, MayLackLabels) else None
