"""A published data set as it was unpacked: where it lies, which files are there, and the lists that came with it."""

import csv
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from mixkit.errors import DataError, MixkitError, SettingError, printable
from mixkit.storage.folders import data_folder
from mixkit.tasks.clip import some
from mixkit.tasks.listing import inside
from mixkit.tasks.rows import expect_single


def find_root(task: str, root: str | None, needs: Sequence[str], below: Sequence[str], advice: str) -> Path:
    """The folder that holds a data set: the root that was set, or `NAME` in the data folder, or a folder in it.

    Args:
        task: the registered name.
        root: the setting; None for `$MIXKIT_DATA/NAME`.
        needs: files and folders that have to be there.
        below: folders that the archive may have been unpacked into.
        advice: what to place there, a sentence.

    Raises:
        MixkitError: it is not there.
    """
    base = base_folder(task, root)
    for folder in (base, *(base / name for name in below)):
        if folder.is_dir() and all((folder / need).exists() for need in needs):
            return folder
    lacking = [need for need in needs if not (base / need).exists()]
    raise not_there(task, root, f"{some(lacking)} missing" if base.is_dir() else "no such folder", advice)


def base_folder(task: str, root: str | None) -> Path:
    """The root that was set, or the place of that data set in the data folder."""
    return Path(os.path.expanduser(root)).absolute() if root else data_folder() / task  # noqa: PTH111 - keeps ~nobody


def not_there(task: str, root: str | None, what: str, advice: str) -> MixkitError:
    """The error about a root that does not hold the data set."""
    if root:
        return SettingError(f"task.{task}.root", f"is {root!r}: {what}. {advice}")
    advice = f"{advice} Or name another folder: --set \"task.{task}.root = 'PATH'\"."
    return DataError(f"{what}.", base_folder(task, root), advice)


def sounds(folder: Path, root: Path, suffix: str = ".wav") -> tuple[str, ...]:
    """Names of the sound files of a folder, sorted; none is opened, and hidden ones are passed over.

    Raises:
        DataError: the folder cannot be read, or a link leads out of the root.
    """
    with _scan(folder, root) as entries:
        named = (entry for entry in entries if entry.name.endswith(suffix) and not entry.name.startswith("."))
        return tuple(sorted(entry.name for entry in named if _expect_within(entry, root).is_file()))


def folders(folder: Path, root: Path) -> tuple[str, ...]:
    """Names of the folders of a folder, sorted; hidden ones are passed over.

    Raises:
        DataError: the folder cannot be read, or a link leads out of the root.
    """
    with _scan(folder, root) as entries:
        shown = (entry for entry in entries if not entry.name.startswith("."))
        return tuple(sorted(entry.name for entry in shown if entry.is_dir() and _expect_within(entry, root)))


def read_lines(path: Path) -> tuple[str, ...]:
    """The lines of a list, without blank ones.

    Raises:
        DataError: it cannot be read as text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read ({error}).", path, "Put the published list there.") from None
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a published table, each with its place for errors.

    Raises:
        DataError: it cannot be read, or a column is missing.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            expect_single([*(rows.fieldnames or ())], f"{printable(path)}:1")
            lacking = [column for column in columns if column not in (rows.fieldnames or ())]
            if lacking:
                raise DataError(f"no column {some(lacking)}.", path, "Put the published table there.")
            for row in rows:
                yield f"{printable(path)}:{rows.line_num}", {column: row[column] or "" for column in columns}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot be read ({error}).", path, "Put the published table there.") from None


def _scan(folder: Path, root: Path) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
    try:
        if not inside(os.path.realpath(folder), os.path.realpath(root)):
            raise _outside(str(folder), root)
        return os.scandir(folder)
    except OSError as error:
        raise DataError(f"{error.strerror}.", folder, "A data folder has to be readable.") from None


def _expect_within(entry: os.DirEntry[str], root: Path) -> os.DirEntry[str]:
    if entry.is_symlink() and not inside(os.path.realpath(entry.path), os.path.realpath(root)):
        raise _outside(entry.path, root)
    return entry


def _outside(path: str, root: Path) -> DataError:
    return DataError(f"a link that leads out of {printable(root)}.", path, "Put what it leads to in its place.")
