"""The streams of a WAV or AIFF file, whose header may say less than the file holds."""

import os
from dataclasses import dataclass
from typing import Literal

from mixkit.audio.mp3 import mp3_links
from mixkit.audio.pieces import UNKNOWN, Link, skip_zeros

FORMS = {b"RIFF": (b"WAVE",), b"RIFX": (b"WAVE",), b"RF64": (b"WAVE",), b"FORM": (b"AIFF", b"AIFC")}
STREAMED = 2**31 - 2**16  # a size from here on was written before the length was known
_MOST = 1000  # chunks of a file; of more, the decoder has its own opinion
_LARGEST = 2**20  # bytes ahead of the samples that are copied to be mended
_NAMES = frozenset((b"LIST", b"id3 ", b"ID3 ", b"bext", b"iXML", b"cue ", b"smpl", b"JUNK", b"FLLR", b"PEAK", b"fact"))
_MPEG = (0x50, 0x55)  # codes of a format
_UNKNOWN_SIZE = b"\xff" * 4

UNFINISHED = "its header does not say how long it is: heard to the end of the file"
STALE = "its header says {} bytes of samples and more follow: heard to the end of the file"


@dataclass(frozen=True)
class _Body:
    """Where a file has its samples.

    Args:
        size_at: where their size stands.
        start: where they begin.
        said: bytes that they take, as the header has it.
        order: of bytes.
        is_mpeg: whether the samples are frames of MP3.
    """

    size_at: int
    start: int
    said: int
    order: Literal["little", "big"]
    is_mpeg: bool = False


def chunk_links(descriptor: int, start: int, stop: int) -> list[Link]:
    """Each file of those joined, or one whose header is mended.

    A size of 0 is what a recorder leaves that was killed. What follows the samples and is neither chunks nor zeros nor
    short is more of them: the header was written before the recording went on.

    Args:
        descriptor: of a regular file, open for reading.
        start: where the first file begins.
        stop: where the last one ends.

    Paper: IBM and Microsoft 1991, "Multimedia Programming Interface" (RIFF); EBU Tech 3306 (RF64); Apple, AIFF 1.3.
    """
    links: list[Link] = []
    while True:
        body = _find_body(descriptor, start, stop)
        if body is None:  # the decoder says what is missing
            return [*links, _whole(descriptor, start, stop)]
        if body.is_mpeg:
            return [*links, *mp3_links(descriptor, body.start, min(body.start + body.said, stop))]
        if body.said >= STREAMED and body.start + body.said > stop:
            return [*links, _whole(descriptor, start, stop, UNFINISHED)]
        end, joined = _end_of_chunks(descriptor, body, stop)
        if joined:
            links.append(Link((range(start, end),)))
            start = end
            continue
        if end < stop and (not body.said or stop - skip_zeros(descriptor, end, stop) > UNKNOWN):
            return [*links, _mended(descriptor, body, range(start, stop))]
        return [*links, _whole(descriptor, start, stop)]


def _whole(descriptor: int, start: int, stop: int, note: str = "") -> Link:
    is_all = start == 0 and stop == os.fstat(descriptor).st_size
    return Link(None if is_all else (range(start, stop),), note=note)


def _mended(descriptor: int, body: _Body, place: range) -> Link:
    """The same with a size of samples that reaches to the end of the file."""
    head = bytearray(os.pread(descriptor, body.start - place.start, place.start))
    at = body.size_at - place.start
    if head[:4] == b"RF64":
        head[:4] = b"RIFF"  # the size in its chunk ds64 is of no use
    head[at : at + 4] = _UNKNOWN_SIZE
    note = STALE.format(body.said) if body.said else UNFINISHED
    return Link((bytes(head), range(body.start, place.stop)), note=note)


def _find_body(descriptor: int, start: int, stop: int) -> _Body | None:
    head = os.pread(descriptor, 12, start)
    order: Literal["little", "big"] = "little" if head[:4] in (b"RIFF", b"RF64") else "big"
    name = b"SSND" if head[:4] == b"FORM" else b"data"
    place, long, is_mpeg = start + 12, 0, False
    for _ in range(_MOST):
        chunk = os.pread(descriptor, 24, place)
        if len(chunk) < 8 or place - start > _LARGEST:
            return None
        size = int.from_bytes(chunk[4:8], order)
        if chunk[:4] == b"ds64":
            long = int.from_bytes(chunk[16:24], "little")
        if chunk[:4] == b"fmt ":
            is_mpeg = int.from_bytes(chunk[8:10], order) in _MPEG
        if chunk[:4] == name:
            said = long if head[:4] == b"RF64" and size == 2**32 - 1 else size
            skipped = 8 if name == b"SSND" else 0  # offset and block size stand ahead of the samples
            return _Body(place + 4, place + 8 + skipped, max(said - skipped, 0), order, is_mpeg)
        place += 8 + size + size % 2
    return None


def _end_of_chunks(descriptor: int, body: _Body, stop: int) -> tuple[int, bool]:
    """Where the chunks behind the samples end, and whether another file follows there."""
    place = body.start + body.said
    if body.said % 2 and os.pread(descriptor, 4, place) not in _NAMES:  # some writers leave the filling byte out
        place += 1
    for _ in range(_MOST):
        chunk = os.pread(descriptor, 12, place)
        if place >= stop:
            return stop, False
        if chunk[8:] in FORMS.get(chunk[:4], ()):
            return place, True
        size = int.from_bytes(chunk[4:8], body.order)
        fits = len(chunk) >= 8 and place + 8 + size <= stop and all(0x20 <= one < 0x7F for one in chunk[:4])
        if not fits and chunk[:4] not in _NAMES:
            return place, False
        place += 8 + size + size % 2
    return stop, False
