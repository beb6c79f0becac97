"""From a sound file to a waveform: the only decoder."""

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor

from mixkit.audio.flac import excess
from mixkit.audio.resample import resample
from mixkit.errors import DataError, printable
from mixkit.storage.regular import NotRegular, open_regular

KINDS = ("AIFF", "FLAC", "MP3", "OGG", "RF64", "WAV", "WAVEX")
CHANNELS = (1, 32)
SAMPLE_RATES = (1_000, 384_000)  # Hz
LOUDEST = 16.0  # lossy decoders overshoot full scale: a square wave comes back at 1.4 from MP3, at 2.8 from Opus
SLACK = 0.05  # seconds that the listed end of a clip may lie past the end of its file: listings round
BLOCK = 2**18  # samples of all channels decoded at a time

_SKIP = ", or list it in task.folder.skip"
FIXES = {
    "missing": ("Check the path", ", or the folder that the task names"),
    "empty": ("Remove the file", _SKIP),
    "damaged": ("Remove the file", _SKIP),
    "foreign": ("Convert it", _SKIP),
    "unknown": (f"Convert it to one of {', '.join(KINDS)}", ""),
    "loud": ("Scale it", _SKIP),
    "long": ("Cut it", f", list sections of it{_SKIP}"),
    "section": ("Correct the listing of the task", ""),
}
"""What would be right, by what is wrong with a recording: of any, and what a clip of a task can do besides."""


@dataclass(frozen=True)
class Header:
    """What a sound file says of itself.

    Args:
        frames: samples of one channel; None where the file does not say (a FLAC that was streamed).
        sample_rate: Hz.
        channels: 1 for mono.
        kind: one of `KINDS`.
    """

    frames: int | None
    sample_rate: int
    channels: int
    kind: str


class _Refused(Exception):
    """Why a file cannot be used: in words, and as a kind of `FIXES`."""

    def __init__(self, reason: str, kind: str = "damaged"):
        super().__init__(reason)
        self.reason = reason
        self.kind = kind


class _Stream(soundfile.SoundFile):  # type: ignore[misc, unused-ignore]
    """A decoder that only reads on: soundfile's bookkeeping seeks after every block, which some good files refuse."""

    def seekable(self) -> bool:
        return False


def inspect(path: str | os.PathLike[str]) -> Header:
    """What a sound file says of itself, without decoding it.

    Args:
        path: a WAV, FLAC, OGG, MP3 or AIFF file.

    Raises:
        DataError: the file is missing, of another kind, empty, or says something that no recording can be.
    """
    with _open(path) as (_, header):
        return header


def read(
    path: str | os.PathLike[str],
    sample_rate: int,
    start: float | None = None,
    stop: float | None = None,
    longest: float = 3600.0,
) -> Tensor:
    """A sound file, or a section of it, in mono.

    Args:
        path: a WAV, FLAC, OGG, MP3 or AIFF file.
        sample_rate: of the result, in Hz.
        start: where the section begins, in seconds of the file; None for its beginning.
        stop: where the section ends, in seconds of the file; None for its end.
        longest: seconds that are decoded at most; above 48 kHz fewer, so that memory stays the same.

    Returns:
        The mean over the channels, float32, `s`.

    Raises:
        DataError: the file cannot be used; it has the path, the reason and a kind of `FIXES`.
    """
    waveform, header = decode(path, start, stop, longest)
    return resample(torch.from_numpy(waveform), header.sample_rate, sample_rate)


def decode(
    path: str | os.PathLike[str], start: float | None = None, stop: float | None = None, longest: float = 3600.0
) -> tuple[NDArray[np.float32], Header]:
    """As `read`, at the sample rate of the file, with what its header says."""
    with _open(path) as (stream, header):
        first, wanted = _section(header, start, stop)
        most = int(longest * min(header.sample_rate, 48_000))
        if wanted is not None and wanted > most:
            raise _too_long(header, most)
        buffer = np.empty((max(BLOCK // header.channels, 1), header.channels), np.float32)
        _skip(stream, header, first, buffer)
        return _decode(stream, header, wanted, most, buffer), header


def fix_alone(kind: str) -> str:
    """What would be right about a recording that is no clip of a task."""
    return f"{FIXES[kind][0]}."


def _unusable(path: str | os.PathLike[str], reason: str, kind: str = "damaged") -> DataError:
    return DataError(reason, path, f"{''.join(FIXES[kind])}.", kind)


@contextmanager
def _open(path: str | os.PathLike[str]) -> Iterator[tuple[_Stream, Header]]:
    try:
        file = open_regular(path)
    except NotRegular:
        raise _unusable(path, "is not a regular file.") from None
    except FileNotFoundError:
        raise _unusable(path, "no such file.", "missing") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _unusable(path, f"cannot be opened ({reason}).") from None
    try:
        descriptor = file.fileno()
        _check_content(descriptor)
        with _Stream(descriptor, closefd=False) as stream:
            header = _check_header(stream)
            if header.kind == "FLAC" and (lie := excess(descriptor)):
                raise _Refused(f"says {lie[0]} samples and has {lie[1]} bytes of audio. It is damaged.")
            yield stream, header
    except _Refused as refused:
        raise _unusable(path, refused.reason, refused.kind) from None
    except OSError as error:
        raise _unusable(path, f"cannot be read ({error.strerror}).") from None
    except soundfile.LibsndfileError as error:
        reason = printable(error.error_string.strip().rstrip("."))
        raise _unusable(path, f"cannot be decoded ({reason}).") from None
    finally:
        file.close()


def _check_content(descriptor: int) -> None:
    head = os.pread(descriptor, 12, 0)
    if not head:
        raise _Refused("0 samples of audio.", "empty")
    chunks = {b"RIFF": (b"WAVE",), b"RIFX": (b"WAVE",), b"RF64": (b"WAVE",), b"FORM": (b"AIFF", b"AIFC")}
    mpeg = head.startswith(b"ID3") or (head[0] == 0xFF and head[1:2] >= b"\xe0")
    if not (mpeg or head[:4] in (b"fLaC", b"OggS") or head[8:] in chunks.get(head[:4], ())):
        raise _Refused("is not WAV, FLAC, OGG, MP3 or AIFF.", "foreign")


def _check_header(stream: _Stream) -> Header:
    frames = stream.frames if stream.frames < 2**62 else None  # libsndfile's word for an unknown length
    header = Header(frames, stream.samplerate, stream.channels, stream.format)
    if header.kind not in KINDS:
        raise _Refused(f"is of the kind {header.kind}.", "unknown")
    _check_whole(stream.extra_info)
    channels, rate = (header.channels, CHANNELS, "channels"), (header.sample_rate, SAMPLE_RATES, "Hz")
    for value, (least, most), unit in (channels, rate):
        if not least <= value <= most:
            raise _Refused(f"says {value} {unit}; recordings have {least} to {most}.")
    if frames is not None and frames < 1:
        raise _Refused("0 samples of audio.", "empty")
    return header


def _check_whole(log: str) -> None:
    """Of a WAV or AIFF that was cut short, libsndfile decodes what is there and says so in its log alone."""
    size = re.search(r"^ ?(?:data|SSND) : (\d+) \(should be (\d+)\)$", log, re.MULTILINE)
    if size is None:
        return
    said, found = int(size[1]), int(size[2])
    streamed = said >= 2**31 - 2**16  # written before the length was known
    if found < 0.99 * said and not streamed:
        raise _Refused(f"says {said} bytes of audio and has {found}. The file is damaged.")


def _section(header: Header, start: float | None, stop: float | None) -> tuple[int, int | None]:
    """The first frame, and how many from there; None for as many as there are."""
    first = round((start or 0.0) * header.sample_rate)
    last = header.frames if stop is None else round(stop * header.sample_rate)
    asked = f"from {start or 0:g} s to {'the end' if stop is None else f'{stop:g} s'}"
    if first < 0 or (stop is not None and last is not None and last <= first):
        raise _Refused(f"the section {asked} is empty.", "section")
    if header.frames is not None and last is not None:
        if first >= header.frames or last > header.frames + SLACK * header.sample_rate:
            held = header.frames / header.sample_rate
            raise _Refused(f"the section {asked} is outside the file, which has {held:.3f} s.", "section")
        last = min(last, header.frames)
    return first, None if last is None else last - first


def _skip(stream: _Stream, header: Header, frames: int, buffer: Any) -> None:
    can_seek = header.frames is not None and soundfile.SoundFile.seekable(stream)
    if frames and can_seek and not stream.subtype.startswith("DWVW"):  # of which libsndfile finds the wrong place
        # An MP3 frame leans on those before it: decoded from the frame itself, the first tenths of a second are wrong.
        place = max(frames - header.sample_rate, 0) if header.kind == "MP3" else frames
        stream.seek(place)
        frames -= place
    while frames:
        dropped = len(stream.read(out=buffer[:frames]))
        if not dropped:
            raise _Refused(f"ends {frames} samples before the section begins.", "section")
        frames -= dropped


def _decode(stream: _Stream, header: Header, wanted: int | None, most: int, buffer: Any) -> NDArray[np.float32]:
    blocks, count = [], 0
    while wanted is None or count < wanted:
        block = stream.read(out=buffer if wanted is None else buffer[: wanted - count])
        if not len(block):
            break
        peak = float(np.abs(block).max())
        if not math.isfinite(peak):
            raise _Refused("has samples that are not numbers.")
        if peak > LOUDEST:
            raise _Refused(f"has samples up to {peak:g}, far outside -1 to 1.", "loud")
        blocks.append(block.mean(axis=1))
        count += len(block)
        if count > most:
            raise _too_long(header, most)
    if not count:
        raise _Refused("0 samples of audio.", "empty")
    if wanted is not None and count < wanted:
        if header.frames is not None:
            raise _Refused(f"only {count} of {wanted} samples can be decoded. The file is damaged.")
        if count < wanted - SLACK * header.sample_rate:
            raise _Refused(f"ends {wanted - count} samples before the section does.", "section")
    return np.concatenate(blocks)


def _too_long(header: Header, most: int) -> _Refused:
    return _Refused(f"more than {most / header.sample_rate:g} s of audio at {header.sample_rate} Hz.", "long")
