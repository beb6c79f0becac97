"""The streams of a FLAC file, of which a decoder hears the first alone."""

import os
import re

from mixkit.audio.pieces import Link
from mixkit.audio.tags import trailing_tags

# "fLaC", and the head of the first metadata block: stream information, of 34 bytes.
_MARK = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_BLOCK, _OVERLAP = 2**20, 7


def flac_links(descriptor: int, start: int, stop: int) -> list[Link]:
    """Each stream from its mark to the next one.

    Args:
        descriptor: of a regular file, open for reading.
        start: where the first stream begins.
        stop: where the file ends.

    Paper: RFC 9639, sections 6 and 8.2. FLAC frames do not say their length, so that only a mark shows the end.
    """
    stop = trailing_tags(descriptor, start, stop)
    marks, place = [start], start + 1
    while place < stop:
        block = os.pread(descriptor, _BLOCK + _OVERLAP, place)
        marks += [place + found.start() for found in _MARK.finditer(block)]
        place += _BLOCK
    ends = [*marks[1:], stop]
    return [Link((range(mark, end),), to_end=True) for mark, end in zip(marks, ends, strict=True)]
