"""The streams of an MP3 file, with as many frames as there are: a decoder believes the first one, or estimates."""

import os
from dataclasses import dataclass

from mixkit.audio.mp3_frames import VBRI, XING, Frame, Info, alike, frames, gives, info_of, is_mono, leans, made, told
from mixkit.audio.pieces import UNKNOWN, Link, Piece, check_unknown, skip_zeros
from mixkit.audio.refusal import Refused
from mixkit.audio.tags import skip_tags, trailing_tags

LONGER = "its first frame says {} frames and there are {}: heard to its end"
_BLOCK = 2**20
_SURE = 3  # frames in a row that are not there by chance


@dataclass
class _Stream:
    """A stream while its frames are found."""

    head: bytes
    frame: Frame
    info: Info | None
    runs: list[range]
    count: int = 0


def mp3_links(descriptor: int, start: int, stop: int) -> list[Link]:
    """The streams one behind the other, without tags, zeros and halves of frames between them.

    A new stream begins with each frame that says a length, and where version, layer, rate or mono change.

    Args:
        descriptor: of a regular file, open for reading.
        start: where to begin; there may be half a frame, as in what was recorded from a broadcast.
        stop: where to end.

    Raises:
        Refused: there are no frames, less than the first one says, or too many bytes between them.

    Paper: ISO/IEC 11172-3, section 2.4.2.3 (head of a frame); gabriel.mp3-tech.org, "MP3 info tag".
    """
    stop = trailing_tags(descriptor, start, stop)
    streams: list[_Stream] = []
    place = start
    while place < stop:
        begin = skip_tags(descriptor, skip_zeros(descriptor, place, stop), stop)
        head = _find(descriptor, begin, stop)
        if head is None:
            if streams:
                check_unknown(_behind(descriptor, begin, stop, streams[-1]), begin)
            break
        place, content = head
        frame = frames()[content[:3]]
        info = info_of(content, frame)
        last = streams[-1] if streams else None
        if last is None or info or not alike(last.head, content):
            last = _Stream(content[:4], frame, info, [])
            streams.append(last)
        place = _walk(descriptor, place + (frame.size if info else 0), stop, last)
    if not any(stream.count for stream in streams):
        raise Refused("cannot be decoded (no frames of MP3 in a row).")
    return [_link(_decodable(descriptor, stream)) for stream in streams if stream.count]


def is_mp3(descriptor: int, start: int, stop: int) -> bool:
    """Whether frames begin there, or after zeros and half a frame."""
    begin = skip_zeros(descriptor, start, stop)
    return _find(descriptor, begin, min(stop, begin + 3 * _BLOCK)) is not None


def _find(descriptor: int, begin: int, stop: int) -> tuple[int, bytes] | None:
    """Where frames begin, and the first; it is there, or behind a few bytes that are none."""
    block = os.pread(descriptor, min(UNKNOWN + _BLOCK // 32, stop - begin), begin)
    at = block.find(b"\xff")
    while 0 <= at <= UNKNOWN:
        if frame := frames().get(block[at : at + 3]):
            ends = begin + at + frame.size
            if ends <= stop and (ends == stop or _sure(block, at, at == 0)):
                return begin + at, block[at : at + frame.size]
        at = block.find(b"\xff", at + 1)
    return None


def _sure(block: bytes, at: int, begins: bool) -> bool:
    """Whether frames of one stream follow, one where this is the first byte and more behind other bytes."""
    head = block[at : at + 4]
    for _ in range(1 if begins else _SURE - 1):
        at += frames()[block[at : at + 3]].size
        if at >= len(block):
            return True
        if not alike(head, block[at : at + 4]):
            return False
    return True


def _walk(descriptor: int, place: int, stop: int, stream: _Stream) -> int:
    """Adds the frames that follow one another from there, and says where they end."""
    table, mono, kind = frames(), is_mono(stream.head), stream.frame.kind
    begin, block, at, tagged = place, b"", 0, False
    while True:
        if at + 64 > len(block):
            block, at = os.pread(descriptor, min(_BLOCK, stop - place), place), 0
            tagged = any(word in block for word in (*XING, VBRI))
        frame = table.get(block[at : at + 3])
        if frame is None or frame.kind != kind or is_mono(block[at : at + 4]) != mono:
            break
        if place + frame.size > stop or (tagged and info_of(block[at : at + frame.size], frame)):
            break
        place += frame.size
        at += frame.size
        stream.count += 1
    if place > begin:
        stream.runs.append(range(begin, place))
    return place


def _behind(descriptor: int, begin: int, stop: int, last: _Stream) -> int:
    """Bytes at the end of which nothing is known; the first part of a frame that was cut is known."""
    head = os.pread(descriptor, 4, begin)
    return 0 if alike(last.head, head) else stop - skip_zeros(descriptor, begin, stop)


def _decodable(descriptor: int, stream: _Stream) -> _Stream:
    """The stream without its first frames, as far as they need some that are lost: of those a decoder makes noise."""
    first, held = stream.runs[0], 0
    if stream.frame.layer != 3 or stream.info:
        return stream
    block = os.pread(descriptor, min(2**16, len(first)), first.start)
    at = 0
    while at + 64 <= len(block):
        frame = frames()[block[at : at + 3]]
        head = block[at : at + 64]
        if leans(head, frame) <= held:
            break
        held += gives(head, frame)
        at += frame.size
        stream.count -= 1
    stream.runs[0] = range(first.start + at, first.stop)
    return stream


def _link(stream: _Stream) -> Link:
    """What the decoder is shown: a first frame that says how many follow, and those."""
    size = sum(map(len, stream.runs))
    pieces: tuple[Piece, ...] = tuple(stream.runs)
    if stream.frame.layer != 3:  # the decoder estimates a length from the size, which zeros make long enough
        return Link((*pieces, bytes(min(size, 2**16))), frames=stream.count * stream.frame.samples)
    said, info = (stream.info.frames, stream.info) if stream.info else (None, None)
    # Some count the frame that says it, too; the bytes tell those from a stream whose last frame is cut.
    whole = info is None or info.size is None or info.size <= size + len(info.content)
    if said and said > stream.count + whole:
        raise Refused(f"says {said} frames of MP3 and has {stream.count}. The file is damaged.")
    note = LONGER.format(said, stream.count) if said and said < stream.count else ""
    if info is None or not said or note or info.content[info.tag : info.tag + 4] == VBRI:
        info = made(stream.head)
    return Link((told(info, stream.count, size), *pieces), note=note)
