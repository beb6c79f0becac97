"""A folder of checked files that may vanish at any time: what is there is right, and there is never too much of it."""

import hashlib
import logging
import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mixkit.errors import DataError, printable
from mixkit.storage.atomic import PART, replace
from mixkit.storage.regular import open_regular

MAGIC = b"mixkit 1"
LARGEST = 2**30  # bytes of an entry; a foreign file above it is not read
SMALL = 2**12  # bytes of an entry that says what is known of a recording, and is none
FOR_LARGE = 0.9  # of the room: what is known of a set that is too large to be kept is kept all the same
ABANDONED = 3600.0  # seconds after which a half-written file is taken for that of a dead process
SLICE = 50  # a count of all files after each 50th part of the room that was written: others may write too

_log = logging.getLogger(__name__)


class _Entry(NamedTuple):
    used: float
    size: int
    path: Path


class Store:
    """Files by key, each with a checksum over key and content.

    An entry is written to a temporary file and renamed, without fsync: what a power cut makes of it fails its checksum
    at the next read, and is made again. Any number of processes may read and write without a lock for the same
    reason.

    Of entries that are in the way the one that was used longest ago goes first. One that was used since this process
    began stays: a data set larger than the room would else push out in each epoch what the next one needs. A tenth of
    the room is for small entries alone.

    Args:
        folder: made when the first entry is written.
        most: bytes of all entries; each process that writes may exceed it by a fiftieth.
    """

    def __init__(self, folder: Path, most: int):
        self.folder = folder
        self.most = most
        self.began = time.time()
        self._largest = LARGEST  # that is still written
        self._total = 0
        self._uncounted = most  # so that the first entry counts what is there

    def get(self, key: bytes) -> bytearray | None:
        """The content of an entry; None where there is none, or it is not what was written."""
        path = self._path(key)
        try:
            content, used = _read(path)
        except OSError:
            return None
        if content[:HEAD] != _head(key, memoryview(content)[HEAD:]):
            _log.info("%s is not what was written; it is made again", path)
            return None
        if used < self.began:
            with suppress(OSError):  # removed, or on a disk that can only be read
                os.utime(path)
        del content[:HEAD]
        return content

    def put(self, key: bytes, content: bytes | memoryview) -> None:
        """Writes an entry, if there is room; what cannot be written is said once, and no more is tried."""
        size = HEAD + memoryview(content).nbytes
        if size > self._largest or not self._has_room(size):
            return
        path = self._path(key)
        try:
            if not path.parent.is_dir():
                path.parent.mkdir(parents=True, exist_ok=True)
            replace(path, _head(key, content), content, durable=False)
        except OSError as error:
            self._stop(0, f"cannot be written ({error.strerror})")
            return
        self._total += size
        self._uncounted += size

    def usage(self) -> tuple[int, int]:
        """Bytes and number of all entries."""
        entries = list(self._entries())
        return sum(entry.size for entry in entries), len(entries)

    def clear(self) -> None:
        """Removes all entries; those that others write meanwhile stay, and trainings go on.

        Raises:
            DataError: one cannot be removed.
        """
        for entry in self._entries():
            try:
                entry.path.unlink(missing_ok=True)
            except OSError as error:
                message = f"{entry.path} cannot be removed ({error.strerror}). Remove it by hand."
                raise DataError(message) from None

    def _has_room(self, size: int) -> bool:
        room = self.most if size <= SMALL else int(FOR_LARGE * self.most)
        if self._total + size > room or self._uncounted * SLICE > self.most:
            self._trim(size, room)
            if self._total + size > room:
                full = f"is full: this run needs more than its {self.most / 2**30:.3g} GiB"
                self._stop(0 if size <= SMALL else SMALL, full)
                return False
        return True

    def _trim(self, size: int, room: int) -> None:
        """Counts all entries, and removes the oldest until a tenth of the room is free."""
        entries = sorted(self._entries())
        self._total, self._uncounted = sum(entry.size for entry in entries), 0
        if self._total + size <= room:
            return
        for entry in entries:
            if entry.used >= self.began or self._total + size <= 0.9 * room:
                break
            try:
                entry.path.unlink(missing_ok=True)
            except OSError:
                continue
            self._total -= entry.size

    def _entries(self) -> Iterator[_Entry]:
        """All entries; what killed writers left behind is removed on the way."""
        for path in self.folder.glob("??/*"):
            try:
                status = path.lstat()
                if path.suffix == PART and time.time() - status.st_mtime > ABANDONED:
                    path.unlink()
                elif stat.S_ISREG(status.st_mode):
                    yield _Entry(status.st_mtime, status.st_size, path)
            except OSError:  # removed by another process
                continue

    def _stop(self, largest: int, why: str) -> None:
        told, self._largest = self._largest < LARGEST, min(largest, self._largest)
        if told:  # by another thread, or of larger ones
            return
        _log.warning("The audio cache %s %s. What is not in it is decoded anew each time.", printable(self.folder), why)

    def _path(self, key: bytes) -> Path:
        name = key.hex()
        return Path(f"{self.folder}/{name[:2]}/{name[2:]}")  # a third of the time of two slashes


def _read(path: Path) -> tuple[bytearray, float]:
    """All of a regular file, and when it was last used."""
    with open_regular(path, os.O_RDONLY | os.O_NOFOLLOW) as file:
        status = os.fstat(file.fileno())
        if status.st_size > LARGEST:
            return bytearray(), 0.0
        content = bytearray(status.st_size)
        length = file.readinto(content)  # type: ignore[attr-defined]
        return content[:length], status.st_mtime


def _head(key: bytes, content: bytes | memoryview) -> bytes:
    digest = hashlib.sha256(key)
    digest.update(content)
    return MAGIC + digest.digest()


HEAD = len(MAGIC) + hashlib.sha256().digest_size
