"""A sound file, decoded block by block: the only decoder."""

import math
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from mixkit.audio.chunks import STREAMED
from mixkit.audio.links import find_links
from mixkit.audio.pieces import UNKNOWN, Link, Pieces
from mixkit.audio.refusal import Refused
from mixkit.errors import printable
from mixkit.storage.regular import NotRegular, open_regular

KINDS = ("AIFF", "FLAC", "MP3", "OGG", "RF64", "WAV", "WAVEX")
CHANNELS = (1, 32)
SAMPLE_RATES = (1_000, 384_000)  # Hz
LOUDEST = 16.0  # lossy decoders overshoot full scale: a square wave comes back at 1.4 from MP3, at 2.8 from Opus
SLACK = 0.05  # seconds that the listed end of a clip may lie past the end of its file: listings round
BLOCK = 2**18  # samples of all channels decoded at a time
FREE, DENSEST = 2**26, 1000  # samples of all channels that any file may have; of more, to a byte: silence has 500


@dataclass(frozen=True)
class Header:
    """What a sound file has.

    Args:
        frames: samples of one channel; None where only decoding can tell (a FLAC that was streamed).
        sample_rate: Hz.
        channels: 1 for mono.
        kind: one of `KINDS`.
        note: what is odd about it, and was mended.
    """

    frames: int | None
    sample_rate: int
    channels: int
    kind: str
    note: str = ""


class Recording:
    """An open sound file, or a section of one. It is made by `open_recording`.

    Attributes:
        header: what the whole file has.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        descriptor: int,
        section: tuple[float | None, float | None],
        longest: float | None,
        resources: ExitStack,
    ):
        self._path, self._descriptor, self._resources = path, descriptor, resources
        self._links = find_links(descriptor)
        self._first_source = self._open(self._links[0])
        self._headers = [_check_header(self._first_source, self._links[0])]
        for link in self._links[1:]:
            with closing(self._open(link)) as source:
                self._headers.append(_check_header(source, link))
        self.header = _joined(self._headers)
        self._most = math.inf if longest is None else int(longest * min(self.header.sample_rate, 48_000))
        self._first, self._wanted = _section(self.header, *section)
        self._count = self._values = 0
        self._check_budget(self._wanted or 0)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """All of it once, in blocks of the mean over the channels: `s`.

        Raises:
            DataError: the file cannot be used; it has the path, the reason and a kind of `FIXES`.
        """
        with _refusing(self._path):
            skip, left = self._first, self._wanted
            for link, header in zip(self._links, self._headers, strict=True):
                if header.frames is not None and skip >= header.frames:
                    skip -= header.frames
                    continue
                for block in self._decode(link, header, skip, left):
                    left = None if left is None else left - len(block)
                    yield block
                skip = 0
                if left == 0:
                    return
            if left and left > SLACK * self.header.sample_rate:
                raise Refused(f"ends {left} samples before the section does.", "section")

    def _open(self, link: Link) -> "_Source":
        return self._resources.enter_context(closing(_Source(self._descriptor, link)))

    def _decode(self, link: Link, header: Header, skip: int, wanted: int | None) -> Iterator[NDArray[np.float32]]:
        """A link from a sample on, as many as wanted, or to its end."""
        source = self._first_source if link is self._links[0] else self._open(link)
        held = None if header.frames is None else header.frames - skip
        expected = held if wanted is None else wanted if held is None else min(held, wanted)
        buffer = np.empty((max(BLOCK // header.channels, 1), header.channels), np.float32)
        self._skip(source, header, skip, buffer)
        count = 0
        while expected is None or count < expected:
            block = source.read(buffer if expected is None else buffer[: expected - count])
            if not len(block):
                break
            _check_samples(block)
            count += len(block)
            self._count += len(block)
            self._check_budget(self._count, block.size)
            yield block.mean(axis=1)
        if not self._count:
            raise Refused("0 samples of audio.", "empty")
        if held is not None and expected is not None and count < expected:
            raise Refused(f"only {count} of {expected} samples can be decoded. The file is damaged.")
        if count == held and (behind := source.behind()) > UNKNOWN:
            raise Refused(f"says {header.frames} samples and has {behind} bytes behind them. It is damaged.")
        source.close()

    def _skip(self, source: "_Source", header: Header, frames: int, buffer: Any) -> None:
        if frames and header.frames is not None:
            # An MP3 frame leans on those before it: decoded from the frame itself, the first tenths of a second are
            # wrong.
            place = max(frames - header.sample_rate, 0) if header.kind == "MP3" else frames
            frames -= source.seek(place)
        while frames:
            dropped = source.read(buffer[:frames])
            if not len(dropped):
                raise Refused(f"ends {frames} samples before the section begins.", "section")
            frames -= len(dropped)
            self._check_budget(0, dropped.size)

    def _check_budget(self, count: int, values: int = 0) -> None:
        """Refuses what is longer than a caller takes, or than a file of this size is by any honest encoder."""
        if count > self._most:
            rate = self.header.sample_rate
            raise Refused(f"more than {self._most / rate:g} s of audio at {rate} Hz.", "long")
        self._values += values
        if self._values > max(FREE, DENSEST * os.fstat(self._descriptor).st_size):
            raise Refused(f"more than {DENSEST} samples to a byte, which no recording has.", "dense")


class _Source:
    """A decoder of one link."""

    def __init__(self, descriptor: int, link: Link):
        self._pieces = Pieces(descriptor, link.pieces, link.to_end) if link.pieces else None
        self._to_end = link.to_end
        if self._pieces is None:
            os.lseek(descriptor, 0, os.SEEK_SET)
        with self._telling():
            self.decoder = _Decoder(self._pieces or descriptor, closefd=False)

    def read(self, buffer: NDArray[np.float32]) -> NDArray[np.float32]:
        """As many samples as the buffer takes; less at the end."""
        with self._telling():
            return self.decoder.read(out=buffer)  # type: ignore[no-any-return, unused-ignore]

    def seek(self, frames: int) -> int:
        """Goes to a sample, and says to which: the first, where nothing else can be reached."""
        # Of DWVW libsndfile finds the wrong place.
        if not soundfile.SoundFile.seekable(self.decoder) or self.decoder.subtype.startswith("DWVW"):
            return 0
        with self._telling():
            return int(self.decoder.seek(frames))

    def behind(self) -> int:
        """Bytes that the decoder has not read."""
        return self._pieces.size - self._pieces.place if self._pieces and self._to_end else 0

    def close(self) -> None:
        """May be called again."""
        self.decoder.close()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """A decoder takes a file that cannot be read for one that ends."""
        try:
            yield
        finally:
            if self._pieces and self._pieces.error:
                raise self._pieces.error from None


class _Decoder(soundfile.SoundFile):  # type: ignore[misc, unused-ignore]
    """A decoder that only reads on: soundfile's bookkeeping seeks after every block, which some good files refuse."""

    def seekable(self) -> bool:
        return False


@contextmanager
def open_recording(
    path: str | os.PathLike[str],
    start: float | None = None,
    stop: float | None = None,
    longest: float | None = 3600.0,
) -> Iterator[Recording]:
    """A sound file, or a section of one, to be decoded block by block.

    Args:
        path: a WAV, FLAC, OGG, MP3 or AIFF file.
        start: where the section begins, in seconds of the file; None for its beginning.
        stop: where the section ends, in seconds of the file; None for its end.
        longest: seconds that are decoded at most; above 48 kHz fewer. None for all that there are.

    Raises:
        DataError: the file cannot be used; it has the path, the reason and a kind of `FIXES`.
    """
    with ExitStack() as resources:
        with _refusing(path):
            file = resources.enter_context(_open_regular(path))
            recording = Recording(path, file.fileno(), (start, stop), longest, resources)
        yield recording


def _open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    try:
        return open_regular(path)
    except NotRegular:
        raise Refused("is not a regular file.") from None
    except FileNotFoundError:
        raise Refused("no such file.", "missing") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Refused(f"cannot be opened ({reason}).") from None


@contextmanager
def _refusing(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        raise refused.of(path) from None
    except OSError as error:
        raise Refused(f"cannot be read ({error.strerror}).").of(path) from None
    except soundfile.LibsndfileError as error:
        reason = printable(error.error_string.strip().rstrip("."))
        raise Refused(f"cannot be decoded ({reason}).").of(path) from None


def _joined(headers: Sequence[Header]) -> Header:
    """What a file has in all its links."""
    first = headers[0]
    for other in headers[1:]:
        if other.sample_rate != first.sample_rate:
            raise Refused(f"has streams of {first.sample_rate} and {other.sample_rate} Hz behind each other.", "joined")
    frames = [header.frames for header in headers]
    total = None if None in frames else sum(filter(None, frames))
    notes = dict.fromkeys(header.note for header in headers if header.note)
    return Header(total, first.sample_rate, max(one.channels for one in headers), first.kind, "; ".join(notes))


def _check_header(source: _Source, link: Link) -> Header:
    decoder = source.decoder
    frames = link.frames or (decoder.frames if decoder.frames < 2**62 else None)  # libsndfile's word for unknown
    header = Header(frames, decoder.samplerate, decoder.channels, decoder.format, link.note)
    if header.kind not in KINDS:
        raise Refused(f"is of the kind {header.kind}.", "unknown")
    _check_whole(decoder.extra_info)
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


def _check_samples(block: NDArray[np.float32]) -> None:
    peak = float(np.abs(block).max())
    if not math.isfinite(peak):
        raise Refused("has samples that are not numbers.")
    if peak > LOUDEST:
        raise Refused(f"has samples up to {peak:g}, far outside -1 to 1.", "loud")


def _section(header: Header, start: float | None, stop: float | None) -> tuple[int, int | None]:
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
