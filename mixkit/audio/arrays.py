"""What Python programs keep waveforms in, as float32 from -1 to 1, and sample rates, as whole numbers of Hz."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mixkit.audio.header import SAMPLE_RATES
from mixkit.audio.recording import LOUDEST
from mixkit.errors import DataError, MixkitError

ZERO = {"uint8": 2**7, "int8": 0, "int16": 0, "int32": 0}
"""The integers that recordings are kept in, full scale being all their bits, and which of them is silence."""

MEND = "Give floats from -1 to 1, or the integers of a recording: uint8, int8, int16 or int32."


def samples_of(waveform: Any) -> Tensor:
    """A waveform of any shape as float32 from -1 to 1, on the CPU; arguments and errors are those of `checked`."""
    return torch.from_numpy(as_float32(checked(waveform)))


def checked(waveform: Any) -> NDArray[Any]:
    """A waveform of any shape as an array that `as_float32` takes.

    Args:
        waveform: an array, a tensor, a list, or what NumPy can make an array of.

    Raises:
        MixkitError: it is no waveform, or not sure to be from -1 to 1.
        DataError: it is empty, too loud, or holds what is not a number.
    """
    array = _array_of(waveform)
    name = array.dtype.name
    if array.dtype.kind != "f" and name not in ZERO:
        raise MixkitError(f"the waveform is {name}. {MEND}")
    if not array.size:
        raise DataError("the waveform is empty. It takes at least one sample.")
    peak = np.maximum(float(array.max()), -float(array.min()))
    if array.dtype.kind == "f" and not peak <= LOUDEST:
        what = f"samples up to {peak:g}, far outside -1 to 1" if np.isfinite(peak) else "samples that are not numbers"
        raise DataError(f"the waveform has {what}. Mend or scale it.")
    if name == "int32" and 0 < peak < 2**15:
        raise MixkitError(
            f"the waveform is int32 with samples up to {peak:g} only. If it has 16 bits, give it as int16."
        )
    return array


def as_float32(array: NDArray[Any]) -> NDArray[np.float32]:
    """A part of a checked array from -1 to 1; integers are taken for shares of full scale."""
    samples = np.require(array, np.float32, ["C", "W"])
    if array.dtype.name in ZERO:
        samples = (samples - ZERO[array.dtype.name]) / np.float32(2 ** (8 * array.itemsize - 1))
    return samples


def taken_apart(sound: Any, sample_rate: Any) -> tuple[Any, Any]:
    """The sound and its sample rate, where it has them in the ways of Hugging Face's data sets; all else as it is.

    Args:
        sound: `{"array": ..., "sampling_rate": ...}`, `{"path": ..., "bytes": ...}`, a decoder of torchcodec, or none
            of these.
        sample_rate: given beside.

    Raises:
        MixkitError: it has none of these, or another sample rate than that beside.
    """
    if hasattr(sound, "get_all_samples"):
        samples = sound.get_all_samples()
        sound = {"array": samples.data, "sampling_rate": samples.sample_rate}
    if not isinstance(sound, Mapping):
        return sound, sample_rate
    for name in ("array", "bytes", "path"):
        if sound.get(name) is not None:
            rate = sound.get("sampling_rate") if name == "array" else None
            if rate is not None and sample_rate is not None and hertz(rate) != hertz(sample_rate):
                raise MixkitError(f"sample_rate is {sample_rate}, but the sound says {rate}. Leave it out.")
            return sound[name], sample_rate if rate is None else rate
    keys = ", ".join(map(repr, sound)) or "none"
    raise MixkitError(f"the dict holds no sound; its keys: {keys}. It takes 'array' and 'sampling_rate'.")


def hertz(sample_rate: Any) -> int:
    """A sample rate as a whole number.

    Args:
        sample_rate: a number of any type, or an array or tensor of one.

    Raises:
        MixkitError: it is missing, no number, not whole, or out of range.
    """
    least, most = SAMPLE_RATES
    if sample_rate is None:
        raise MixkitError("sample_rate is missing. Say how many samples of the waveform make a second.")
    try:
        rate = sample_rate.item() if hasattr(sample_rate, "item") else sample_rate
        whole = not isinstance(rate, str | bytes) and int(rate) == rate
    except OverflowError:  # infinite
        whole = True
    except (TypeError, ValueError, RuntimeError):
        whole = False
    if not whole:
        raise MixkitError(f"sample_rate is {sample_rate!r}. It takes a whole number of Hz, such as 16000.")
    if not least <= rate <= most:
        raise MixkitError(f"sample_rate is {rate}. Recordings have {least} to {most} Hz.")
    return int(rate)


def _array_of(waveform: Any) -> NDArray[Any]:
    if isinstance(waveform, Tensor):
        if waveform.layout != torch.strided or waveform.is_meta or waveform.is_nested or waveform.is_quantized:
            raise MixkitError("the waveform is a tensor that is sparse, nested, quantized or meta. Give a dense one.")
        tensor = waveform.detach().cpu().resolve_conj().resolve_neg()
        small = tensor.is_floating_point() and tensor.dtype not in (torch.float32, torch.float64)
        return (tensor.float() if small else tensor).numpy()
    if np.ma.is_masked(waveform):
        raise MixkitError("the waveform has masked samples. Fill them: waveform.filled(0).")
    try:
        array = np.asarray(waveform)
    except (TypeError, ValueError, RuntimeError):
        array = np.asarray(None)
    if array.dtype.kind in "OSUVMm":
        raise MixkitError(
            f"the sound is of the type {type(waveform).__name__} and holds no plain numbers. Give a path, an open file "
            "or a waveform (an array, a tensor or a list of floats from -1 to 1) and its sample_rate."
        )
    return array
