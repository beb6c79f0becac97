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


class Sketch:
    """A random projection of the spectrum in a band that every copy has, phases included: 256 numbers from -127 to 127.

    The spectrum is taken of a whole number of seconds, the end filled with silence, so that its bins are the same
    frequencies at every sample rate. Each is divided by the root of its magnitude, so that the loudest partial does
    not speak for all. The sum over bins that each number is has signs and members drawn once and for all. Angles
    between spectra become angles between sketches: for two copies the cosine is 1, for two recordings near 0, however
    alike they sound, because their phases have nothing to do with each other.

    Paper: Charikar, Chen and Farach-Colton 2002, "Finding frequent items in data streams" (count sketch).

    Args:
        sample_rate: Hz.
    """

    def __init__(self, sample_rate: int):
        self._width = sample_rate / LOW_RATE
        self._left = SECONDS * sample_rate if sample_rate >= LOW_RATE else 0
        self._sample_rate, self._samples = sample_rate, 0
        self._squares = 0.0
        self._once = self._twice = 0.0  # the integral at the last sample, and its integral
        self._passed = [np.zeros(2)]  # the second at the places of the low rate, of which one lies ahead

    def add(self, block: NDArray[np.float32]) -> None:
        """Goes on with the recording: `s`."""
        part = block[: self._left]
        if not len(part):
            return
        self._left -= len(part)
        self._integrate(part)

    def finish(self) -> bytes:
        """The numbers; none where there is too little in the band to tell it from any other."""
        if not self._samples:
            return b""
        length = self._samples / self._sample_rate
        seconds = math.ceil(length + 0.37)  # recordings are seldom cut so that this falls between two
        low, high = (hertz * seconds for hertz in BAND)
        spectrum = np.fft.rfft(self._at_low_rate(), seconds * LOW_RATE)[low:high]
        magnitude = np.abs(spectrum)
        energy = 2 * float(np.square(magnitude).sum()) / (seconds * LOW_RATE * length * LOW_RATE)
        variance = self._squares / self._samples - (self._once / self._samples) ** 2
        if energy < max(FAINTEST**2, LEAST * variance):
            return b""
        spectrum /= np.sqrt(np.maximum(magnitude, np.finfo(magnitude.dtype).tiny))
        signs, members = _drawn(high - low)
        values = np.bincount(members, signs * spectrum.view(np.float64), VALUES)
        return np.rint(127 / np.abs(values).max() * values).astype(np.int8).tobytes()

    def _integrate(self, part: NDArray[np.float32]) -> None:
        """The integral's integral, at the places of the low rate."""
        integral = np.empty(len(part) + 1)
        integral[0], integral[1:] = self._once, part
        self._squares += float(np.einsum("i,i", integral[1:], integral[1:]))
        np.cumsum(integral, out=integral)
        self._once, integral[0] = float(integral[-1]), self._twice
        np.cumsum(integral, out=integral)
        self._twice = float(integral[-1])
        begin, end = self._samples, self._samples + len(part)
        first, last = (place * LOW_RATE // self._sample_rate for place in (begin, end))
        places = np.arange(first + 1, last + 1) * self._width - begin
        before = np.minimum(places.astype(np.int64), len(part) - 1)
        lower = integral[before]
        self._passed.append(lower + (places - before) * (integral[before + 1] - lower))
        self._samples = end

    def _at_low_rate(self) -> NDArray[np.float64]:
        """Averages under triangles that overlap by half, from differences of it: fast at any rate."""
        rest = [self._twice] if self._samples * LOW_RATE % self._sample_rate else []
        return np.diff(np.concatenate((*self._passed, rest)), 2) / self._width**2


@lru_cache(maxsize=8)
def _drawn(bins: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A sign for each real and each imaginary part, and the number that it goes into."""
    generator = np.random.default_rng(0)
    return generator.choice((-1.0, 1.0), 2 * bins), generator.integers(0, VALUES, 2 * bins)
