"""libsndfile, which reads a link of a sound file from its beginning to its end."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import soundfile
from numpy.typing import NDArray

from mixkit.audio.pieces import Link, Pieces, skip_zeros


class Decoder:
    """A decoder of one link."""

    def __init__(self, descriptor: int, link: Link):
        self._pieces = Pieces(descriptor, link.pieces, link.to_end) if link.pieces else None
        self._descriptor, self._link = descriptor, link
        if self._pieces is None:
            os.lseek(descriptor, 0, os.SEEK_SET)
        with self._telling():
            self.file = _Forward(self._pieces or descriptor, closefd=False)

    def read(self, buffer: NDArray[np.float32]) -> NDArray[np.float32]:
        """As many samples as the buffer takes; less at the end."""
        with self._telling():
            return self.file.read(out=buffer)  # type: ignore[no-any-return, unused-ignore]

    def seek(self, frames: int) -> int:
        """Goes to a sample, and says to which: the first, where nothing else can be reached."""
        # Of DWVW libsndfile finds the wrong place.
        if not soundfile.SoundFile.seekable(self.file) or self.file.subtype.startswith("DWVW"):
            return 0
        with self._telling():
            return int(self.file.seek(frames))

    def behind(self) -> int:
        """Bytes behind the last sample, where that can be told; zeros do not count."""
        last = self._link.pieces[-1] if self._link.pieces else b""
        if self._pieces is None or not self._link.to_end or isinstance(last, bytes):
            return 0
        unread = self._pieces.size - self._pieces.place
        return last.stop - skip_zeros(self._descriptor, last.stop - unread, last.stop)

    def close(self) -> None:
        """May be called again."""
        self.file.close()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """A decoder takes a file that cannot be read for one that ends."""
        try:
            yield
        finally:
            if self._pieces and self._pieces.error:
                raise self._pieces.error from None


class _Forward(soundfile.SoundFile):  # type: ignore[misc, unused-ignore]
    """A decoder that only reads on: soundfile's bookkeeping seeks after every block, which some good files refuse."""

    def seekable(self) -> bool:
        return False
