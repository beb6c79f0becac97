"""Parts of files on a server, each asked for by itself and verified; what breaks off is gone on with for a while."""

import hashlib
import logging
import math
import time
from collections.abc import Callable

from mixkit.download.server import Interrupted, request
from mixkit.errors import DataError, ReadingFailed, TrustError

PATIENCE = 60.0  # seconds from the first failure to the last attempt: less than a worker may take for a batch

_log = logging.getLogger(__name__)


def read_piece(address: str, start: int, size: int, sha256: str) -> bytes:
    """Some bytes of a file on a server.

    Args:
        address: http or https.
        start: the first byte.
        size: how many.
        sha256: of these bytes.

    Raises:
        ReadingFailed: the server cannot be reached, or it does not give out these bytes.
    """
    content = bytearray()
    wrong = False

    def attempt() -> bytes:
        nonlocal wrong
        _take(content, address, start, size)
        if hashlib.sha256(content).hexdigest() == sha256:
            return bytes(content)
        said = f"the {size:,} bytes from {start:,} on are not those that the index names"
        if wrong:
            raise ReadingFailed(f"{said}.", address, "The archive is damaged there, or another than was packed.")
        wrong = True
        raise Interrupted(said, afresh=True)

    return _patiently(address, attempt, content)


def read_small(address: str, most: int) -> bytes:
    """A whole file on a server, which is asked once: it is the first that a run wants of it.

    Args:
        address: http or https.
        most: bytes that it may have.

    Raises:
        ReadingFailed: the server cannot be reached, or it does not give out the file, or the file is larger.
    """
    content = bytearray()
    try:
        with request(address, 0) as body:
            for chunk in body.chunks:
                content.extend(chunk)
                if len(content) > most:
                    raise ReadingFailed(f"more than {most:,} bytes.", address)
        if body.total not in (None, len(content)):
            raise Interrupted(f"the server stopped after {len(content):,} of {body.total:,} bytes")
    except Interrupted as interrupted:
        raise ReadingFailed(f"{interrupted.reason}.", address, "See that the address is right; try again.") from None
    except (DataError, TrustError) as error:
        raise error if isinstance(error, ReadingFailed) else ReadingFailed(str(error)) from None
    return bytes(content)


def _take(content: bytearray, address: str, start: int, size: int) -> None:
    """Adds what is missing of the bytes, from where they broke off."""
    begin = start + len(content)
    with request(address, begin, stop=start + size) as body:
        if body.start != begin:
            fix = "Choose a server that does, or copy the shards to a disk."
            raise ReadingFailed("the server gives out whole files only, and no parts (Range requests).", address, fix)
        for chunk in body.chunks:
            content.extend(chunk[: size - len(content)])
            if len(content) == size:
                return
    raise Interrupted(f"the server stopped after {len(content):,} of {size:,} bytes")


def _patiently(address: str, attempt: Callable[[], bytes], content: bytearray) -> bytes:
    since, failures = math.inf, 0
    while True:
        try:
            return attempt()
        except Interrupted as interrupted:
            failures, now = failures + 1, time.monotonic()
            since, pause = min(since, now), interrupted.wait(failures)
            if interrupted.afresh:
                content.clear()
            if now + pause > since + PATIENCE:
                said = f"{interrupted.reason}; given up after {failures} attempts."
                raise ReadingFailed(said, address, "Try again later; a run goes on by --resume.") from None
            _log.warning("%s: %s; trying again in %g s.", address, interrupted.reason, pause)
            time.sleep(pause)
        except ReadingFailed:
            raise
        except (DataError, TrustError) as error:  # the server's word, which says nothing of the clip
            raise ReadingFailed(str(error)) from None
