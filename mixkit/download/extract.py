"""An archive unpacked: whole, with nothing outside its folder, or not at all."""

import glob
import json
import lzma
import os
import re
import shutil
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mixkit.download.members import Member, Refusal, members
from mixkit.download.sources import Archive, Checksum
from mixkit.errors import DamagedError, DataError, TrustError, printable
from mixkit.storage.atomic import PART, new_folder

NOTE = ".mixkit.json"
"""Name of the file that an unpacked folder bears: where it came from, and how much is in it."""

DEPTH = 32  # folders within folders
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # control, direction of writing, not UTF-8, line and paragraph ends

# What tarfile, zipfile and the unpackers under them raise at odd bytes.
ODD = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError),
    *(ValueError, LookupError, ArithmeticError, RuntimeError),
)


def extract(
    packed: Path,
    target: Path,
    archive: Archive,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> None:
    """Unpack an archive into a folder that is not there yet.

    The work is done in a folder beside it, which is renamed when all is on the disk. Regular files and folders only,
    with the rights of any new file, whatever the archive says of rights and owners.

    Args:
        packed: tar (plain, gz, bz2, xz) or zip.
        target: the folder; an empty one may be there. It says in `.mixkit.json` where it came from.
        archive: where it came from, how many files and about how many bytes may come out, and what folder at the top
            is wanted without it.
        progress: is called with what is done, how many bytes of it, and of how many.

    Raises:
        TrustError: the archive holds what none should: links, names that lead elsewhere, a bomb. Nothing is unpacked.
        DamagedError: it is cut short or changed. Nothing is unpacked.
        DataError: the folder is there already, or the disk is full.
    """
    with _refusing(packed, target), new_folder(target, packed.name) as fresh:
        total = packed.stat().st_size
        tree = _Tree(fresh, archive.inside)
        for member in members(packed, archive.files, 2 * archive.unpacked):
            tree.add(member)
            progress("unpacking", min(member.read, total - 1), total)  # read ahead is not yet unpacked
        if not tree.files:
            raise Refusal(None, "holds no file", damaged=True)
        progress("unpacking", total, total)
        origin = {"address": archive.address, archive.checksum.kind: archive.checksum.value}
        (fresh / NOTE).write_text(json.dumps({**origin, "files": tree.files, "size": tree.size}, indent=2) + "\n")
        # One for all: 100,000 files one by one take six minutes where this takes seconds, and Linux waits for the end.
        os.sync()


def discard_left_overs(archive: Path, parent: Path) -> None:
    """Remove what an extraction of that archive left when it was killed; none may be going on."""
    for path in parent.glob(f".{glob.escape(archive.name)}-*{PART}"):
        shutil.rmtree(path, ignore_errors=True)


def is_whole(folder: Path, checksum: Checksum) -> bool | None:
    """Whether a folder still holds what was unpacked into it; None if that was not from the archive of this checksum.

    Files are counted, not read; more of them than there were are no harm.
    """
    try:
        known = json.loads((folder / NOTE).read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(known, dict) or known.get(checksum.kind) != checksum.value:
        return None
    sizes = [path.lstat().st_size for path in folder.rglob("*") if path != folder / NOTE and not path.is_dir()]
    return len(sizes) >= known.get("files", 0) and sum(sizes) >= known.get("size", 0)


Parts = tuple[str, ...]


class _Tree:
    """A new folder that members are put into."""

    def __init__(self, root: Path, inside: str):
        self.files = 0
        self.size = 0
        self._root = root
        self._inside = inside
        self._names: dict[Parts, tuple[Parts, bool]] = {}  # as spelt, and whether it is a folder
        self._claim((NOTE,), False, NOTE)

    def add(self, member: Member) -> None:
        """Puts a member where its name says."""
        parts = _parts(member.name)
        if parts[:1] == (self._inside,) and (member.folder or len(parts) > 1):
            parts = parts[1:]
        if not parts and not member.folder:
            raise Refusal(member.name, "is a file without a name")
        for count in range(1, len(parts) + 1):
            self._claim(parts[:count], member.folder or count < len(parts), member.name)
        if member.folder:
            return
        # Where something is, even a link, "x" does not write; and all folders on the way are of our making.
        with self._root.joinpath(*parts).open("xb") as file, member.open() as content:
            shutil.copyfileobj(content, file, 2**18)
            if file.tell() != member.size:
                raise Refusal(member.name, f"has {file.tell():,} of its {member.size:,} bytes", damaged=True)
        self.files += 1
        self.size += member.size

    def _claim(self, parts: Parts, folder: bool, name: str) -> None:
        """Gives a name out: to a file once, and to none where one that differs only in case or accents is taken."""
        known = self._names.setdefault(_folded(parts), new := (parts, folder))
        if known != new or (known is not new and not folder):
            raise Refusal(name, f"has the name of '{'/'.join(known[0])}'")
        if known is new and folder:
            self._root.joinpath(*parts).mkdir()


def _folded(parts: Parts) -> Parts:
    return tuple(unicodedata.normalize("NFC", unicodedata.normalize("NFC", part).casefold()) for part in parts)


def _parts(name: str) -> Parts:
    """The folders and the file that a member's name consists of; none for the archive's own folder."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    for odd, reason in (
        (not name, "has no name"),
        (any(unicodedata.category(c) in HIDDEN for c in name), "has a character in its name that cannot be seen"),
        ("\\" in name, "has a backslash in its name"),
        (re.match("/|[A-Za-z]:", name), "says where it wants to lie on the disk"),
        (".." in parts, "leads out of its folder"),
        (len(parts) > DEPTH, f"is {len(parts)} names deep, and {DEPTH} are the most"),
    ):
        if odd:
            raise Refusal(name, reason)
    return parts


@contextmanager
def _refusing(archive: Path, target: Path) -> Iterator[None]:
    """Turns refusals, what readers raise and faults of the disk into errors that name archive and member."""
    shown = printable(archive)
    try:
        yield
    except Refusal as refusal:
        member = "the archive" if refusal.name is None else f"the member '{printable(refusal.name[:200])}'"
        kind, advice = (DamagedError, "Fetch it again.") if refusal.damaged else (TrustError, "Do not use it.")
        raise kind(f"{shown}: {member} {refusal.reason}. Nothing was unpacked. {advice}") from None
    except (*ODD, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # BadGzipFile and bz2's have none
            raise DataError(
                f"{shown} cannot be unpacked to {printable(target)} ({error.strerror}). "
                "Use a folder that is new or empty, on a disk with room."
            ) from None
        reason = printable((str(error) or type(error).__name__)[:200]).rstrip(".")
        raise DamagedError(f"{shown}: damaged ({reason}). Nothing was unpacked. Fetch it again.") from None
