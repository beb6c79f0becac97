"""From one sample rate to another, in bounded memory."""

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray
from torch import Tensor

KERNEL = 2**23  # values of a kernel: 32 MB, five times that while it is made
PART = 2**20  # samples that are resampled at a time: all of a clip of 20 s

_one_kernel = Lock()


def resample(waveform: Tensor, sample_rate: int, wanted: int) -> Tensor:
    """Write the same sound with more or fewer samples a second, as torchaudio does.

    Shape: s -> s

    Args:
        waveform: float32.
        sample_rate: of the waveform, in Hz.
        wanted: in Hz.
    """
    if sample_rate == wanted:
        return waveform
    result: Tensor = _resampler(*nearest_ratio(sample_rate, wanted))(waveform)
    return result


def resampled(blocks: Iterable[NDArray[np.float32]], sample_rate: int, wanted: int) -> Iterator[Tensor]:
    """The same as `resample` block by block: what comes out has what is joined of it.

    A part is resampled with so much of its neighbours as the kernel reaches into them.

    Args:
        blocks: `s`, of any length.
        sample_rate: of the blocks, in Hz.
        wanted: in Hz.
    """
    old, new = nearest_ratio(sample_rate, wanted)
    if old == new:
        yield from map(torch.from_numpy, blocks)
        return
    resampler = _resampler(old, new)
    reach = math.ceil(resampler.width / old) * old
    step = math.ceil(max(PART, reach) / old) * old
    kept: list[NDArray[np.float32]] = []
    before, size = 0, 0
    for block in blocks:
        kept.append(block)
        size += len(block)
        while size >= before + step + reach:
            part = np.concatenate(kept)
            whole: Tensor = resampler(torch.from_numpy(part[: before + step + reach]))
            yield whole[before * new // old : (before + step) * new // old]
            kept = [part[before + step - reach :]]
            before, size = reach, len(kept[0])
    if size > before:
        yield resampler(torch.from_numpy(np.concatenate(kept)))[before * new // old :]


def resampled_length(samples: int, sample_rate: int, wanted: int) -> int:
    """How many samples there are after resampling."""
    old, new = nearest_ratio(sample_rate, wanted)
    return -(-samples * new // old)


def nearest_ratio(sample_rate: int, wanted: int) -> tuple[int, int]:
    """The ratio of two sample rates in the smallest numbers, or the nearest one that memory allows.

    A kernel has as many values as the product of the two: 256 million for 15,999 Hz to 16 kHz, which are therefore
    taken for equal. The pitch is off by 1 / (2 sqrt(2^23)) = 1.7e-4 at most, a third of a cent.

    Args:
        sample_rate: of the recording, in Hz.
        wanted: in Hz.
    """
    exact = ratio = Fraction(sample_rate, wanted)
    limit = max(math.isqrt(KERNEL * wanted // sample_rate), 1)
    while ratio.numerator * ratio.denominator > KERNEL:
        ratio = exact.limit_denominator(limit)
        limit = ratio.denominator - 1
    return ratio.numerator, ratio.denominator


def _resampler(sample_rate: int, wanted: int) -> Any:
    with _one_kernel:  # several at a time would take memory for each
        return _made(sample_rate, wanted)


@lru_cache(maxsize=4)  # a kernel takes 4 ms for 44.1 kHz to 16 kHz, but 0.2 s for 44.099 kHz
def _made(sample_rate: int, wanted: int) -> Any:
    return torchaudio.transforms.Resample(sample_rate, wanted, dtype=torch.float32)
