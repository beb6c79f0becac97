"""Files and folders that are whole or not there, whatever happens in between: a kill, a full disk, a power cut."""

import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mixkit.errors import DataError, RunError, printable
from mixkit.storage import folders

PART = ".part"
FIX = "Free the disk, or name another folder with --runs."


def write_whole(path: Path, content: bytes | memoryview, fix: str = FIX) -> None:
    """Writes a file as `replace` does, and makes it durable.

    Args:
        path: in a folder that is there.
        content: all of it.
        fix: the end of an error: what the user can do.

    Raises:
        RunError: the disk is full, or the folder has gone or cannot be written; what was there before is still there.
    """
    with writing(path, len(content), fix):
        replace(path, content)


def replace(path: Path, *content: bytes | memoryview, durable: bool = True) -> None:
    """Writes a file to a temporary one beside it, which then takes its name; any number of processes may do so at once.

    Args:
        path: in a folder that is there.
        content: all of it, in pieces.
        durable: whether it outlives a power cut: file, rename and folder are brought to the disk. A cache that verifies
            its entries does without.

    Raises:
        OSError: it cannot be written; what was there before is still there.
    """
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}{PART}")
    try:
        with temporary.open("xb") as file:
            for piece in content:
                file.write(piece)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        _remove(temporary)
        raise
    if durable:
        sync_folder(path.parent)


def append_line(path: Path, line: str) -> None:
    """Adds a line to a file and makes it durable. A torn end that a kill left behind is closed first.

    Raises:
        RunError: the disk is full, or the folder has gone or cannot be written.
    """
    with writing(path, len(line) + 1), path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else f"\n{line}"
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_parts(folder: Path, below: bool = True) -> None:
    """Removes what killed writers left behind in a folder, and in the folders `below` it."""
    for path in folder.rglob(f".*{PART}") if below else folder.glob(f".*{PART}"):
        _remove(path)


@contextmanager
def new_folder(folder: Path, label: str = "") -> Iterator[Path]:
    """A folder to put files into, beside `folder`, whose name it takes at the end of the block.

    A reader never sees a part, a process that is killed leaves none under the name, and of two at once the first to
    finish wins.

    Args:
        folder: not there yet, or empty.
        label: begins the name that it has until then, `.LABEL-...part`; the folder's own where there is none.

    Raises:
        OSError: the place cannot be written to, or the folder is there already.
    """
    fresh = folder.with_name(f".{label or folder.name}-{uuid.uuid4().hex}{PART}")
    try:
        fresh.mkdir(parents=True)
        yield fresh
        fresh.rename(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def make_whole(folder: Path, fill: Callable[[Path], None]) -> None:
    """Have `fill` put files into a folder, unless it is there already.

    Raises:
        DataError: the place cannot be written to, or is full.
    """
    if folder.is_dir():
        return
    try:
        with new_folder(folder) as fresh:
            fill(fresh)
    except OSError as error:
        if not folder.is_dir():
            raise DataError(f"cannot make {folder} ({error.strerror}). {folders.FIX}") from None


@contextmanager
def writing(path: Path, needed: int = 0, fix: str = FIX) -> Iterator[None]:
    """Turns a fault of the disk into an error that names the file, what it needed and what there is.

    Args:
        path: what is written.
        needed: bytes.
        fix: the end of the error: what the user can do.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno == errno.ENOENT and not path.parent.is_dir():
            reason = f"its folder {printable(path.parent)} has gone"
        elif error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            reason += f"; {needed / 1e6:,.1f} MB are needed, {_free(path.parent)} MB are free"
        raise RunError(f"{printable(path)} cannot be written: {reason}. {fix}") from None


def _free(folder: Path) -> str:
    try:
        return f"{shutil.disk_usage(folder).free / 1e6:,.1f}"
    except OSError:
        return "unknown"


def _remove(path: Path) -> None:
    with suppress(OSError):  # the fault that is being reported already stands in its way
        path.unlink(missing_ok=True)
