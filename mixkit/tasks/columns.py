"""The rows of Parquet tables and of Hugging Face `datasets`, as the cells that a user would write into a CSV."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mixkit.errors import DataError, MixkitError, printable
from mixkit.storage.cells import ARROW, PARQUET, NoAudioColumn, audio_column, cell_name
from mixkit.tasks.entry import is_split_word
from mixkit.tasks.rows import AUDIO, COLUMNS, Row, expect_columns

SPLITS_OF = "dataset_dict.json"  # of a folder that DatasetDict.save_to_disk wrote
FILES_OF = "state.json"  # and of one by Dataset.save_to_disk

Names = Mapping[str, Sequence[str]]


def is_columnar(path: Path) -> bool:
    """Whether a table is a Parquet file, or a folder, which has several such files or those of `datasets`."""
    return path.suffix.lower() in PARQUET or path.is_dir()


def read_columns(path: Path) -> Iterator[Row]:
    """The rows of a table, one after the other, so that only a few are in memory at a time.

    Where the audio itself stands in the table, in a column of `{bytes, path}`, the path of a row is that of the cell.
    Labels of `ClassLabel` are their names. Of a folder with several splits, each row has the one that it stands in.

    Args:
        path: of a Parquet file, of a folder of Parquet files, or of one that `save_to_disk` wrote.

    Raises:
        DataError: it cannot be read, or a column is missing or comes twice.
        MixkitError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        fix = "Install it: pip install 'mixkit[shards]', or save the table as CSV."
        raise MixkitError(f"{printable(path)}: a Parquet table needs pyarrow. {fix}") from None
    file = path
    try:
        for file, split in _files(path):
            yield from _rows(file, split)
    except pyarrow.ArrowException as error:
        kind = "Arrow stream" if file.suffix == ARROW else "Parquet table"
        reason = printable(str(error).splitlines()[0].rstrip("."))
        raise DataError(f"no {kind} ({reason}).", file, "Save it as one.") from None
    except OSError as error:
        fix = "task.folder.table names a CSV or Parquet file below the root, or a folder of datasets."
        raise DataError(f"{error.strerror or error}.", file, fix) from None


def _files(path: Path) -> list[tuple[Path, str | None]]:
    """The files of a table, each with its split, if there are several."""
    if not path.is_dir():
        return [(path, None)]
    if (path / SPLITS_OF).is_file():
        splits = [_name(path / SPLITS_OF, split) for split in _json(path / SPLITS_OF)["splits"]]
        found = [(file, split) for split in splits for file in _saved(path / split)]
    elif (path / FILES_OF).is_file():
        found = [(file, "") for file in _saved(path)]
    else:
        below = sorted(file for file in path.rglob("*") if file.suffix.lower() in PARQUET and file.is_file())
        shown = [file for file in below if not any(part.startswith(".") for part in file.relative_to(path).parts)]
        found = [(file, file.name.partition("-")[0].partition(".")[0]) for file in shown]
        if not all(is_split_word(word) for _, word in found):
            found = [(file, "") for file, _ in found]
    if not found:
        fix = "Name one that save_to_disk of datasets wrote, or one with Parquet files."
        raise DataError("no table in this folder.", path, fix)
    several = len({split for _, split in found}) > 1
    return [(file, split if several else None) for file, split in found]


def _saved(folder: Path) -> list[Path]:
    state = folder / FILES_OF
    return [folder / _name(state, entry["filename"]) for entry in _json(state)["_data_files"]]


def _json(path: Path) -> Any:
    try:
        found = json.loads(path.read_bytes())
        [entry["filename"] for entry in found.get("_data_files", [])] or found["splits"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError("is not what save_to_disk of datasets writes.", path, "Save the data set anew.") from None
    return found


def _name(path: Path, name: object) -> str:
    if not isinstance(name, str) or not name or name.startswith(".") or "/" in name or "\0" in name:
        raise DataError(f"names {printable(repr(name))}, which is no name in its folder.", path, "Save it anew.")
    return name


def _rows(file: Path, split: str | None) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    if file.suffix == ARROW:
        with pyarrow.memory_map(str(file)) as content, pyarrow.ipc.open_stream(content) as stream:
            yield from _read(file, split, stream.schema, lambda columns: stream)
    else:
        with file.open("rb") as content, pyarrow.parquet.ParquetFile(content) as table:
            yield from _read(file, split, table.schema_arrow, lambda columns: table.iter_batches(columns=columns))


def _read(file: Path, split: str | None, schema: Any, batches: Callable[[list[str]], Any]) -> Iterator[Row]:
    """Rows by the batches that a function gives of some columns; of the audio, only how it is called is read."""
    import pyarrow.compute

    shown, number, names = printable(file), 0, {name: name.strip().lower() for name in schema.names}
    try:
        audio = audio_column(schema)
    except NoAudioColumn:
        audio = None
    wanted = [name for name, column in names.items() if column in COLUMNS and not (audio and column == "path")]
    has = [column for column in names.values() if not (audio and column == "path")]
    expect_columns([*has, *(["path"] if audio else [])], shown, "none at all")
    called = audio is not None and schema.field(audio).type.get_field_index("path") >= 0
    classes = _classes(schema)
    for batch in batches([*wanted, *([f"{audio}.path"] if called else [])]):
        columns = {names[name]: _named(batch.column(name).to_pylist(), classes.get(name)) for name in wanted}
        if audio is not None:
            recordings = pyarrow.compute.struct_field(batch.column(audio), "path").to_pylist() if called else ()
            recordings = recordings or [None] * len(batch)
            columns["path"] = [f"{file}/{cell_name(number + at, recording)}" for at, recording in enumerate(recordings)]
        for cells in zip(*columns.values(), strict=True):
            number += 1
            row = dict(zip(columns, map(_cell, cells), strict=True))
            row |= {} if audio is None else {AUDIO: audio}
            yield f"{shown}: row {number}", row if split is None else row | {"split": split}


def _classes(schema: Any) -> Names:
    """The names of labels that are numbers, by column, as the features of `datasets` have them."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        found = {name: {**feature, **feature.get("feature", {})}.get("names") for name, feature in features.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {name: list(map(str, names)) for name, names in found.items() if isinstance(names, list)}


def _named(values: list[Any], names: Sequence[str] | None) -> list[Any]:
    if names is None:
        return values

    def name(value: Any) -> Any:
        if isinstance(value, list):
            return [name(one) for one in value]
        if isinstance(value, int) and value < len(names):
            return names[value] if value >= 0 else None  # -1: nobody has labelled it
        return value

    return [name(value) for value in values]


def _cell(value: Any) -> str:
    """A value as CSV has it: nothing for none, a list as Python writes it."""
    nothing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if nothing else str(value)
