"""What all tasks say of clips: the three splits, what is audio, the first few of many names, an order of chance."""

import hashlib
import unicodedata
from collections.abc import Iterable
from functools import cache

from mixkit.errors import MixkitError, printable
from mixkit.registry import Task, lacks
from mixkit.storage.programs import find_program

SPLITS = ("train", "valid", "test")
BUILT_IN = (".aif", ".aiff", ".flac", ".mp3", ".ogg", ".opus", ".wav")
"""Suffixes of recordings that mixkit itself reads."""
BY_FFMPEG = (".aac", ".caf", ".m4a", ".mov", ".mp4", ".webm", ".wma")
"""And of those that it reads through ffmpeg, where that is installed."""


def expect_whole(task: object) -> None:
    """Refuse a task that lacks a part of the contract, such as one of a plugin.

    Raises:
        MixkitError: the part is named.
    """
    if part := lacks(task, Task):
        raise MixkitError(f"the task {type(task).__name__} has no {part!r}. See mixkit.registry.Task for all parts.")


def expect_split(split: str) -> None:
    """Refuse a split that no task has.

    Raises:
        MixkitError: it is not train, valid or test.
    """
    if split not in SPLITS:
        raise MixkitError(f"no split named {split!r}. There are train, valid and test.")


@cache
def suffixes() -> tuple[str, ...]:
    """The suffixes of recordings that can be read here."""
    return tuple(sorted(BUILT_IN + BY_FFMPEG)) if find_program("ffmpeg") else BUILT_IN


def is_audio(path: str) -> bool:
    """Whether a file name says that it is audio."""
    return path.lower().endswith(suffixes())


def nfc(text: str) -> str:
    """Text in Unicode's composed form (NFC), in which what looks alike is alike: macOS writes names in another."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def some(names: Iterable[str], most: int = 3) -> str:
    """The first few of many names, safe to print: `a, b, c and 4 more`."""
    names = list(names)
    text = ", ".join(printable(name) for name in names[:most])
    return f"{text} and {len(names) - most} more" if len(names) > most else text


def draw(name: str) -> str:
    """A place in a random order that no machine, no seed and no library changes."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
