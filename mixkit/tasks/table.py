"""A table that lists clips: a CSV file with a row for each."""

import csv
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

from mixkit.errors import DataError, printable
from mixkit.tasks.clip import is_audio, some, suffixes
from mixkit.tasks.entry import ClipEntry, make_entry
from mixkit.tasks.listing import Skip, inside

WORDS = ("label", "split", "fold", "group")


def read_table(root: Path, table: str, skip: Skip, multi_label: bool = False) -> list[ClipEntry]:
    """Entries from a table below the root, sorted by path and start.

    Args:
        root: the folder of the recordings.
        table: CSV file below it.
        skip: which paths to leave out.
        multi_label: whether a label cell holds several labels, `dog;rain`, or none.

    Raises:
        DataError: the table, or a file in it, is missing or leaves the root; a column is missing; or a row says
            something that cannot be. Table and line are named.
    """
    path = root / table
    _expect_below(root, table, "task.folder.table")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            entries = list(_entries(root, path, file, skip, multi_label))
    except OSError as error:
        raise DataError(f"{error.strerror}.", path, "task.folder.table names a CSV file below the root.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"no CSV table in UTF-8 ({error}).", path, "Save it as one.") from None
    if not entries:
        raise DataError("no row.", path, "Give it one for each clip.")
    return sorted(entries, key=lambda entry: (entry.path, entry.start or 0.0, entry.stop or math.inf))


def _entries(root: Path, path: Path, file: TextIO, skip: Skip, multi_label: bool) -> Iterator[ClipEntry]:
    rows = csv.reader(file, strict=True)
    columns = [cell.strip().lower() for cell in next(rows, [])]
    for column in ("path", "label"):
        if column not in columns:
            raise DataError(
                f"{printable(path)}:1: no column {column!r}, only {some(columns, 10) or 'an empty line'}. "
                f"It needs path and label, and may have split, fold, group, start and stop."
            )
    for cells in rows:
        where = f"{printable(path)}:{rows.line_num}"
        if not any(cells):
            continue
        if len(cells) != len(columns):
            raise DataError(
                f"{where}: {len(cells)} cells under {len(columns)} columns. Quote a cell with a comma in it."
            )
        row = dict(zip(columns, cells, strict=True))
        if not skip(row["path"]):
            yield _entry(root, row, where, multi_label)


def _entry(root: Path, row: Mapping[str, str], where: str, multi_label: bool) -> ClipEntry:
    path = row["path"]
    _expect_below(root, path, f"{where}: path")
    if not os.path.isfile(root / path):  # noqa: PTH113
        raise DataError(
            f"{where}: no file {printable(root / path)}. Mend the path, which is below the root, or take the row out."
        )
    if not is_audio(path):
        raise DataError(f"{where}: {printable(path)} is no audio by its name. Use {', '.join(suffixes())}.")
    start, stop = _seconds(row, "start", where), _seconds(row, "stop", where)
    if stop is not None and stop <= (start or 0.0):
        raise DataError(
            f"{where}: stop is {stop:g}, not after start {start or 0.0:g}. Give seconds from the beginning."
        )
    return make_entry(where, path, {word: row[word] for word in WORDS if word in row}, start, stop, multi_label)


def _seconds(row: Mapping[str, str], column: str, where: str) -> float | None:
    cell = row.get(column, "").strip()
    if not cell:
        return None
    try:
        seconds = float(cell)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise DataError(f"{where}: {column} is {cell!r}. It takes seconds, 0 or more, or nothing.")
    return seconds


def _expect_below(root: Path, path: str, what: str) -> None:
    """Refuse a path that is absolute, climbs, or reaches out of the root through a link."""
    climbs = os.path.isabs(path) or ".." in path.split("/") or "\0" in path  # noqa: PTH117
    if climbs or not inside(os.path.realpath(root / path), os.path.realpath(root)):
        raise DataError(f"{what} is {printable(path)!r}, which leaves {printable(root)}. Name what is below the root.")
