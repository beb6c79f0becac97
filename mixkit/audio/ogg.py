"""The streams of an Ogg file: chained ones, and the one with audio among those that run side by side."""

import os
from dataclasses import dataclass, field

from mixkit.audio.pieces import Link, check_unknown, skip_zeros
from mixkit.audio.refusal import Refused

HEAD, BEGIN, END = 27, 2, 4
AUDIO = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")
_BLOCK, _LARGEST = 2**20, HEAD + 255 + 255 * 255


@dataclass
class _Chain:
    """A link while its pages are read: parts of the file, of which stream, and what its pages said."""

    parts: list[range] = field(default_factory=list)
    serial: bytes = b""
    begins: bool = True
    ended: bool = False
    position: int = 0


def ogg_links(descriptor: int, start: int, stop: int) -> list[Link]:
    """The links of a chain, each with the pages of its audio.

    Args:
        descriptor: of a regular file, open for reading.
        start: where the first page begins.
        stop: where the file ends.

    Raises:
        Refused: a link has no last page, or several streams of audio, or there are too many bytes between pages.

    Paper: RFC 3533, sections 4 (chaining and grouping) and 6 (pages).
    """
    links: list[_Chain] = []
    place = start
    block, at = b"", 0
    while place < stop:
        if len(block) - at < _LARGEST:
            block, at = os.pread(descriptor, _BLOCK, place), 0
        size = _page_size(block, at)
        if not size or place + size > stop:
            found = _next_page(descriptor, place, stop)
            place, block, at = found, b"", 0
            continue
        _add(links, block[at : at + HEAD + 300], range(place, place + size))
        place += size
        at += size
    for link in links:
        if link.serial and not link.ended:
            raise Refused("has no last page (end of stream). It was cut short.", "cut")
    return [Link(tuple(link.parts)) for link in links]


def _page_size(block: bytes, at: int) -> int:
    """Bytes of the page that begins there; 0 where none does, or not all of its head is there."""
    if block[at : at + 5] != b"OggS\0" or at + HEAD > len(block):
        return 0
    segments = block[at + 26]
    return HEAD + segments + sum(block[at + HEAD : at + HEAD + segments])


def _next_page(descriptor: int, place: int, stop: int) -> int:
    """Where a page begins after something else."""
    begin = skip_zeros(descriptor, place, stop)
    head = os.pread(descriptor, min(_LARGEST, stop - begin), begin)
    step = head.find(b"OggS\0", 1 if begin == place else 0)
    if step < 0:
        check_unknown(stop - begin if not head.startswith(b"OggS\0") else 0, begin)
        return stop
    check_unknown(step if not head.startswith(b"OggS\0") else 0, begin)
    return begin + step


def _add(links: list[_Chain], head: bytes, page: range) -> None:
    flags, serial = head[5], head[14:18]
    payload = head[HEAD + head[26] :]
    if flags & BEGIN and (not links or not links[-1].begins):
        links.append(_Chain())
    if not links:
        raise Refused("begins in the middle of a stream.", "cut")
    link = links[-1]
    link.begins = bool(flags & BEGIN)
    if link.begins and payload.startswith(AUDIO):
        if link.serial:
            raise Refused("has several streams of audio side by side.", "joined")
        link.serial, link.parts = serial, []
    if link.serial == serial or not link.serial:
        if link.parts and link.parts[-1].stop == page.start:
            link.parts[-1] = range(link.parts[-1].start, page.stop)
        else:
            link.parts.append(page)
    if link.serial == serial:
        _follow(link, head)


def _follow(link: _Chain, head: bytes) -> None:
    """What a page of the audio says: where its last sample lies, and whether it is the last."""
    position = int.from_bytes(head[6:14], "little", signed=True)
    if link.ended:
        raise Refused("has pages behind its last one.")
    if position >= 0 and position < link.position:
        raise Refused(f"goes back from sample {link.position} to {position}.")
    link.position = max(link.position, position)
    link.ended = bool(head[5] & END)
