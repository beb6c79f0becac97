"""A sound file, decoded block by block: the only decoder."""

import math
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any, BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from mixkit.audio.decoder import Decoder
from mixkit.audio.ffmpeg import FfmpegDecoder
from mixkit.audio.header import SLACK, Header, header_of, joined, section_of
from mixkit.audio.links import find_links
from mixkit.audio.pieces import UNKNOWN, Link
from mixkit.audio.refusal import Refused
from mixkit.download.archive import open_inside
from mixkit.errors import printable
from mixkit.storage.regular import NotRegular

LOUDEST = 16.0  # lossy decoders overshoot full scale: a square wave comes back at 1.4 from MP3, at 2.8 from Opus
BLOCK = 2**18  # samples of all channels decoded at a time
FREE, DENSEST = 2**26, 1000  # samples of all channels that any file may have; of more, to a byte: silence has 500


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
        self._first = self._open(self._links[0])
        self._headers = [header_of(self._first, self._links[0])]
        for link in self._links[1:]:
            with closing(self._open(link)) as decoder:
                self._headers.append(header_of(decoder, link))
        self.header = joined(self._headers)
        self._most = math.inf if longest is None else int(longest * min(self.header.sample_rate, 48_000))
        self._begin, self._wanted = section_of(self.header, *section)
        self._count = self._values = 0
        self._check_budget(self._wanted or 0)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """All of it once, in blocks of the mean over the channels: `s`.

        Raises:
            DataError: the file cannot be used; it has the path, the reason and a kind of `FIXES`.
        """
        with _refusing(self._path):
            skip, left = self._begin, self._wanted
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

    def _open(self, link: Link) -> Decoder | FfmpegDecoder:
        found = self._descriptor
        decoder = FfmpegDecoder(found, link.container) if link.container else Decoder(found, link)
        return self._resources.enter_context(closing(decoder))

    def _decode(self, link: Link, header: Header, skip: int, wanted: int | None) -> Iterator[NDArray[np.float32]]:
        """A link from a sample on, as many as wanted, or to its end."""
        decoder = self._first if link is self._links[0] else self._open(link)
        held = None if header.frames is None else header.frames - skip
        expected = held if wanted is None else wanted if held is None else min(held, wanted)
        buffer = np.empty((max(BLOCK // header.channels, 1), header.channels), np.float32)
        self._skip(decoder, header, skip, buffer)
        count = 0
        while expected is None or count < expected:
            block = decoder.read(buffer if expected is None else buffer[: expected - count])
            if not len(block):
                break
            _check_samples(block)
            count += len(block)
            self._count += len(block)
            self._check_budget(self._count, block.size)
            yield _mono(block)
        if not self._count:
            raise Refused("0 samples of audio.", "empty")
        if held is not None and expected is not None and count < expected:
            raise Refused(f"only {count} of {expected} samples can be decoded. The file is damaged.")
        if count == held and (behind := decoder.behind()) > UNKNOWN:
            raise Refused(f"says {header.frames} samples and has {behind} bytes behind them. It is damaged.")
        decoder.close()

    def _skip(self, decoder: Decoder | FfmpegDecoder, header: Header, frames: int, buffer: Any) -> None:
        if frames and header.frames is not None:
            # An MP3 frame leans on those before it: decoded from the frame itself, the first tenths of a second are
            # wrong.
            place = max(frames - header.sample_rate, 0) if header.kind == "MP3" else frames
            frames -= decoder.seek(place)
        while frames:
            dropped = decoder.read(buffer[:frames])
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
            file = resources.enter_context(_open(path))
            recording = Recording(path, file.fileno(), (start, stop), longest, resources)
        yield recording


def _open(path: str | os.PathLike[str]) -> BinaryIO:
    try:
        return open_inside(path)
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


def peak_of(block: NDArray[np.float32]) -> float:
    """The largest magnitude; not a number where a sample is none."""
    return float(np.maximum(block.max(), -block.min()))


def _mono(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean over the channels, `s channels -> s`, five times as fast as over a short axis."""
    total = block[:, 0] + np.float32(0)  # which makes a 0 of -0, as numpy's mean does
    for channel in range(1, block.shape[1]):
        total += block[:, channel]
    return np.divide(total, block.shape[1], out=total)


def _check_samples(block: NDArray[np.float32]) -> None:
    peak = peak_of(block)
    if not math.isfinite(peak):
        raise Refused("has samples that are not numbers.")
    if peak > LOUDEST:
        raise Refused(f"has samples up to {peak:g}, far outside -1 to 1.", "loud")
