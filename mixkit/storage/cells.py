"""Recordings that are cells of a table, named as if its file were a folder: `train-00000.parquet/0000012-dog.wav`.

The tables are those of Hugging Face `datasets`: Parquet files, and the Arrow streams of `save_to_disk`. The audio is
in a column of `{bytes, path}`. A cell of an Arrow file is where it is in the file, and read as fast as a file; of a
Parquet file, the whole group of rows is decoded for it.
"""

import errno
import os
from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate
from threading import Lock
from typing import Any

ARROW = ".arrow"
PARQUET = (".parquet", ".pq")
UNNAMED = ".wav"  # which `datasets` writes where a recording has no name
GROUPS = 2  # of rows of Parquet files that a process keeps: a few hundred recordings each
FILES = 256  # that it keeps open

_lock = Lock()  # so that of several readers one decodes a group, and the others find it


class NoAudioColumn(ValueError):
    """A table has no column with audio in it, or several and none called `audio`."""


def table_of(path: str | os.PathLike[str]) -> str | None:
    """The file of the table in which a path is a cell; None of any other path."""
    before, sign, _ = os.fspath(path).rpartition("/")
    return before if sign and before.lower().endswith((ARROW, *PARQUET)) and os.path.isfile(before) else None  # noqa: PTH113


def cell_name(row: int, recording: str | None) -> str:
    """The name of a cell.

    Args:
        row: of the file, from 0.
        recording: as the table calls it; None where it does not.
    """
    stem, suffix = os.path.splitext(os.path.basename(recording or ""))  # noqa: PTH119, PTH122 - many
    plain = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in stem)[:60]
    return f"{row:07d}{'-' * bool(plain)}{plain}{suffix.lower() or UNNAMED}"


def audio_column(schema: Any) -> str:
    """The name of the column that holds the audio, by a schema of pyarrow.

    Raises:
        NoAudioColumn: there is none, or more than one and none is called `audio`.
    """
    found = [field.name for field in schema if _is_audio(field.type)]
    if "audio" in found:
        return "audio"
    if len(found) != 1:
        raise NoAudioColumn(", ".join(found))
    return str(found[0])


def has_cell(path: str | os.PathLike[str]) -> bool:
    """Whether a path, of which `table_of` gives a file, names a row that this has.

    Raises:
        OSError: the file cannot be read.
    """
    row = _row(path)
    return row is not None and row < _opened(str(table_of(path))).rows


def read_cell(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a recording.

    Raises:
        OSError: there is no such cell, it is empty, or the file cannot be read.
    """
    row = _row(path)
    table = _opened(str(table_of(path)))
    if row is None or row >= table.rows:
        raise FileNotFoundError(errno.ENOENT, "the table has no such row")
    content = table.read(row)
    if not content:
        raise OSError(errno.ENODATA, "the row holds no audio")
    return content


def _row(path: str | os.PathLike[str]) -> int | None:
    digits = os.path.basename(path)[:7]  # noqa: PTH119
    return int(digits) if len(digits) == 7 and digits.isascii() and digits.isdigit() else None


def _is_audio(type_: Any) -> bool:
    """Whether a column of this type holds `{bytes, path}`."""
    import pyarrow.types as types

    if not types.is_struct(type_) or type_.get_field_index("bytes") < 0:
        return False
    content = type_.field("bytes").type
    return bool(types.is_binary(content) or types.is_large_binary(content))


def _opened(file: str) -> "_Arrow | _Parquet":
    """A file of rows, as it is now."""
    import pyarrow

    try:
        status = os.stat(file)  # noqa: PTH116
        return _table(file, status.st_mtime_ns, status.st_size)
    except pyarrow.ArrowException as error:
        raise OSError(errno.EINVAL, f"no table ({str(error).splitlines()[0]})") from None


@lru_cache(FILES)
def _table(file: str, changed: int, size: int) -> "_Arrow | _Parquet":
    return _Arrow(file) if file.lower().endswith(ARROW) else _Parquet(file)


class _Arrow:
    """The rows of an Arrow stream, which stay on the disk."""

    def __init__(self, file: str):
        import pyarrow

        table = pyarrow.ipc.open_stream(pyarrow.memory_map(file)).read_all()
        self._chunks = table.column(audio_column(table.schema)).chunks
        self._ends = list(accumulate(map(len, self._chunks)))
        self.rows = table.num_rows

    def read(self, row: int) -> bytes:
        place = bisect_right(self._ends, row)
        chunk = self._chunks[place]
        cell = chunk[row - self._ends[place] + len(chunk)]
        content = cell["bytes"].as_buffer() if cell.is_valid else None
        return b"" if content is None else content.to_pybytes()


class _Parquet:
    """The rows of a Parquet file, group by group."""

    def __init__(self, file: str):
        import pyarrow.parquet

        self._file = file
        with pyarrow.parquet.ParquetFile(file) as table:
            self._column = f"{audio_column(table.schema_arrow)}.bytes"
            groups = table.metadata
            self._ends = list(accumulate(groups.row_group(at).num_rows for at in range(groups.num_row_groups)))
            self.rows = groups.num_rows

    def read(self, row: int) -> bytes:
        place = bisect_right(self._ends, row)
        with _lock:
            group = _group(self._file, os.stat(self._file).st_mtime_ns, place, self._column)  # noqa: PTH116
        cell = group[row - self._ends[place] + len(group)]
        return b"" if not cell.is_valid else cell.as_buffer().to_pybytes()


@lru_cache(GROUPS)
def _group(file: str, changed: int, place: int, column: str) -> Any:
    """The audio of a group of rows."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(file) as table:
        read = table.read_row_group(place, columns=[column], use_threads=False)
    return read.column(0).combine_chunks().field("bytes")
