"""A table that lists clips: a CSV or Parquet file with a row for each, or a data set of Hugging Face."""

import math
import os
import posixpath
import stat
from collections.abc import Mapping
from pathlib import Path

from mixkit.errors import DataError, printable
from mixkit.tasks.clip import is_audio, nfc
from mixkit.tasks.columns import is_columnar, read_columns
from mixkit.tasks.entry import ClipEntry, make_entry
from mixkit.tasks.left_out import why_unread
from mixkit.tasks.listing import Skip, inside
from mixkit.tasks.progress import Patient
from mixkit.tasks.rows import AUDIO, read_rows
from mixkit.values import LONGEST

WORDS = ("label", "split", "fold", "group")
FOLLOW = "To follow them, set task.folder.follow_links = True."


def read_table(
    root: Path,
    table: str,
    skip: Skip,
    separator: str | None = None,
    follow_links: bool = False,
    patient: Patient | None = None,
) -> list[ClipEntry]:
    """Entries from a table below the root, sorted by path and start.

    Args:
        root: the folder of the recordings.
        table: CSV or Parquet file below it, or a folder that `datasets` wrote.
        skip: which paths to leave out.
        separator: between several labels in a cell; None where a cell is one label.
        follow_links: whether links may lead out of the root.
        patient: tells how many rows are read.

    Raises:
        DataError: the table, or a file in it, is missing or leaves the root; a column is missing or comes twice; or a
            row says something that cannot be. Table and line are named.
    """
    below = _Below(root, follow_links)
    name = below.name(table, "task.folder.table")
    path = root / name
    below.expect_inside(os.path.realpath(path), name, "task.folder.table")
    patient = patient or Patient()
    patient.begin("reading the table")
    entries = []
    for where, row in read_columns(path) if is_columnar(path) else read_rows(path):
        listed = below.name(row["path"], f"{where}: path")
        if not skip(listed):
            place = below.cell(listed, where) if AUDIO in row else below.file(listed, where)
            entries.append(_entry(place, row, where, separator))
            patient.one()
    if not entries:
        raise DataError("no row.", path, "Give it one for each clip.")
    entries.sort(key=lambda entry: (entry.path, entry.start or 0.0, entry.stop or math.inf))
    return entries


def _entry(path: str, row: Mapping[str, str], where: str, separator: str | None) -> ClipEntry:
    start, stop = _seconds(row, "start", where), _seconds(row, "stop", where)
    if stop is not None and stop <= (start or 0.0):
        raise DataError(
            f"{where}: stop is {stop:g}, not after start {start or 0.0:g}. Give seconds from the beginning."
        )
    return make_entry(where, path, {word: row[word] for word in WORDS if word in row}, start, stop, separator)


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


class _Below:
    """Sees that paths lie below the root, and that the files are there; links of a folder are resolved once."""

    def __init__(self, root: Path, follow_links: bool):
        self._root, self._real_root, self._follow_links = os.fspath(root), os.path.realpath(root), follow_links
        self._real: dict[str, str] = {}  # of each folder below the root, where it really is
        self._names: dict[str, dict[str, str]] = {}  # of each folder, names on the disk by their composed form

    def name(self, path: str, what: str) -> str:
        """A path as a table writes it, below the root; it may be absolute.

        Raises:
            DataError: it is too long, climbs, or lies elsewhere.
        """
        if len(path) > LONGEST:
            raise DataError(f"{what} has {len(path):,} characters, at most {LONGEST:,}. Is a quote missing?")
        for root in (self._root, self._real_root):
            path = path.removeprefix(f"{root.rstrip('/')}/") if path.startswith("/") else path
        if path.startswith("/") or "\0" in path or (".." in path and ".." in path.split("/")):
            raise self._outside(path, what)
        return posixpath.normpath(path) if "//" in path or "./" in path else path  # so that a file has one name

    def file(self, path: str, where: str) -> str:
        """The path of a recording as the disk spells it, which may be in another Unicode form.

        Raises:
            DataError: it is not there, leads out of the root, or is no recording by its name.
        """
        real = self._file(path, f"{where}: path")
        if real is None and (spelled := self._spelled(path)):
            path, real = spelled, self._file(spelled, f"{where}: path")
        if real is None:
            raise DataError(
                f"{where}: no file {printable(f'{self._root}/{path}')}. Mend the path, which is below the root, "
                "or take the row out."
            )
        if not is_audio(path):
            raise DataError(f"{where}: {printable(path)} is {why_unread(path)}")
        return path

    def cell(self, path: str, where: str) -> str:
        """The path of a recording that is a cell of a table, whose file may be a link.

        Raises:
            DataError: the file leads out of the root.
        """
        self._folder(path.rpartition("/")[0], path, f"{where}: path")
        return path

    def expect_inside(self, real: str, path: str, what: str) -> None:
        """Refuse what is found elsewhere than below the root, unless links are followed.

        Raises:
            DataError: it is.
        """
        if not self._follow_links and not inside(real, self._real_root):
            leads = f"{what} is {printable(path)!r}, a link that leads out of {printable(self._root)}."
            raise DataError(f"{leads} {FOLLOW}")

    def _outside(self, path: str, what: str) -> DataError:
        leaves = f"{what} is {printable(path)!r}, which leaves {printable(self._root)}."
        return DataError(f"{leaves} Name what is below the root.")

    def _file(self, path: str, what: str) -> str | None:
        """Where a file really is; None if there is none."""
        folder, _, name = path.rpartition("/")
        real = self._folder(folder, path, what)
        try:
            mode = os.lstat(f"{real}/{name}").st_mode
        except OSError:
            return None
        if stat.S_ISLNK(mode):
            real_file = os.path.realpath(f"{real}/{name}")
            self.expect_inside(real_file, path, what)
            return real_file if os.path.isfile(real_file) else None  # noqa: PTH113
        return f"{real}/{name}" if stat.S_ISREG(mode) else None

    def _folder(self, folder: str, path: str, what: str) -> str:
        """Where a folder really is."""
        real = self._real.get(folder)
        if real is None:
            real = os.path.realpath(f"{self._root}/{folder}")
            self.expect_inside(real, path, what)
            self._real[folder] = real
        return real

    def _spelled(self, path: str) -> str | None:
        """The path on the disk that looks the same; None if there is none."""
        folder = ""
        for part in path.split("/"):
            name = part if os.path.lexists(f"{self._root}/{folder}{part}") else self._listed(folder).get(nfc(part))
            if name is None:
                return None
            folder += f"{name}/"
        return folder[:-1]

    def _listed(self, folder: str) -> dict[str, str]:
        if folder not in self._names:
            try:
                names = os.listdir(f"{self._root}/{folder}")  # noqa: PTH208
            except OSError:
                names = []
            self._names[folder] = {nfc(name): name for name in names}
        return self._names[folder]
