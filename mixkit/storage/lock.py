"""One process at a time at one piece of work."""

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mixkit.errors import DataError, printable
from mixkit.storage.regular import open_regular


@contextmanager
def locked(path: Path, waiting: Callable[[str], None]) -> Iterator[None]:
    """Wait until no other process holds the lock, and hold it.

    The system frees it when its holder ends, however that ends, so a dead holder's lock is never in the way.

    Args:
        path: a file for the lock and nothing else; it is gone again afterwards.
        waiting: told who holds the lock, if somebody does.

    Raises:
        DataError: the file cannot be made, or its file system knows no locks.
    """
    try:
        descriptor = _take(path, waiting)
    except OSError as error:
        raise DataError(
            f"{printable(path)} cannot be locked ({error.strerror}). Use a folder that can be written to."
        ) from None
    try:
        yield
    finally:
        # While it is held: whoever waits for it sees that it has gone, and takes another. A disk that refuses it has
        # refused more before, which is what is to be told; an old file is in nobody's way.
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)


def holder(path: Path) -> str | None:
    """Who holds the lock; None if nobody does."""
    try:
        file = open_regular(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return _name(file.fileno())
    return None


def _take(path: Path, waiting: Callable[[str], None]) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting(_name(descriptor))
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_still(descriptor, path):
                os.ftruncate(descriptor, 0)
                since = time.strftime("%Y-%m-%d %H:%M:%S")
                holder = f"process {os.getpid()} on {socket.gethostname()} since {since}"
                os.pwrite(descriptor, holder.encode(), 0)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _name(descriptor: int) -> str:
    return printable(os.pread(descriptor, 200, 0).decode(errors="replace")) or "another process"


def _is_still(descriptor: int, path: Path) -> bool:
    """Whether the open file is the one under that name: the last holder may have removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False
