"""What a decoder is shown of a file: parts of it and bytes of our own, one behind the other."""

import io
import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from mixkit.audio.refusal import Refused

UNKNOWN = 4096
"""Bytes that are neither audio nor tags which a file may have in a row: no decoder can say what they are."""

_LAST, _FINE = 2**14, 2**8

Piece = bytes | range


@dataclass(frozen=True)
class Link:
    """A stream of audio in a file; most files have one, a chain has several (the word is Ogg's).

    Args:
        pieces: of which it consists: bytes, or from where to where in the file; None for the whole file.
        frames: samples of a channel, where a decoder would only estimate them.
        note: what is odd about it, and was mended.
        to_end: whether the decoder has to come to the end of the pieces.
        container: kind of the file, where ffmpeg is its decoder.
    """

    pieces: tuple[Piece, ...] | None = None
    frames: int | None = None
    note: str = ""
    to_end: bool = False
    container: str = ""


class Pieces(io.RawIOBase):
    """Pieces as one file to read and seek in.

    Args:
        descriptor: of a regular file, open for reading.
        pieces: bytes, or ranges of the file.
        finely: whether to give the last ones bit by bit, so that `place` is near what the decoder has used.

    Attributes:
        place: up to where it was read.
        size: bytes in all.
        error: the first that reading met; a decoder is told that the file ends there.
    """

    def __init__(self, descriptor: int, pieces: Sequence[Piece], finely: bool = False):
        self._descriptor = descriptor
        self._finely = finely
        self._pieces = pieces
        *self._starts, self.size = accumulate(map(len, pieces), initial=0)
        self.place = 0
        self.error: OSError | None = None

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of any file."""
        self.place = max((0, self.place, self.size)[whence] + offset, 0)
        return self.place

    def tell(self) -> int:
        """As of any file."""
        return self.place

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer, unless the pieces end: libsndfile takes less for the end."""
        view, filled = memoryview(buffer).cast("B"), 0
        if self._finely and self.size - self.place < _LAST:
            view = view[:_FINE]
        while filled < len(view) and self.place < self.size and self.error is None:
            index = bisect_right(self._starts, self.place) - 1
            piece, at = self._pieces[index], self.place - self._starts[index]
            part = view[filled : filled + len(piece) - at]
            if isinstance(piece, bytes):
                part[:] = piece[at : at + len(part)]
                count = len(part)
            else:
                try:
                    count = os.preadv(self._descriptor, [part], piece[at])
                except OSError as error:  # which cannot pass through the decoder
                    self.error = error
                    break
            if not count:
                break
            filled += count
            self.place += count
        return filled


def skip_zeros(descriptor: int, start: int, stop: int) -> int:
    """Where zeros end."""
    while start < stop:
        block = os.pread(descriptor, min(2**20, stop - start), start)
        left = len(block.lstrip(b"\0"))
        start += len(block) - left
        if left or not block:
            break
    return start


def check_unknown(count: int, place: int) -> None:
    """Refuses more bytes between or behind streams than a file may have of an unknown kind."""
    if count > UNKNOWN:
        raise Refused(f"has {count} bytes or more at byte {place} that are neither its audio nor tags.", "joined")
