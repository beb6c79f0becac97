"""What a sound file has, and whether a recording can be like that."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mixkit.audio.chunks import STREAMED
from mixkit.audio.decoder import Decoder
from mixkit.audio.ffmpeg import FfmpegDecoder
from mixkit.audio.pieces import Link
from mixkit.audio.refusal import Refused
from mixkit.storage.capacity import MOST

KINDS = ("AIFF", "FLAC", "MP3", "OGG", "RF64", "WAV", "WAVEX")  # of libsndfile
CHANNELS = (1, 32)
SAMPLE_RATES = (1_000, MOST["Hz"])
SLACK = 0.05  # seconds that the listed end of a clip may lie past the end of its file: listings round


@dataclass(frozen=True)
class Header:
    """What a sound file has.

    Args:
        frames: samples of one channel; None where only decoding can tell (a FLAC that was streamed).
        sample_rate: Hz.
        channels: 1 for mono.
        kind: one of `KINDS`, or of those that ffmpeg reads.
        note: what is odd about it, and was mended.
    """

    frames: int | None
    sample_rate: int
    channels: int
    kind: str
    note: str = ""


def header_of(decoder: Decoder | FfmpegDecoder, link: Link) -> Header:
    """What a decoder says of a link.

    Raises:
        Refused: no recording is like that.
    """
    frames = link.frames or (
        decoder.file.frames if decoder.file.frames < 2**62 else None
    )  # libsndfile's word for unknown
    header = Header(frames, decoder.file.samplerate, decoder.file.channels, decoder.file.format, link.note)
    if header.kind not in (*KINDS, link.container):
        raise Refused(f"is of the kind {header.kind}.", "unknown")
    _check_whole(decoder.file.extra_info)
    channels, rate = (header.channels, CHANNELS, "channels"), (header.sample_rate, SAMPLE_RATES, "Hz")
    for value, (least, most), unit in (channels, rate):
        if not least <= value <= most:
            raise Refused(f"says {value} {unit}; recordings have {least} to {most}.")
    if frames is not None and frames < 1:
        raise Refused("0 samples of audio.", "empty")
    return header


def _check_whole(log: str) -> None:
    """Of a WAV or AIFF that was cut short, libsndfile decodes what is there and says so in its log alone."""
    size = re.search(r"^ ?(?:data|SSND) : (\d+) \(should be (\d+)\)$", log, re.MULTILINE)
    if size is None:
        return
    said, found = int(size[1]), int(size[2])
    if found < 0.99 * said and said < STREAMED:
        raise Refused(f"says {said} bytes of audio and has {found}. The file is damaged.")


def joined(headers: Sequence[Header]) -> Header:
    """What a file has in all its links."""
    first = headers[0]
    for other in headers[1:]:
        if other.sample_rate != first.sample_rate:
            raise Refused(f"has streams of {first.sample_rate} and {other.sample_rate} Hz behind each other.", "joined")
    frames = [header.frames for header in headers]
    total = None if None in frames else sum(filter(None, frames))
    notes = dict.fromkeys(header.note for header in headers if header.note)
    return Header(total, first.sample_rate, max(one.channels for one in headers), first.kind, "; ".join(notes))


def section_of(header: Header, start: float | None, stop: float | None) -> tuple[int, int | None]:
    """The first frame, and how many from there; None for as many as there are."""
    first = round((start or 0.0) * header.sample_rate)
    last = header.frames if stop is None else round(stop * header.sample_rate)
    asked = f"from {start or 0:g} s to {'the end' if stop is None else f'{stop:g} s'}"
    if first < 0 or (stop is not None and last is not None and last <= first):
        raise Refused(f"the section {asked} is empty.", "section")
    if header.frames is not None and last is not None:
        if first >= header.frames or last > header.frames + SLACK * header.sample_rate:
            held = header.frames / header.sample_rate
            raise Refused(f"the section {asked} is outside the file, which has {held:.3f} s.", "section")
        last = min(last, header.frames)
    return first, None if last is None else last - first
