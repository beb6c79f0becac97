"""From one sample rate to another, in bounded memory."""

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any

import torch
import torchaudio
from torch import Tensor

KERNEL = 2**23  # values of a kernel: 32 MB, five times that while it is made


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
    resampled: Tensor = _resampler(*nearest_ratio(sample_rate, wanted))(waveform)
    return resampled


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


@lru_cache(maxsize=4)  # a kernel takes 4 ms for 44.1 kHz to 16 kHz, but 0.2 s for 44.099 kHz
def _resampler(sample_rate: int, wanted: int) -> Any:
    return torchaudio.transforms.Resample(sample_rate, wanted, dtype=torch.float32)
