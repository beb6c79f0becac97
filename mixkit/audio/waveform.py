"""A file or an array as the waveform that a network takes."""

import io
import os
from typing import Any

from torch import Tensor

from mixkit.audio.arrays import hertz, samples_of, taken_apart
from mixkit.audio.header import CHANNELS
from mixkit.audio.read import read
from mixkit.audio.resample import resample
from mixkit.audio.spool import spooled
from mixkit.errors import DataError, MixkitError, printable

Sound = Any
"""A path, an open file or its bytes; a waveform `s` or `channels s` as array, tensor or list; or a dict of these."""


def waveform_of(sound: Sound, sample_rate: int | None, wanted: int) -> Tensor:
    """A file or a waveform as the network takes it: mono, float32, `s`.

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
    if in_memory or isinstance(sound, str | os.PathLike) or hasattr(sound, "read"):
        if sample_rate is not None:
            raise MixkitError(f"sample_rate is {sample_rate}, but a file says its own. Leave it out.")
        if isinstance(sound, str | os.PathLike):
            return read(sound, wanted)
        return _of_stream(io.BytesIO(sound) if in_memory else sound, wanted)
    waveform = samples_of(sound)
    rate = hertz(sample_rate)
    if waveform.ndim == 1:
        waveform = waveform[None]
    if waveform.ndim != 2 or not waveform.shape[0] <= CHANNELS[1]:
        shape = " x ".join(map(str, waveform.shape)) or "a single number"
        fix = " Transpose it." if waveform.ndim == 2 and waveform.shape[1] <= CHANNELS[1] else ""
        raise MixkitError(f"the waveform is {shape}. It takes samples, or channels x samples.{fix}")
    return resample(waveform.mean(0), rate, wanted)


def _of_stream(stream: Any, wanted: int) -> Tensor:
    name = getattr(stream, "name", None)
    said = printable(name) if isinstance(name, str) else f"the {type(stream).__name__}"
    with spooled(stream, said) as path:
        try:
            return read(path, wanted)
        except DataError as error:
            raise DataError(error.reason, said, kind=error.kind) from None
