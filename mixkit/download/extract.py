"""An archive unpacked: whole, with nothing outside its folder, or not at all."""

import glob
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixkit.download.download import Progress, sync_folder
from mixkit.download.members import LIMITS, Limits, Member, Refusal, refusing
from mixkit.download.names import Taken, parts_of
from mixkit.download.tar import tar_members
from mixkit.download.zip import zip_members
from mixkit.errors import DataError, printable

NOTE = ".mixkit.json"
"""Name of the file that an unpacked folder bears: where it came from, and how much is in it."""

LEFT_OVER = ".unpacking"


@dataclass(frozen=True)
class Contents:
    """What was unpacked.

    Args:
        files: how many, folders not counted.
        size: bytes of them.
    """

    files: int
    size: int


def extract(
    archive: Path,
    target: Path,
    limits: Limits = LIMITS,
    inside: str = "",
    note: Mapping[str, Any] | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Contents:
    """Unpack an archive into a folder that is not there yet.

    The work is done in a folder beside it, which is renamed when all is on the disk. Regular files and folders only,
    with the rights of any new file, whatever the archive says of links, devices, rights and owners.

    Args:
        archive: tar (plain, gz, bz2, xz) or zip.
        target: the folder; an empty one may be there.
        limits: how much may come out.
        inside: a folder at the top of the archive whose contents are wanted without it.
        note: kept in the folder as `.mixkit.json`, with the number of files and bytes.
        progress: is told how far it is.

    Raises:
        TrustError: the archive holds what none should: links, names that lead elsewhere, a bomb. Nothing is unpacked.
        DamagedError: it is cut short or changed. Nothing is unpacked.
        DataError: the folder is there already, or the disk is full.
    """
    fresh = target.parent / f".{archive.name}-{secrets.token_hex(6)}{LEFT_OVER}"
    try:
        size = archive.stat().st_size
        fresh.mkdir()
        tree = _Tree(fresh, inside, limits)
        with refusing(archive):
            for member in _members(archive, limits):
                tree.add(member)
                progress("unpacking", min(member.read, size - 1), size)  # read ahead is not yet unpacked
            if not tree.files:
                raise Refusal(None, "holds no file", damaged=True)
        progress("unpacking", size, size)
        contents = Contents(tree.files, tree.size)
        (fresh / NOTE).write_text(json.dumps({**(note or {}), "files": tree.files, "size": tree.size}, indent=2) + "\n")
        # One for all: 100,000 files one by one take six minutes where this takes seconds, and Linux waits for the end.
        os.sync()
        fresh.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        raise DataError(
            f"{_shown(archive)} cannot be unpacked to {_shown(target)} ({error.strerror}). "
            "Use a folder that is new or empty, on a disk with room."
        ) from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return contents


def discard_left_overs(archive: Path, parent: Path) -> None:
    """Remove what an extraction of that archive left when it was killed; none may be going on."""
    for path in parent.glob(f".{glob.escape(archive.name)}-*{LEFT_OVER}"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)


def is_whole(folder: Path, note: Mapping[str, Any]) -> bool | None:
    """Whether a folder still holds what was unpacked into it; None if that came from elsewhere.

    Files are counted, not read; more of them than there were are no harm.
    """
    try:
        known = json.loads((folder / NOTE).read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(known, dict) or any(known.get(key) != value for key, value in note.items()):
        return None
    files = [path for path in _files(folder) if path != folder / NOTE]
    return len(files) >= known.get("files", 0) and sum(path.lstat().st_size for path in files) >= known.get("size", 0)


def _files(folder: Path) -> Iterable[Path]:
    for root, _, names in os.walk(folder):
        yield from (Path(root, name) for name in names)


def _members(archive: Path, limits: Limits) -> Iterator[Member]:
    """The members of a tar or zip, told apart by its content."""
    with archive.open("rb") as file:
        is_zip = file.read(2) == b"PK"
        file.seek(0)
        yield from zip_members(file, limits) if is_zip else tar_members(file, limits)


class _Tree:
    """A new folder that members are put into."""

    def __init__(self, root: Path, inside: str, limits: Limits):
        self.files = 0
        self.size = 0
        self._hollow = 0
        self._limits = limits
        self._root = root
        self._inside = inside
        self._taken = Taken()
        self._taken.file((NOTE,), NOTE)

    def add(self, member: Member) -> None:
        """Puts a member where its name says."""
        parts = parts_of(member.name, self._limits.depth)
        self._hollow += not member.size
        if self._hollow > self._limits.hollow:
            raise Refusal(None, f"has more than {self._limits.hollow:,} members with nothing in them")
        if parts[:1] == (self._inside,) and (member.folder or len(parts) > 1):
            parts = parts[1:]
        folder = parts if member.folder else parts[:-1]
        for fresh in self._taken.folder(folder, member.name):
            self._root.joinpath(*fresh).mkdir()
        if member.folder:
            return
        if not parts:
            raise Refusal(member.name, "is a file without a name")
        self._taken.file(parts, member.name)
        self._write(self._root.joinpath(*parts), member)
        self.files += 1
        self.size += member.size

    def _write(self, path: Path, member: Member) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            for chunk in member.chunks():
                view = memoryview(chunk)
                while view:
                    view = view[file.write(view) :]


def _shown(path: Path) -> str:
    return printable(str(path))
