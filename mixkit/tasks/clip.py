"""A labelled recording, and what lists them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mixkit.errors import MixkitError, printable

SPLITS = ("train", "valid", "test")
SUFFIXES = (".aif", ".aiff", ".flac", ".mp3", ".ogg", ".opus", ".wav")


@dataclass(frozen=True)
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

    sample_rate: int
    """Hz, as the model hears it."""
    seconds: float
    """Length of a clip as the model hears it."""

    @property
    def protocol(self) -> str:
        """By what rule clips came into the splits; it stands beside every figure."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the listing: clips missing, listed twice, left out. Reading it lists the clips."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label, in the order of the model's classes."""

    @property
    def folds(self) -> tuple[str, ...]:
        """Names of the folds that the data come in, in order; empty where there are none."""

    def clips(self, split: str) -> tuple[Clip, ...]:
        """The clips of `train`, `valid` or `test`, in the same order every time."""


def expect_whole(task: object) -> None:
    """Refuse a task that lacks a part of the contract, such as one of a plugin.

    Raises:
        MixkitError: the part is named.
    """
    for part in ("labels", "folds", "protocol", "notes", "clips", "sample_rate", "seconds"):
        if not hasattr(task, part):
            raise MixkitError(
                f"the task {type(task).__name__} has no {part!r}. See mixkit.tasks.clip.Task for all parts."
            )


def expect_split(split: str) -> None:
    """Refuse a split that no task has.

    Raises:
        MixkitError: it is not train, valid or test.
    """
    if split not in SPLITS:
        raise MixkitError(f"no split named {split!r}. There are train, valid and test.")


def is_audio(path: str) -> bool:
    """Whether a file name says that it is audio."""
    return path.lower().endswith(SUFFIXES)


def some(names: Iterable[str], most: int = 3) -> str:
    """The first few of many names, safe to print: `a, b, c and 4 more`."""
    names = list(names)
    text = ", ".join(printable(name) for name in names[:most])
    return f"{text} and {len(names) - most} more" if len(names) > most else text
