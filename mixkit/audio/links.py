"""What kind of sound file it is, by its content, and which streams it has."""

import os
from functools import lru_cache

from mixkit.audio.chunks import FORMS, chunk_links
from mixkit.audio.ffmpeg import container_of
from mixkit.audio.flac import flac_links
from mixkit.audio.mp3 import is_mp3, mp3_links
from mixkit.audio.ogg import ogg_links
from mixkit.audio.pieces import Link
from mixkit.audio.refusal import Refused
from mixkit.audio.tags import skip_tags


def find_links(descriptor: int) -> tuple[Link, ...]:
    """All streams of audio in a file, in their order.

    Of a WAV or AIFF, a few heads of chunks are read; of others the whole file, which takes a hundredth of decoding it.
    What was found of a file is kept as long as the file does not change, for the many sections of a long one.

    Args:
        descriptor: of a regular file, open for reading.

    Raises:
        Refused: it is of another kind, or it was cut, or has what cannot be heard.
    """
    head = os.pread(descriptor, 12, 0)
    if not head:
        raise Refused("0 samples of audio.", "empty")
    size = os.fstat(descriptor).st_size
    if head[8:] in FORMS.get(head[:4], ()):
        return tuple(chunk_links(descriptor, 0, size))
    return _of_frames(_Opened(descriptor))


class _Opened:
    """An open file, equal to another as long as the file has not changed."""

    def __init__(self, descriptor: int):
        self.descriptor = descriptor
        status = os.fstat(descriptor)
        self.size = status.st_size
        self._stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def __hash__(self) -> int:
        return hash(self._stamp)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Opened) and self._stamp == other._stamp


@lru_cache(maxsize=64)
def _of_frames(file: _Opened) -> tuple[Link, ...]:
    start = skip_tags(file.descriptor, 0, file.size)
    head = os.pread(file.descriptor, 12, start)
    for mark, links in ((b"fLaC", flac_links), (b"OggS", ogg_links)):
        if head.startswith(mark):
            if found := tuple(links(file.descriptor, start, file.size)):
                return found
            raise Refused("cannot be decoded (no stream of audio in it).")
    if container := container_of(head):
        return (Link(container=container),)
    begins = start or (head[0] == 0xFF and head[1:2] >= b"\xe0")
    if begins or is_mp3(file.descriptor, start, file.size):
        return tuple(mp3_links(file.descriptor, start, file.size))
    raise Refused("is not WAV, FLAC, OGG, MP3 or AIFF.", "foreign")
