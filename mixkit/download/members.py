"""What is in a tar or zip, one member after the other: regular files and folders, and no more bytes than are allowed.

Python's tarfile and zipfile parse and unpack, and are not asked to extract: the filter of tarfile for data has been got
round (CVE-2025-4517), and takes sizes as they are said.
"""

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, cast

RATIO, SLACK = 50, 16 * 2**20  # bytes that may come out for each that goes in, and beyond that
HEADER = 2**20  # bytes; the longest header of a member that is believed
PACKINGS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
EMPTY = 2_000  # files without content; no data set has any, and a bomb of them costs nothing but time and names
ENTRY = 160  # bytes of a member in a zip's listing, on average at most: 46, its name, and what packers add

Open = Callable[[], IO[bytes]]


@dataclass(frozen=True)
class Member:
    """A file or folder in an archive.

    Args:
        name: as the archive has it; not to be trusted.
        size: bytes; 0 for a folder.
        folder: whether it is one.
        open: its content; to be read before the next member.
        read: bytes of the archive that have been read by then.
    """

    name: str
    size: int
    folder: bool
    open: Open
    read: int


class Refusal(Exception):
    """Why a member, or where its name is None the whole archive, is not unpacked."""

    def __init__(self, name: str | None, reason: str, damaged: bool = False):
        super().__init__(name, reason)
        self.name = name
        self.reason = reason
        self.damaged = damaged


def members(archive: Path, files: int, size: int) -> Iterator[Member]:
    """The members of a tar, packed or not, or of a zip; told apart by content.

    Args:
        archive: the file.
        files: members that there may be, folders among them.
        size: bytes of them all; fewer where the archive is small, for none unpacks to fifty times its size.

    Raises:
        Refusal: a member is no regular file or folder, or there are more, or larger ones, than may be.
    """
    most = min(size, SLACK + RATIO * archive.stat().st_size)
    with archive.open("rb") as file:
        is_zip = file.read(2) == b"PK"
    empty = 0
    for count, member in enumerate(_zip(archive, files) if is_zip else _tar(archive, most)):
        if count == files:
            raise _too_many(files)
        empty += not member.size and not member.folder
        if empty > EMPTY:
            raise Refusal(None, f"has more than {EMPTY:,} empty files")
        most -= member.size
        if member.size < 0 or most < 0:
            raise Refusal(member.name, f"has {member.size:,} bytes, which is more than may come out: it is a bomb")
        yield member


def _too_many(files: int) -> Refusal:
    return Refusal(None, f"has more than {files:,} members")


class _Bounded:
    """What comes out of a packed tar: tarfile reads as much as headers say, but never too much at once or in all."""

    def __init__(self, plain: IO[bytes], most: int):
        self.tell = plain.tell
        self.seek = plain.seek
        self._plain = plain
        self._left = most

    def read(self, count: int) -> bytes:
        if not 0 <= count <= HEADER:
            raise Refusal(None, f"has a header of {count:,} bytes")
        content = self._plain.read(count)
        self._left -= len(content)
        if self._left < 0:
            raise Refusal(None, "unpacks to more than it may: it is a bomb")
        return content


def _tar(archive: Path, most: int) -> Iterator[Member]:
    with archive.open("rb") as file:
        head = file.peek(6)
        unpack = next((unpack for magic, unpack in PACKINGS.items() if head.startswith(magic)), None)
        bounded = cast(IO[bytes], _Bounded(unpack(file) if unpack else file, most))
        tar = tarfile.TarFile(fileobj=bounded, encoding="utf-8", errors="surrogateescape")
        while member := tar.next():
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE) or member.issparse():
                raise Refusal(member.name, f"is neither a file nor a folder (type {member.type!r})")
            content = partial(tar.extractfile, member)
            yield Member(member.name, member.size, member.isdir(), cast(Open, content), file.tell())
            tar.members.clear()  # type: ignore[attr-defined]  # it would keep them all


class _Listed(BufferedReader):
    """A zip whose listing of members is not read, and so not believed, where it is too long."""

    files = 0

    def read(self, count: int | None = -1) -> bytes:
        if (count or 0) > self.files * ENTRY + 2**20:
            raise _too_many(self.files)
        return super().read(count)


def _zip(archive: Path, files: int) -> Iterator[Member]:
    with _Listed(archive.open("rb", buffering=0)) as file:
        file.files = files
        zipped = zipfile.ZipFile(file)
        read = 0
        for info in zipped.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG):
                raise Refusal(info.filename, f"is neither a file nor a folder (mode {info.external_attr >> 16:o})")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Refusal(info.filename, f"is packed in an unusual way (method {info.compress_type})")
            read += info.compress_size
            yield Member(info.orig_filename, info.file_size, info.is_dir(), partial(zipped.open, info), read)
