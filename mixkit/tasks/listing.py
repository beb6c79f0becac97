"""Audio files below a folder, found without opening one."""

import logging
import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from mixkit.errors import DataError, SettingError, printable
from mixkit.tasks.clip import is_audio, some, suffixes

_log = logging.getLogger(__name__)


class Skip:
    """What the user leaves out, by patterns over the path below the root; `*` also stands for slashes."""

    def __init__(self, patterns: tuple[str, ...]):
        self.patterns = patterns
        self._used: set[str] = set()

    def __call__(self, path: str) -> bool:
        """Whether the path is left out."""
        matching = {pattern for pattern in self.patterns if fnmatchcase(path, pattern)}
        self._used |= matching
        return bool(matching)

    def expect_used(self) -> None:
        """Refuse a pattern that left nothing out: it is misspelt, or out of date.

        Raises:
            SettingError: there is one.
        """
        for pattern in self.patterns:
            if pattern not in self._used:
                raise SettingError(
                    "task.folder.skip", f"holds {pattern!r}, which matches no audio file. Mend it, or take it out."
                )


def audio_files(root: Path, skip: Skip) -> list[str]:
    """Paths of all audio files below the root, with forward slashes, sorted by code point.

    Names that begin with a dot are left out. Links to folders are not entered. A link to a file counts if the file
    lies below the root and is not listed itself; other links with an audio suffix, and links to folders elsewhere,
    are left out with a warning.

    Raises:
        DataError: there is no audio file, a folder cannot be read, or what is named like audio is no regular file.
    """
    real_root = os.path.realpath(root)
    found: list[str] = []
    links: list[str] = []
    for path, kind in _walk(root):
        if skip(path):
            continue
        if kind == "special":
            raise DataError("not a regular file.", root / path, "Remove it, or list it in task.folder.skip.")
        (links if kind == "link" else found).append(path)
    listed = {os.path.join(real_root, path) for path in found}  # noqa: PTH118
    lost = []
    for path in sorted(links):
        target = os.path.realpath(root / path)
        if not inside(target, real_root) or not os.path.exists(target):  # noqa: PTH110
            lost.append(path)
        elif os.path.isfile(target) and target not in listed:  # noqa: PTH113
            listed.add(target)
            found.append(path)
    if not found:
        raise DataError(
            f"{printable(root)}: no audio file. Looked in it and below for {', '.join(suffixes())}, in either case"
            + (f"; left out links that lead to nothing there: {some(lost)}." if lost else ".")
        )
    if lost:
        _log.warning("%s: left out links that lead to nothing there: %s", printable(root), some(lost))
    return sorted(found)


def inside(path: str, folder: str) -> bool:
    """Whether a resolved path is a resolved folder, or below it."""
    return f"{path}{os.sep}".startswith(folder.rstrip(os.sep) + os.sep)


def _walk(root: Path) -> Iterator[tuple[str, Literal["file", "link", "special"]]]:
    """What is named like audio below the root, and links to folders, in no certain order."""
    folders = [""]
    while folders:
        below = folders.pop()
        try:
            entries = list(os.scandir(root / below))
        except OSError as error:
            raise DataError(f"{error.strerror}.", root / below, "A data folder has to be readable.") from None
        for entry in entries:
            path = below + entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(f"{path}/")
            elif entry.is_symlink():
                if is_audio(path) or os.path.isdir(entry.path):  # noqa: PTH112
                    yield path, "link"
            elif is_audio(path):
                yield path, "file" if entry.is_file(follow_symlinks=False) else "special"
