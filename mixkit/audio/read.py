"""From a sound file to a waveform of the wanted rate."""

import logging
import os
from collections.abc import Iterable
from contextlib import ExitStack
from threading import Lock

import torch
from torch import Tensor

from mixkit.audio.header import Header
from mixkit.audio.recording import open_recording
from mixkit.audio.resample import resampled

LARGE = 2**26
"""Bytes of a waveform above which one is read at a time in a process, so that several readers take no more than one."""

_one_large = Lock()
_log = logging.getLogger(__name__)


def inspect(path: str | os.PathLike[str]) -> Header:
    """What a sound file has, without decoding it.

    Args:
        path: a WAV, FLAC, OGG, MP3 or AIFF file.

    Raises:
        DataError: the file is missing, of another kind, empty, or says something that no recording can be.
    """
    with open_recording(path, longest=None) as recording:
        return recording.header


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
    with open_recording(path, start, stop, longest) as recording:
        return collected(resampled(recording.blocks(), recording.header.sample_rate, sample_rate))


def collected(blocks: Iterable[Tensor]) -> Tensor:
    """Blocks as one waveform, in the memory of that waveform alone: `s`."""
    content = bytearray()
    with ExitStack() as stack:
        waits = True
        for block in blocks:
            content += block.numpy().data.cast("B")
            if waits and len(content) > LARGE:
                stack.enter_context(_one_large)
                waits = False
    return torch.frombuffer(content, dtype=torch.float32)
