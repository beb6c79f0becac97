"""Recordings that are the same, byte for byte, whatever they are called."""

import hashlib
import stat
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mixkit.audio.read import inspect, read
from mixkit.errors import DataError, MixkitError, printable
from mixkit.registry import Clip

WORKERS = 4  # hashing leaves Python alone, so that threads help; more of them only wait for the disk


@dataclass(frozen=True)
class Duplicate:
    """Two files with one content.

    Args:
        first: the one that comes first in the splits.
        first_split: where it stands.
        second: the other.
        second_split: where that stands.
    """

    first: Path
    first_split: str
    second: Path
    second_split: str

    @property
    def leaks(self) -> bool:
        """Whether they stand in two splits."""
        return self.first_split != self.second_split


def find_duplicates(splits: Mapping[str, Sequence[Clip]]) -> list[Duplicate]:
    """Find files with the same bytes, within a split and across splits.

    Of several that are the same, each is paired with the first. Sections of one file are one file. Files that differ
    in size are not opened. Empty ones are no recordings, and silence to the last bit is nobody's in particular.

    Args:
        splits: the clips of each split.

    Raises:
        DataError: a file is missing or cannot be read.
    """
    places: dict[Path, str] = {}
    for split, clips in splits.items():
        for clip in clips:
            places.setdefault(clip.path, split)
    alike: dict[int, list[Path]] = defaultdict(list)
    for path in places:
        alike[_size(path)].append(path)
    suspects = [path for size, paths in alike.items() if size and len(paths) > 1 for path in paths]
    with ThreadPoolExecutor(WORKERS) as pool:
        digests = dict(zip(suspects, pool.map(_digest, suspects), strict=True))
    return _pairs(places, digests)


def _pairs(places: Mapping[Path, str], digests: Mapping[Path, bytes]) -> list[Duplicate]:
    first: dict[bytes, Path] = {}
    found = []
    for path, split in places.items():
        if path in digests:
            known = first.setdefault(digests[path], path)
            if known is not path:
                found.append(Duplicate(known, places[known], path, split))
    silent = {path: _is_silent(path) for path in {pair.first for pair in found}}
    return [pair for pair in found if not silent[pair.first]]


def _is_silent(path: Path) -> bool:
    try:
        return not read(path, inspect(path).sample_rate).any()
    except MixkitError:  # damaged, and the same all the same
        return False


def _size(path: Path) -> int:
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from None
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{printable(str(path))}: is not a regular file. Check the listing of the task.")
    return status.st_size


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{printable(str(path))}: cannot be read ({error.strerror}). Check the listing of the task.")
