"""The rows of a CSV table, and what columns a table has."""

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mixkit.errors import DataError, printable
from mixkit.tasks.clip import some

COLUMNS = ("path", "label", "split", "fold", "group", "start", "stop")
NEEDED = COLUMNS[:2]
AUDIO = "audio"  # of a row whose path is that of the audio in the table itself

Row = tuple[str, dict[str, str]]
"""Where a row stands, for errors, and its cells by column."""


def expect_single(columns: list[str], where: str) -> None:
    """Refuse a table with two columns of one name, of which only one could be read.

    Raises:
        DataError: there are such columns.
    """
    twice = [column for column, count in Counter(columns).items() if count > 1 and column]
    if twice:
        raise DataError(f"{where}: more than one column {some(twice)}. Rename or remove the others.")


def expect_columns(columns: list[str], where: str, nothing: str) -> None:
    """Refuse a table that lacks a column, or has two of one name.

    Args:
        columns: that it has.
        where: it stands.
        nothing: what to say of a table without any.

    Raises:
        DataError: it does.
    """
    expect_single(columns, where)
    for column in NEEDED:
        if column not in columns:
            raise DataError(
                f"{where}: no column {column!r}, only {some(columns, 10) or nothing}. "
                f"It needs path and label, and may have split, fold, group, start and stop."
            )


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a CSV file, one after the other, so that only one is in memory at a time.

    Raises:
        DataError: it cannot be read, or a column is missing or comes twice.
    """
    shown = printable(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            columns = [cell.strip().lower() for cell in next(rows, [])]
            expect_columns(columns, f"{shown}:1", "an empty line")
            for cells in rows:
                if not any(cells):
                    continue
                where = f"{shown}:{rows.line_num}"
                if len(cells) != len(columns):
                    raise DataError(
                        f"{where}: {len(cells)} cells under {len(columns)} columns. Quote a cell with a comma in it."
                    )
                yield where, dict(zip(columns, cells, strict=True))
    except OSError as error:
        raise DataError(f"{error.strerror}.", path, "task.folder.table names a CSV file below the root.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"no CSV table in UTF-8 ({error}).", path, "Save it as one.") from None
