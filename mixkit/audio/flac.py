"""Whether a FLAC file can be as short as it says: its decoder stops where the header says, and drops the rest."""

import os

TAGS = 4096
"""Bytes behind the audio that are taken for tags."""


def excess(descriptor: int) -> tuple[int, int] | None:
    """Samples that a FLAC file says it has, and bytes of audio, if those are more than the samples can take.

    Nothing is found where the length is left open, which is legal, or where this is no FLAC file.

    Args:
        descriptor: of a regular file, open for reading.

    Paper: RFC 9639, sections 8.1 and 8.2: metadata blocks, and the stream information in the first of them.
    """
    head = os.pread(descriptor, 42, 0)
    if len(head) < 42 or head[:4] != b"fLaC" or head[4] & 0x7F != 0:
        return None
    facts = int.from_bytes(head[18:26], "big")
    channels, bits, samples = (facts >> 41 & 7) + 1, (facts >> 36 & 31) + 1, facts & (2**36 - 1)
    if not samples:
        return None
    block = max(int.from_bytes(head[8:10], "big"), 16)
    frames = -(-samples // block)
    # Verbatim samples, a side channel of one bit more, and 16 + 2 bytes around each frame at most.
    most = (samples * channels * (bits + 1) + 7) // 8 + frames * (18 + 6 * channels)
    found = os.fstat(descriptor).st_size - _audio_start(descriptor)
    return (samples, found) if found > most + TAGS else None


def _audio_start(descriptor: int) -> int:
    """Where the metadata ends."""
    place, size = 4, os.fstat(descriptor).st_size
    while place < size:
        head = os.pread(descriptor, 4, place)
        place += 4 + int.from_bytes(head[1:4], "big")
        if len(head) < 4 or head[0] & 0x80:
            break
    return place
