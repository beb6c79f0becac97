"""The streams of an MP3 file, with as many frames as there are: a decoder believes the first one, or estimates."""

import os
from dataclasses import dataclass
from functools import cache

from mixkit.audio.pieces import UNKNOWN, Link, Piece, check_unknown, skip_zeros
from mixkit.audio.refusal import Refused
from mixkit.audio.tags import skip_tags, trailing_tags

LONGER = "its first frame says {} frames and there are {}: heard to its end"
_WORDS = (b"Xing", b"Info")
_BLOCK = 2**20
_SURE = 3  # frames in a row that are not there by chance
_KILOBITS = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


@dataclass(frozen=True)
class _Frame:
    """What the head of a frame says.

    Args:
        size: bytes, the head among them.
        kind: bits that are the same in all frames of a stream: version, layer and sample rate.
        layer: 1 to 3.
        samples: of a channel.
        first: whether it is of MPEG-1.
    """

    size: int
    kind: tuple[int, int]
    layer: int
    samples: int
    first: bool


@dataclass(frozen=True)
class _Info:
    """The frame ahead of a stream that says how long it is and has no sound (Xing, Info or VBRI).

    Args:
        frames: that it says; None where it does not.
        content: its bytes.
        tag: where its tag begins.
    """

    frames: int | None
    content: bytes
    tag: int


@dataclass
class _Stream:
    """A stream while its frames are found."""

    head: bytes
    frame: _Frame
    info: _Info | None
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
        frame = _frames()[content[:3]]
        info = _info(content, frame)
        last = streams[-1] if streams else None
        if last is None or info or not _alike(last.head, content):
            last = _Stream(content[:4], frame, info, [])
            streams.append(last)
        place = _walk(descriptor, place + (frame.size if info else 0), stop, last)
    if not any(stream.count for stream in streams):
        raise Refused("cannot be decoded (no frames of MP3 in a row).")
    return [_link(stream) for stream in streams if stream.count]


def is_mp3(descriptor: int, start: int, stop: int) -> bool:
    """Whether frames begin there, or after zeros and half a frame."""
    begin = skip_zeros(descriptor, start, stop)
    return _find(descriptor, begin, min(stop, begin + 3 * _BLOCK)) is not None


@cache
def _frames() -> dict[bytes, _Frame]:
    """Every frame by the first three bytes of its head."""
    frames = {}
    for second in range(0xE0, 0x100):
        version, layer = second >> 3 & 3, 4 - (second >> 1 & 3)
        if version == 1 or layer == 4:
            continue
        first = version == 3
        samples = 384 if layer == 1 else 1152 if layer == 2 or first else 576
        for third in range(0x10, 0xF0):
            if third >> 2 & 3 == 3:
                continue
            rate = (44_100, 48_000, 32_000)[third >> 2 & 3] // {3: 1, 2: 2, 0: 4}[version]
            bits, padding = 1000 * _KILOBITS[first, layer][(third >> 4) - 1], third >> 1 & 1
            size = (12 * bits // rate + padding) * 4 if layer == 1 else samples // 8 * bits // rate + padding
            frames[bytes((0xFF, second, third))] = _Frame(size, (second & 0xFE, third & 0x0C), layer, samples, first)
    return frames


def _alike(one: bytes, other: bytes) -> bool:
    """Whether two heads can be of one stream."""
    known = _frames().get(other[:3])
    return known is not None and known.kind == _frames()[one[:3]].kind and (one[3] >= 0xC0) == (other[3] >= 0xC0)


def _find(descriptor: int, begin: int, stop: int) -> tuple[int, bytes] | None:
    """Where frames begin, and the first; it is there, or behind a few bytes that are none."""
    block = os.pread(descriptor, min(UNKNOWN + _BLOCK // 32, stop - begin), begin)
    at = block.find(b"\xff")
    while 0 <= at <= UNKNOWN:
        if frame := _frames().get(block[at : at + 3]):
            ends = begin + at + frame.size
            if ends <= stop and (ends == stop or _sure(block, at, at == 0)):
                return begin + at, block[at : at + frame.size]
        at = block.find(b"\xff", at + 1)
    return None


def _sure(block: bytes, at: int, begins: bool) -> bool:
    """Whether frames of one stream follow, one where this is the first byte and more behind other bytes."""
    head = block[at : at + 4]
    for _ in range(1 if begins else _SURE - 1):
        at += _frames()[block[at : at + 3]].size
        if at >= len(block):
            return True
        if not _alike(head, block[at : at + 4]):
            return False
    return True


def _walk(descriptor: int, place: int, stop: int, stream: _Stream) -> int:
    """Adds the frames that follow one another from there, and says where they end."""
    frames, mono, kind = _frames(), stream.head[3] >= 0xC0, stream.frame.kind
    tags = _tag_places(stream.head, stream.frame)
    begin, block, at, tagged = place, b"", 0, False
    while True:
        if at + 64 > len(block):
            block, at = os.pread(descriptor, min(_BLOCK, stop - place), place), 0
            tagged = any(word in block for word in _WORDS)
        frame = frames.get(block[at : at + 3])
        if frame is None or frame.kind != kind or (block[at + 3 : at + 4] >= b"\xc0") != mono:
            break
        if place + frame.size > stop or (tagged and any(block[at + tag : at + tag + 4] in _WORDS for tag in tags)):
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
    return 0 if _alike(last.head, head) else stop - skip_zeros(descriptor, begin, stop)


def _tag_places(head: bytes, frame: _Frame) -> tuple[int, ...]:
    """Where the word Xing or Info would stand: behind the side information, and a check sum that may be there."""
    if frame.layer != 3:
        return ()
    mono = head[3] >= 0xC0
    side = (17 if mono else 32) if frame.first else (9 if mono else 17)
    return (4 + side,) if head[1] & 1 else (4 + side, 6 + side)


def _info(content: bytes, frame: _Frame) -> _Info | None:
    for tag in _tag_places(content, frame):
        if content[tag : tag + 4] in _WORDS:
            says = content[tag + 7] & 1
            return _Info(int.from_bytes(content[tag + 8 : tag + 12], "big") if says else None, content, tag)
    if content[36:40] == b"VBRI":
        return _Info(int.from_bytes(content[50:54], "big"), content, 36)
    return None


def _link(stream: _Stream) -> Link:
    """What the decoder is shown: a first frame that says how many follow, and those."""
    size = sum(map(len, stream.runs))
    pieces: tuple[Piece, ...] = tuple(stream.runs)
    if stream.frame.layer != 3:  # the decoder estimates a length from the size, which zeros make long enough
        return Link((*pieces, bytes(min(size, 2**16))), frames=stream.count * stream.frame.samples)
    said, info = (stream.info.frames, stream.info) if stream.info else (None, None)
    if said and said > stream.count + 1:  # some count the frame that says it
        raise Refused(f"says {said} frames of MP3 and has {stream.count}. The file is damaged.")
    note = LONGER.format(said, stream.count) if said and said < stream.count else ""
    if info is None or not said or note or info.content[info.tag : info.tag + 4] == b"VBRI":
        info = _made(stream)
    return Link((_told(info, stream.count, size), *pieces), note=note)


def _made(stream: _Stream) -> _Info:
    """An empty frame of the same kind with room for a tag."""
    head = bytes((0xFF, stream.head[1] | 1, 0xE0 | stream.head[2] & 0x0C, stream.head[3]))
    content = bytearray(head.ljust(_frames()[head[:3]].size, b"\0"))
    tag = _tag_places(head, stream.frame)[0]
    content[tag : tag + 8] = b"Info\0\0\0\3"
    return _Info(None, bytes(content), tag)


def _told(info: _Info, frames: int, size: int) -> bytes:
    """The frame with the number of frames that follow, and of bytes."""
    content = bytearray(info.content)
    content[info.tag + 8 : info.tag + 12] = frames.to_bytes(4, "big")
    if content[info.tag + 7] & 2:
        content[info.tag + 12 : info.tag + 16] = (size + len(content)).to_bytes(4, "big")
    return bytes(content)
