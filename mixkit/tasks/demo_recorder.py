"""Recording devices, each with an ear of its own, and the street they stand in."""

from dataclasses import dataclass

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from mixkit.tasks.demo_synthesis import RATE, Wave, hiss, log_uniform

Spectrum = NDArray[np.complex128]

LOUDNESS = (-34.0, -18.0)  # dB, root mean square, against full scale
PEAK = 0.95  # of full scale, at most

# Chosen so that logistic regression on average spectra stays near one in three and small networks learn the rest.
ABOVE_STREET = (-2.0, 20.0)  # dB, the sound against the street noise
FLATTENED = 0.4  # of the difference between octaves, taken away
DEEPEST = 30.0  # dB; a band further below the loudest is not brought up any more
BENT = 5.0  # dB a band, either way
TILTED = 3.0  # dB an octave, either way


@dataclass(frozen=True)
class Recorder:
    """A device, by what it does to sound.

    Args:
        low_cut: where it begins, Hz.
        high_cut: where it begins, Hz.
        tilt: dB an octave.
        peaks: resonances: centre in Hz, sharpness, gain.
        noise: its own, against the scene, dB.
        colour: slope of its noise; 0 is white, 1 pink, 2 brown.
        gain: dB.
    """

    low_cut: float
    high_cut: float
    tilt: float
    peaks: tuple[tuple[float, float, float], ...]
    noise: float
    colour: float
    gain: float

    @classmethod
    def draw(cls, rng: RandomState) -> "Recorder":
        """A device that nobody has seen before."""
        return cls(
            low_cut=log_uniform(rng, 40, 250),
            high_cut=log_uniform(rng, 3000, 7000),
            tilt=rng.uniform(-3, 3),
            peaks=tuple((log_uniform(rng, 200, 5000), rng.uniform(1, 4), rng.uniform(-0.7, 2.0)) for _ in range(3)),
            noise=rng.uniform(-40, -22),
            colour=rng.uniform(0, 1),
            gain=rng.uniform(-6, 6),
        )

    def response(self, samples: int) -> Spectrum:
        """What it does to the spectrum of so many samples."""
        frequency = _frequencies(samples)
        low, high = 1j * frequency / self.low_cut, 1j * frequency / self.high_cut
        response: Spectrum = low / (1 + low) / (1 + high) ** 2 * (frequency / 1000) ** (self.tilt / 6.02)
        for centre, sharpness, gain in self.peaks:
            response *= 1 + gain / (1 + 1j * sharpness * (frequency / centre - centre / frequency))
        return response


def record(sound: Wave, recorder: Recorder, rng: RandomState) -> NDArray[np.int16]:
    """A clip of 16 bit: the sound in a random street, at a random level, through the device."""
    samples = len(sound)
    street = _noise(rng, samples, rng.uniform(0, 1.8)) * 10 ** (-rng.uniform(*ABOVE_STREET) / 20)
    scene = _level(_colour(np.fft.rfft(sound), rng)) + street
    own = _noise(rng, samples, recorder.colour) * 10 ** (recorder.noise / 20)
    recorded = np.fft.irfft(_level(scene * recorder.response(samples)) + own, samples)
    loudness = 10 ** ((rng.uniform(*LOUDNESS) + recorder.gain) / 20)
    recorded *= min(loudness, PEAK / float(np.abs(recorded).max()))
    return np.round(recorded * 32767).astype(np.int16)


def _colour(spectrum: Spectrum, rng: RandomState) -> Spectrum:
    """A sound with its average spectrum flattened in part, and bent to a random curve.

    Distance, walls and weather do this to a sound. Here they do it so strongly that the average spectrum says little
    about the class, and a model has to listen to how the sound moves.
    """
    octave = np.log2(_frequencies(2 * len(spectrum) - 2))
    bands = np.log2(np.geomspace(60, RATE / 2, 9))
    parts = np.split(spectrum, np.searchsorted(octave, (bands[1:] + bands[:-1]) / 2))
    power = np.array([np.mean(np.abs(part) ** 2) for part in parts])
    loud = 10 * np.log10(power / power.max() + 10 ** (-DEEPEST / 10))
    bent = rng.uniform(-BENT, BENT, len(bands)) + rng.uniform(-TILTED, TILTED) * (bands - bands.mean())
    gain = np.interp(octave, bands, bent - FLATTENED * loud)
    coloured: Spectrum = spectrum * 10 ** (gain / 20)
    return coloured


def _noise(rng: RandomState, samples: int, colour: float) -> Spectrum:
    """Noise whose power falls as frequency to the `colour`, at a root mean square of 1."""
    return _level(np.fft.rfft(hiss(rng, samples)) * np.maximum(_frequencies(samples), 50) ** (-colour / 2))


def _level(spectrum: Spectrum) -> Spectrum:
    """The same at a root mean square of 1 over its samples, by Parseval's theorem."""
    power = 2 * np.sum(spectrum.real**2 + spectrum.imag**2)
    return spectrum * (2 * len(spectrum) - 2) / np.sqrt(power)


def _frequencies(samples: int) -> Wave:
    return np.maximum(np.fft.rfftfreq(samples, 1 / RATE), 1.0)
