"""What the demo sounds are made of: tones, noise, resonances, and when things happen.

All in double precision, so that what machines compute differently is gone after rounding to 16 bit.
"""

from collections.abc import Sequence

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

Wave = NDArray[np.float64]

RATE = 16_000  # Hz
HIGHEST = 7_600.0  # Hz; partials above it would fold back


def samples_of(seconds: float) -> int:
    """A duration in samples, at least one."""
    return max(1, round(seconds * RATE))


def times(samples: int) -> Wave:
    """When each sample is, in seconds."""
    return np.arange(samples) / RATE


def log_uniform(rng: RandomState, low: float, high: float) -> float:
    """A draw that favours no octave."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def hiss(rng: RandomState, samples: int) -> Wave:
    """White noise. Its samples are evenly spread, so that they come out the same on every machine."""
    return rng.uniform(-1.0, 1.0, samples)


def tone(pitch: Wave, partials: Wave) -> Wave:
    """Partials over a pitch in Hz per sample, faded out where they come near half the sample rate."""
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    twice_cosine = 2 * np.cos(phase)
    below, partial = np.zeros_like(phase), np.sin(phase)
    sound = np.zeros_like(phase)
    highest, lowest = pitch.max(), pitch.min()
    for number, strength in enumerate(partials, 1):
        if number * lowest > HIGHEST:
            break
        fade = np.clip((HIGHEST - number * pitch) / 500, 0, 1) if number * highest > HIGHEST - 500 else 1.0
        sound += strength * fade * partial
        below, partial = partial, twice_cosine * partial - below  # sin((n + 1) x) from the two before
    return sound


def timbre(rng: RandomState, count: int, dark: float, bright: float) -> Wave:
    """Strengths of partials: a random slope between the two, each partial a little off it."""
    slope = rng.uniform(bright, dark)
    return np.arange(1, count + 1) ** -slope * rng.uniform(0.4, 1.6, count)


def swell(samples: int, attack: float, release: float) -> Wave:
    """A loudness that rises for `attack` seconds and falls for `release` seconds."""
    time = times(samples)
    return np.minimum(np.minimum(time / attack, (samples / RATE - time) / release), 1.0)


def drift(rng: RandomState, samples: int, rate: float) -> Wave:
    """A random curve between -1 and 1 that turns about `rate` times a second."""
    knots = int(samples / RATE * rate) + 3
    curve: Wave = np.interp(times(samples) * rate, np.arange(knots), rng.uniform(-1, 1, knots))
    return curve


def resonate(sound: Wave, centres: Sequence[float], sharpness: float) -> Wave:
    """The sound through resonances side by side, as a throat or a case gives it; they ring after, never before."""
    size = 1 << (len(sound) + RATE // 10 - 1).bit_length()  # room to ring, so that the end does not reach the start
    frequency = np.maximum(np.fft.rfftfreq(size, 1 / RATE), 1.0)
    response = sum(1 / (1 + 1j * sharpness * (frequency / centre - centre / frequency)) for centre in centres)
    ringing: Wave = np.fft.irfft(np.fft.rfft(sound, size) * response, size)
    return ringing[: len(sound)]


def place(clip: Wave, sound: Wave, start: int) -> None:
    """Add a sound to the clip; what stands over its end is lost."""
    part = sound[: max(0, len(clip) - start)]
    clip[start : start + len(part)] += part


def strikes(rng: RandomState, samples: int, rate: float, unevenness: float = 0.0) -> list[int]:
    """Where a hammer falls that strikes `rate` times a second, give or take a share of the beat."""
    beats = np.arange(rng.uniform(0, 1), samples / RATE * rate, 1.0)
    beats = beats + unevenness * rng.uniform(-1, 1, len(beats))
    return [int(beat / rate * RATE) for beat in beats if 0 <= beat / rate * RATE < samples]


def spread(rng: RandomState, samples: int, fewest: float, most: float, longest: float) -> list[int]:
    """Starts of events that do not crowd: between `fewest` and `most` a second, each in a stretch of its own.

    The last is early enough that `longest` seconds of it are heard.
    """
    count = max(1, round(rng.uniform(fewest, most) * samples / RATE))
    room = max(samples - samples_of(longest), samples // 4)
    return [int((number + rng.uniform(0, 0.6)) * room / count) for number in range(count)]
