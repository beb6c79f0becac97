"""Files opened to be read or gone on with, if they are regular ones."""

import errno
import os
import stat
from typing import BinaryIO


class NotRegular(OSError):
    """A folder, a pipe, a socket or a device where a regular file should be."""

    def __str__(self) -> str:
        return f"is {self.strerror}"


def open_regular(path: str | os.PathLike[str], flags: int = os.O_RDONLY) -> BinaryIO:
    """Opens a regular file, and nothing else.

    Args:
        path: maybe of a stranger: a pipe that nobody writes to is not waited for.
        flags: of `os.open`; with `os.O_RDWR` the file can be written to, unbuffered.

    Raises:
        NotRegular: it is no regular file.
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK, 0o666)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "r+b", buffering=0) if flags & os.O_RDWR else os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise NotRegular(errno.EINVAL, "not a regular file", os.fspath(path))
