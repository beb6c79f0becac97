"""Where tags lie ahead of audio and behind it: ID3, APE and Lyrics3."""

import os

HEAD = 32
"""Bytes by which `tag_size` knows a tag."""


def tag_size(head: bytes) -> int:
    """Bytes of the tag that begins with these, or 0.

    Paper: id3.org, ID3v2.4 section 3.1 (sizes of 7 bits a byte) and ID3v1; hydrogenaudio, APEv2 header.
    """
    if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 0x80:
        high, middle, low, lowest = head[6:10]
        return 10 + (high << 21 | middle << 14 | low << 7 | lowest) + 10 * bool(head[5] & 0x10)
    if head[:8] == b"APETAGEX" and len(head) >= HEAD and head[23] & 0x20:
        return HEAD + int.from_bytes(head[12:16], "little")
    return 128 if head[:3] == b"TAG" else 0


def skip_tags(descriptor: int, start: int, stop: int) -> int:
    """Where the tags that begin at `start` end; at `stop` where one says that it is longer."""
    while start < stop and (size := tag_size(os.pread(descriptor, HEAD, start))):
        start = min(start + size, stop)
    return start


def trailing_tags(descriptor: int, start: int, stop: int) -> int:
    """Where the tags at the end of a file begin."""
    while stop - start >= HEAD:
        tail = os.pread(descriptor, 128, max(stop - 128, start))
        if tail[:3] == b"TAG" and len(tail) == 128:
            size = 128
        elif tail[-HEAD:-24] == b"APETAGEX":
            has_header = tail[-9] & 0x80
            size = int.from_bytes(tail[-20:-16], "little") + HEAD * bool(has_header)
        elif tail.endswith(b"LYRICS200") and tail[-15:-9].isdigit():
            size = int(tail[-15:-9]) + 15
        else:
            break
        if not 0 < size <= stop - start:
            break
        stop -= size
    return stop
