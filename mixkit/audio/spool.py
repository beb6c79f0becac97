"""A stream kept in a temporary file: decoders seek."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from mixkit.errors import MixkitError

MOST = 2**30
"""Bytes that are kept of a stream."""


@contextmanager
def spooled(stream: Any, name: str, where: str = "") -> Iterator[str]:
    """The path of a file of all that a stream holds from where it is; the file is gone afterwards.

    Args:
        stream: has `read(size)`, which gives bytes.
        name: what errors call it.
        where: it comes from, behind a space.

    Raises:
        MixkitError: it holds more than 1 GiB, gives no bytes, or there is no room for it.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(tempfile.NamedTemporaryFile(prefix="mixkit-"))
            left = MOST
            while True:
                chunk = stream.read(min(2**20, left + 1))
                if not isinstance(chunk, bytes):
                    raise MixkitError(f"{name} reads as {type(chunk).__name__}, not bytes. Open it with 'rb'.")
                if not chunk:
                    break
                left -= len(chunk)
                if left < 0:
                    raise MixkitError(f"{name} is more than {MOST >> 20} MB{where}. Name a file instead.")
                file.write(chunk)
            file.flush()
        except OSError as error:
            raise MixkitError(
                f"{name} cannot be kept in a temporary file ({error.strerror or error}). Name a file instead, or set "
                "TMPDIR to a folder that can be written to and has room."
            ) from None
        yield file.name
