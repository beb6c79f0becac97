"""Frames of MP3: what their heads say, and the first one of a stream, which says how many follow."""

from dataclasses import dataclass
from functools import cache

XING, VBRI = (b"Xing", b"Info"), b"VBRI"
_TAG = 16  # bytes of a word, of what follows it, and of the numbers of frames and of bytes
_KILOBITS = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


@dataclass(frozen=True)
class Frame:
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
class Info:
    """The frame ahead of a stream that says how long it is and has no sound (Xing, Info or VBRI).

    Args:
        frames: that it says; None where it does not.
        size: bytes of the stream that it says, this frame among them; None where it does not.
        content: its bytes.
        tag: where its tag begins.
    """

    frames: int | None
    size: int | None
    content: bytes
    tag: int


@cache
def frames() -> dict[bytes, Frame]:
    """Every frame by the first three bytes of its head."""
    found = {}
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
            found[bytes((0xFF, second, third))] = Frame(size, (second & 0xFE, third & 0x0C), layer, samples, first)
    return found


def is_mono(head: bytes) -> bool:
    """Whether a frame has one channel."""
    return head[3:4] >= b"\xc0"


def alike(one: bytes, other: bytes) -> bool:
    """Whether two heads can be of one stream."""
    known = frames().get(other[:3])
    return known is not None and known.kind == frames()[one[:3]].kind and is_mono(one) == is_mono(other)


def tag_places(head: bytes, frame: Frame) -> tuple[int, ...]:
    """Where the word Xing or Info would stand: behind the side information, and a check sum that may be there."""
    if frame.layer != 3:
        return ()
    mono = is_mono(head)
    side = (17 if mono else 32) if frame.first else (9 if mono else 17)
    return (4 + side,) if head[1] & 1 else (4 + side, 6 + side)


def info_of(content: bytes, frame: Frame) -> Info | None:
    """What a frame says of those that follow, if it is one that does."""
    for tag in tag_places(content, frame):
        if content[tag : tag + 4] in XING and len(content) >= tag + _TAG:
            frames, size = content[tag + 7] & 1, content[tag + 7] & 3 == 3  # which stands behind the frames
            return Info(
                int.from_bytes(content[tag + 8 : tag + 12], "big") if frames else None,
                int.from_bytes(content[tag + 12 : tag + 16], "big") if size else None,
                content,
                tag,
            )
    if content[36:40] == VBRI and len(content) >= 54:
        return Info(int.from_bytes(content[50:54], "big"), int.from_bytes(content[46:50], "big"), content, 36)
    return None


def made(like: bytes) -> Info:
    """An empty frame of the kind that a head is of, with room for a tag."""
    head = bytes((0xFF, like[1] | 1, 0xE0 | like[2] & 0x0C, like[3]))
    content = bytearray(head.ljust(frames()[head[:3]].size, b"\0"))
    tag = tag_places(head, frames()[head[:3]])[0]
    content[tag : tag + 8] = b"Info\0\0\0\3"
    return Info(None, None, bytes(content), tag)


def told(info: Info, count: int, size: int) -> bytes:
    """The frame with the number of frames that follow, and of bytes."""
    content = bytearray(info.content)
    content[info.tag + 8 : info.tag + 12] = count.to_bytes(4, "big")
    if content[info.tag + 7] & 2:
        content[info.tag + 12 : info.tag + 16] = (size + len(content)).to_bytes(4, "big")
    return bytes(content)


def leans(content: bytes, frame: Frame) -> int:
    """Bytes of the frames before it that a frame needs (main_data_begin)."""
    at = 4 if content[1] & 1 else 6
    return content[at] << 1 | content[at + 1] >> 7 if frame.first else content[at]


def gives(content: bytes, frame: Frame) -> int:
    """Bytes of a frame that hold sound, its own or that of those behind it."""
    return frame.size - (tag_places(content, frame)[-1])
