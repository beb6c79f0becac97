"""The rows of a table, from CSV or Parquet, as the cells that a user would write."""

import csv
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mixkit.errors import DataError, MixkitError, printable
from mixkit.tasks.clip import some

COLUMNS = ("path", "label", "split", "fold", "group", "start", "stop")
NEEDED = COLUMNS[:2]
PARQUET = (".parquet", ".pq")

Row = tuple[str, dict[str, str]]
"""Where a row stands, for errors, and its cells by column."""


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a table, one after the other, so that only one is in memory at a time.

    Args:
        path: of a CSV file, or by its suffix a Parquet file.

    Raises:
        DataError: it cannot be read, or a column is missing or comes twice.
        MixkitError: Parquet was named, and pyarrow is not installed.
    """
    return _parquet(path) if path.suffix.lower() in PARQUET else _csv(path)


def expect_single(columns: list[str], where: str) -> None:
    """Refuse a table with two columns of one name, of which only one could be read.

    Raises:
        DataError: there are such columns.
    """
    twice = [column for column, count in Counter(columns).items() if count > 1 and column]
    if twice:
        raise DataError(f"{where}: more than one column {some(twice)}. Rename or remove the others.")


def _expect_columns(columns: list[str], where: str, nothing: str) -> None:
    expect_single(columns, where)
    for column in NEEDED:
        if column not in columns:
            raise DataError(
                f"{where}: no column {column!r}, only {some(columns, 10) or nothing}. "
                f"It needs path and label, and may have split, fold, group, start and stop."
            )


def _csv(path: Path) -> Iterator[Row]:
    shown = printable(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            columns = [cell.strip().lower() for cell in next(rows, [])]
            _expect_columns(columns, f"{shown}:1", "an empty line")
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


def _parquet(path: Path) -> Iterator[Row]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        fix = "Install it: pip install 'mixkit[shards]', or save the table as CSV."
        raise MixkitError(f"{printable(path)}: a Parquet table needs pyarrow. {fix}") from None
    shown, number = printable(path), 0
    try:
        with path.open("rb") as file, pyarrow.parquet.ParquetFile(file) as table:
            names = {name: name.strip().lower() for name in table.schema_arrow.names}
            _expect_columns(list(names.values()), shown, "none at all")
            wanted = [name for name, column in names.items() if column in COLUMNS]  # others may hold the audio itself
            for batch in table.iter_batches(columns=wanted):
                columns = {names[name]: batch.column(name).to_pylist() for name in wanted}
                for cells in zip(*columns.values(), strict=True):
                    number += 1
                    yield f"{shown}: row {number}", dict(zip(columns, map(_cell, cells), strict=True))
    except pyarrow.ArrowException as error:
        reason = printable(str(error).splitlines()[0].rstrip("."))
        raise DataError(f"no Parquet table ({reason}).", path, "Save it as one.") from None
    except OSError as error:
        fix = "task.folder.table names a CSV or Parquet file below the root."
        raise DataError(f"{error.strerror}.", path, fix) from None


def _cell(value: Any) -> str:
    """A value as CSV has it: nothing for none, a list as Python writes it."""
    nothing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if nothing else str(value)
