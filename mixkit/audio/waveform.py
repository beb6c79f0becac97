"""A file or an array as the waveform that a network takes, block by block: no recording is too long."""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mixkit.audio.arrays import as_float32, checked, hertz, taken_apart
from mixkit.audio.header import CHANNELS
from mixkit.audio.recording import BLOCK, open_recording
from mixkit.audio.resample import resampled, resampled_length
from mixkit.audio.spool import spooled
from mixkit.errors import DataError, MixkitError, printable

Sound = Any
"""A path, an open file or its bytes; a waveform `s` or `channels s` as array, tensor or list; or a dict of these."""


@dataclass(frozen=True)
class Waveform:
    """A sound in mono at a wanted sample rate.

    Args:
        samples: how many there are; None where only hearing it to its end tells.
        blocks: all of it once, float32 on the CPU: `s` each.
        note: what is odd about the file, and was mended.
    """

    samples: int | None
    blocks: Iterator[Tensor]
    note: str = ""


OpenSound = Callable[[], AbstractContextManager[Waveform]]
"""Opens a sound, and may be asked again for its beginning. Raises a `MixkitError` where it cannot be used."""


@contextmanager
def open_file(path: str | os.PathLike[str], wanted: int) -> Iterator[Waveform]:
    """A sound file of any length.

    Args:
        path: where it is.
        wanted: sample rate of the waveform, in Hz.

    Raises:
        DataError: it cannot be used; it has the path, the reason and a kind of `FIXES`.
    """
    with open_recording(path, longest=None) as recording:
        frames, rate = recording.header.frames, recording.header.sample_rate
        samples = None if frames is None else resampled_length(frames, rate, wanted)
        yield Waveform(samples, resampled(recording.blocks(), rate, wanted), recording.header.note)


@contextmanager
def sound_opener(sound: Sound, sample_rate: int | None, wanted: int) -> Iterator[OpenSound]:
    """How a file or a waveform is opened as a network takes it.

    Args:
        sound: a path, a sound file that is open or its bytes, a waveform `s` or `channels s` as array, tensor or list,
            or `{"array": ..., "sampling_rate": ...}` as data sets of Hugging Face have it.
        sample_rate: of a waveform, in Hz; a file says its own.
        wanted: sample rate of the result, in Hz.

    Raises:
        MixkitError: the sample rate is missing, in excess or out of range, or the waveform is none.
        DataError: a file cannot be used; the message begins with its path and says why.
    """
    sound, sample_rate = taken_apart(sound, sample_rate)
    in_memory = isinstance(sound, bytes | bytearray)
    if not (in_memory or isinstance(sound, str | os.PathLike) or hasattr(sound, "read")):
        yield partial(_open_array, _channels(sound), hertz(sample_rate), wanted)
        return
    if sample_rate is not None:
        raise MixkitError(f"sample_rate is {sample_rate}, but a file says its own. Leave it out.")
    if isinstance(sound, str | os.PathLike):
        yield partial(open_file, sound, wanted)
        return
    name = getattr(sound, "name", None)
    said = printable(name) if isinstance(name, str) else f"the {type(sound).__name__}"
    with spooled(io.BytesIO(sound) if in_memory else sound, said) as path:
        try:
            yield partial(open_file, path, wanted)
        except DataError as error:
            raise DataError(error.reason, said, kind=error.kind) from None


def _channels(waveform: Any) -> NDArray[Any]:
    array = checked(waveform)
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or not array.shape[0] <= CHANNELS[1]:
        shape = " x ".join(map(str, array.shape)) or "a single number"
        fix = " Transpose it." if array.ndim == 2 and array.shape[1] <= CHANNELS[1] else ""
        raise MixkitError(f"the waveform is {shape}. It takes samples, or channels x samples.{fix}")
    return array


@contextmanager
def _open_array(array: NDArray[Any], rate: int, wanted: int) -> Iterator[Waveform]:
    size = array.shape[1]
    blocks = (as_float32(array[:, begin : begin + BLOCK]).mean(0, dtype=np.float32) for begin in range(0, size, BLOCK))
    yield Waveform(resampled_length(size, rate, wanted), resampled(blocks, rate, wanted))
