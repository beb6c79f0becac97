"""A few numbers that are nearly the same for the same recording at any sample rate, and for no other."""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SECONDS = 30  # of a recording, from its beginning
LOW_RATE = 4000  # Hz, at which it is looked at; a recording has at least that
BAND = (50, 1500)  # Hz: below is hum, and above what a copy for the telephone has lost
FAINTEST = 1e-4  # of full scale, -80 dB: below it the rounding to 16 bits speaks louder than the recording
LEAST = 0.01  # of the energy in the band: what leaks into it from a whistle outside is much the same for all whistles
VALUES = 256


def sketch(waveform: NDArray[np.float32], sample_rate: int) -> bytes:
    """A random projection of the spectrum in a band that every copy has, phases included: 256 numbers from -127 to 127.

    The spectrum is taken of a whole number of seconds, the end filled with silence, so that its bins are the same
    frequencies at every sample rate. Each is divided by the root of its magnitude, so that the loudest partial does
    not speak for all. The sum over bins that each number is has signs and members drawn once and for all. Angles
    between spectra become angles between sketches: for two copies the cosine is 1, for two recordings near 0, however
    alike they sound, because their phases have nothing to do with each other.

    Paper: Charikar, Chen and Farach-Colton 2002, "Finding frequent items in data streams" (count sketch).

    Args:
        waveform: mono, `s`.
        sample_rate: Hz.

    Returns:
        Nothing where there is too little in the band to tell it from any other.
    """
    if sample_rate < LOW_RATE:
        return b""
    part = waveform[: SECONDS * sample_rate]
    seconds = math.ceil(len(part) / sample_rate + 0.37)  # recordings are seldom cut so that this falls between two
    low, high = (hertz * seconds for hertz in BAND)
    spectrum = np.fft.rfft(_at_low_rate(part, sample_rate), seconds * LOW_RATE)[low:high]
    magnitude = np.abs(spectrum)
    energy = 2 * float(np.square(magnitude).sum()) / (seconds * LOW_RATE * len(part) / sample_rate * LOW_RATE)
    if energy < max(FAINTEST**2, LEAST * float(part.var(dtype=np.float64))):
        return b""
    spectrum /= np.sqrt(np.maximum(magnitude, np.finfo(magnitude.dtype).tiny))
    signs, members = _drawn(high - low)
    values = np.bincount(members, signs * spectrum.view(np.float64), VALUES)
    return np.rint(127 / np.abs(values).max() * values).astype(np.int8).tobytes()


def _at_low_rate(waveform: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """Averages under triangles that overlap by half, from differences of the integral's integral: fast at any rate."""
    twice = np.cumsum(np.cumsum(waveform, dtype=np.float64))
    width = sample_rate / LOW_RATE
    places = np.arange(-1, len(waveform) / width + 1) * width
    return np.diff(np.interp(places, np.arange(1, len(twice) + 1), twice, left=0.0), 2) / width**2


@lru_cache(maxsize=8)
def _drawn(bins: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A sign for each real and each imaginary part, and the number that it goes into."""
    generator = np.random.default_rng(0)
    return generator.choice((-1.0, 1.0), 2 * bins), generator.integers(0, VALUES, 2 * bins)
