"""A file or an array as the waveform that a network takes."""

import os
from typing import Any

import torch
from torch import Tensor

from mixkit.audio.read import CHANNELS, LOUDEST, SAMPLE_RATES, read
from mixkit.audio.resample import resample
from mixkit.errors import DataError, MixkitError

Sound = Any
"""A path, or a waveform `s` or `channels s` as tensor or NumPy array."""


def waveform_of(sound: Sound, sample_rate: int | None, wanted: int) -> Tensor:
    """A file or a waveform as the network takes it: mono, float32, `s`.

    Args:
        sound: a path, or a waveform `s` or `channels s` as tensor or NumPy array.
        sample_rate: of a waveform, in Hz; a file says its own.
        wanted: sample rate of the result, in Hz.

    Raises:
        MixkitError: the sample rate is missing, in excess or out of range, or the waveform is none.
        DataError: a file cannot be used; the message begins with its path and says why.
    """
    if isinstance(sound, str | os.PathLike):
        if sample_rate is not None:
            raise MixkitError(f"sample_rate is {sample_rate}, but a file says its own. Leave it out.")
        return read(sound, wanted)
    waveform = torch.as_tensor(sound).detach().cpu()
    least, most = SAMPLE_RATES
    if sample_rate is None:
        raise MixkitError("sample_rate is missing. Say how many samples of the waveform make a second.")
    if not least <= sample_rate <= most:
        raise MixkitError(f"sample_rate is {sample_rate}. Recordings have {least} to {most} Hz.")
    if not waveform.is_floating_point():
        raise MixkitError(f"the waveform is {waveform.dtype}. Scale it to floats from -1 to 1.")
    if waveform.ndim == 1:
        waveform = waveform[None]
    if waveform.ndim != 2 or not waveform.shape[0] <= CHANNELS[1]:
        shape = " x ".join(map(str, waveform.shape))
        raise MixkitError(f"the waveform is {shape}. It takes samples, or channels x samples.")
    if not waveform.numel():
        raise DataError("the waveform is empty. It takes at least one sample.")
    peak = waveform.abs().max()
    if not peak <= LOUDEST:
        what = f"samples up to {peak:g}, far outside -1 to 1" if peak.isfinite() else "samples that are not numbers"
        raise DataError(f"the waveform has {what}. Mend or scale it.")
    return resample(waveform.float().mean(0), int(sample_rate), wanted)
