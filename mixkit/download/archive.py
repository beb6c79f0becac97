"""Files inside tar archives, named as if the archive were a folder: `train-000000.tar/000012-dog.flac`; and in tables.

Where a file begins in `NAME.tar` says `NAME.idx` beside it, in the form of NVIDIA DALI (`wds2idx`, v1.2): a line for
each sample, of each of its files the suffix, the place of its first byte, its size and its name. So a file is read
without those before it, in any order.

An archive may lie on a server. Then its index lies in a folder of `mirrors()`, with the SHA-256 of each file, and
`address` there says where the archive is.
"""

import errno
import os
import tempfile
from functools import cache, lru_cache
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import quote

from mixkit.download.pieces import read_piece
from mixkit.storage.cells import PARQUET, has_cell, read_cell, table_of
from mixkit.storage.folders import data_folder
from mixkit.storage.regular import open_regular

TAR = ".tar"
INDEX = ".idx"
VERSION = "v1.2"
ADDRESS = "address"
AT_ONCE = 4096  # indices that a process keeps: 100 bytes a file


def archive_of(path: str | os.PathLike[str]) -> str | None:
    """The archive, or table, in which a path lies; None of a file that lies in none."""
    before, sign, _ = os.fspath(path).rpartition(f"{TAR}/")
    archive = before + TAR
    if sign and (os.path.isfile(archive) or _server_of(archive)):  # noqa: PTH113 - a Path is slower
        return archive
    return table_of(path)


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether there is a file, in an archive or not."""
    archive = archive_of(path)
    if archive is None:
        return os.path.isfile(path)  # noqa: PTH113
    try:
        return has_cell(path) if table_of(path) else bool(_place(archive, path))
    except OSError:
        return False


def open_inside(path: str | os.PathLike[str]) -> BinaryIO:
    """Opens a regular file to be read. One in an archive or a table is copied to memory, since decoders seek.

    Raises:
        NotRegular: it is no regular file.
        OSError: it cannot be opened.
    """
    archive = archive_of(path)
    if archive is None:
        return open_regular(path)
    content = read_cell(path) if table_of(path) else _content(archive, path)
    copy = _memory()
    copy.write(content)
    copy.seek(0)
    return copy


def line_of(files: list[tuple[str, int, int]]) -> str:
    """The line of a sample in the index: of each file name, place and size."""
    return " ".join(f"{name.partition('.')[2]} {start} {size} {name}" for name, start, size in files) + "\n"


def _memory() -> BinaryIO:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("mixkit"), "w+b")
    return cast("BinaryIO", tempfile.TemporaryFile())


def is_fast(path: str | os.PathLike[str]) -> bool:
    """Whether a file is read again as fast as a copy of it: it lies on no server, and in no Parquet table."""
    return sha256_of(path) is None and not str(table_of(path)).lower().endswith(PARQUET)


def sha256_of(path: str | os.PathLike[str]) -> str | None:
    """The SHA-256 of a file that lies in an archive on a server, as its index says; None of any other.

    Whoever reads the file gets bytes that have it, or an error.
    """
    archive = archive_of(path)
    try:
        return _place(archive, path)[2] if archive and _server_of(archive) else None
    except OSError:
        return None


def mirrors() -> Path:
    """The folder of indices of archives that lie on servers.

    Raises:
        DataError: there is no home folder to have one in.
    """
    return data_folder() / "shards"


def _server_of(archive: str) -> str | None:
    """The address of the folder in which an archive is; None of one on the disk."""
    folder = os.path.dirname(archive)  # noqa: PTH120 - a Path is slower
    try:
        return _address(folder) if os.path.dirname(folder) == os.fspath(mirrors()) else None  # noqa: PTH120
    except OSError:
        return None


@cache
def _address(folder: str) -> str:
    return Path(folder, ADDRESS).read_text()


def _content(archive: str, path: str | os.PathLike[str]) -> bytes:
    start, size, sha256 = _place(archive, path)
    if server := _server_of(archive):
        return read_piece(f"{server}/{quote(os.path.basename(archive))}", start, size, sha256)  # noqa: PTH119
    with open_regular(archive) as file:
        if start + size > os.fstat(file.fileno()).st_size:
            raise OSError(errno.EIO, f"the archive ends before its {size} bytes do")
        return os.pread(file.fileno(), size, start)


def _place(archive: str, path: str | os.PathLike[str]) -> tuple[int, int, str]:
    """First byte and size of a file in an archive; and what stands behind its name: in a mirror, its SHA-256."""
    index_path = archive.removesuffix(TAR) + INDEX
    index = _index(index_path, os.stat(index_path).st_mtime_ns)  # noqa: PTH116
    name = os.fspath(path)[len(archive) + 1 :]
    at = index.find(f" {name} ".encode())
    if at < 0:
        raise FileNotFoundError(errno.ENOENT, f"no file {name} in the archive")
    start, size = index[max(0, at - 64) : at].split()[-2:]
    behind = index[at + len(name.encode()) + 2 :][:64]
    return int(start), int(size), behind.decode(errors="replace")


@lru_cache(AT_ONCE)
def _index(path: str, changed: int) -> bytes:
    """An index, with every name between spaces; kept as text, the smallest form in memory."""
    return Path(path).read_bytes().replace(b"\n", b" ")
