"""Ten everyday sounds made from scratch, in homage to the classes of UrbanSound8K.

They differ in how they move over time and pitch, not in where their energy lies: pitches, timbres and levels overlap.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import RandomState

from mixkit.tasks.demo_synthesis import (
    RATE,
    Wave,
    drift,
    hiss,
    log_uniform,
    place,
    resonate,
    samples_of,
    spread,
    strikes,
    swell,
    timbre,
    times,
    tone,
)


def air_conditioner(rng: RandomState, samples: int) -> Wave:
    """Rushing air and a hum, the same from beginning to end."""
    air = resonate(hiss(rng, samples), [log_uniform(rng, 200, 4000) for _ in range(3)], 1.0)
    hum = tone(np.full(samples, log_uniform(rng, 60, 400)), timbre(rng, 12, 1.5, 0.3))
    breath = 1 + 0.15 * np.sin(2 * np.pi * (rng.uniform(0.3, 1.0) * times(samples) + rng.uniform()))
    loud = air / air.std() + rng.uniform(0.3, 1.2) * hum / hum.std()
    return loud * breath


def car_horn(rng: RandomState, samples: int) -> Wave:
    """Two bright notes a third apart, held level, that start and stop at once."""
    clip = np.zeros(samples)
    low, third = log_uniform(rng, 220, 700), rng.uniform(1.18, 1.34)
    partials = timbre(rng, 16, 1.3, 0.2)
    starts = spread(rng, samples, 0.3, 1.7, 0.5)
    for start in starts:
        length = samples_of(rng.uniform(0.2, 0.65 * samples / RATE / len(starts)))
        flat = np.ones(length)
        honk = tone(low * flat, partials) + tone(low * third * flat, partials)
        place(clip, honk * swell(length, 0.01, 0.03), start)
    return clip


def children_playing(rng: RandomState, samples: int) -> Wave:
    """Several high voices that call over each other, each gliding up and down."""
    clip = np.zeros(samples)
    for start in spread(rng, samples, 2.3, 4.2, 0.3):
        length = samples_of(rng.uniform(0.15, 0.45))
        time = np.linspace(0, 1, length)
        bend = rng.uniform(0.15, 0.5) * rng.choice([-1, 1]) * np.sin(np.pi * time * rng.uniform(0.8, 1.6))
        pitch = log_uniform(rng, 260, 750) * np.exp(bend)
        vowel = [log_uniform(rng, 500, 1200), log_uniform(rng, 1200, 4000)]
        call = resonate(tone(pitch, timbre(rng, 20, 1.2, 0.3)), vowel, rng.uniform(2, 6))
        place(clip, call * swell(length, 0.04, 0.08) * rng.uniform(0.4, 1.2) / call.std(), start)
    return clip


def dog_bark(rng: RandomState, samples: int) -> Wave:
    """Short hoarse bursts of a voice that falls, from one dog."""
    clip = np.zeros(samples)
    pitch, throat = log_uniform(rng, 220, 750), [log_uniform(rng, 450, 1300), log_uniform(rng, 1300, 4000)]
    length, partials = samples_of(rng.uniform(0.1, 0.22)), timbre(rng, 20, 1.2, 0.3)
    time = np.linspace(0, 1, length)
    for start in spread(rng, samples, 0.8, 2.2, 0.3):
        fall = pitch * rng.uniform(0.92, 1.08) * np.exp(0.35 * np.sin(np.pi * time**0.6) - 0.5 * time)
        voice = tone(fall, partials)
        rough = voice / voice.std() + rng.uniform(0.3, 0.9) * hiss(rng, length)
        bark = resonate(rough, throat, rng.uniform(1.5, 4)) * np.minimum(time / 0.08, 1) * (1 - time) ** 0.7
        place(clip, bark * rng.uniform(0.7, 1.2) / bark.std(), start)
    return clip


def drilling(rng: RandomState, samples: int) -> Wave:
    """A motor that spins up, labours under its load with a whine, and spins down."""
    clip = np.zeros(samples)
    pitch, partials = log_uniform(rng, 200, 700), timbre(rng, 16, 1.2, 0.2)
    starts = spread(rng, samples, 0.3, 1.2, 0.6)
    for start in starts:
        length = samples_of(rng.uniform(0.6, 0.95) * samples / RATE / len(starts))
        time = times(length)
        run = (1 - np.exp(-time / rng.uniform(0.05, 0.15))) * np.minimum((time[-1] - time) / 0.12 + 0.3, 1)
        whine = tone(pitch * run * (1 + 0.04 * drift(rng, length, 18)), partials)
        grit = np.diff(hiss(rng, length + 1)) * (1 + 0.8 * drift(rng, length, 30))
        motor = whine / whine.std() + rng.uniform(0.2, 0.7) * grit / grit.std()
        place(clip, motor * swell(length, 0.03, 0.08), start)
    return clip


def engine_idling(rng: RandomState, samples: int) -> Wave:
    """Soft thumps, eight to sixteen a second without a rest, that come round in fours of unlike strength."""
    clip = np.zeros(samples)
    cylinders, case = rng.uniform(0.4, 1.3, 4), [log_uniform(rng, 90, 2500) for _ in range(4)]
    for number, start in enumerate(strikes(rng, samples, log_uniform(rng, 8, 16), 0.05)):
        length = samples_of(0.12)
        time = times(length)
        thump = hiss(rng, length) * time * np.exp(-time / 0.014)
        place(clip, thump * cylinders[number % 4], start)
    return resonate(clip, case, rng.uniform(1.5, 4))


def gun_shot(rng: RandomState, samples: int) -> Wave:
    """A bang out of nothing, and its echo dying away."""
    clip = np.zeros(samples)
    body = [log_uniform(rng, 150, 4000) for _ in range(3)]
    for start in spread(rng, samples, 0.3, 1.7, 0.7):
        length = samples_of(rng.uniform(0.5, 1.0))
        time = times(length)
        blast = np.exp(-time / rng.uniform(0.01, 0.03)) + rng.uniform(0.1, 0.3) * np.exp(-time / rng.uniform(0.1, 0.2))
        place(clip, rng.uniform(0.6, 1.2) * blast * hiss(rng, length), start)
    return resonate(clip, body, 1.0)


def jackhammer(rng: RandomState, samples: int) -> Wave:
    """Hard ringing blows, eighteen to thirty a second, dead even, in bouts."""
    clip = np.zeros(samples)
    steel = [log_uniform(rng, 300, 5000) for _ in range(4)]
    length = samples_of(0.03)
    time = times(length)
    for start in strikes(rng, samples, log_uniform(rng, 18, 30)):
        place(clip, hiss(rng, length) * np.exp(-time / 0.004), start)
    bout = rng.uniform(0.5, 1.2)
    working = (times(samples) / bout + rng.uniform()) % 1.3 < 1.0
    return resonate(clip, steel, rng.uniform(3, 8)) * working


def siren(rng: RandomState, samples: int) -> Wave:
    """One voice that sweeps up and down, or steps between two notes, over and over."""
    time = times(samples)
    kind = rng.choice(["wail", "yelp", "two notes"])
    rate = {"wail": rng.uniform(0.4, 1.0), "yelp": rng.uniform(2, 4), "two notes": rng.uniform(0.7, 1.4)}[kind]
    cycle = (time * rate + rng.uniform()) % 1
    height: Wave = np.where(cycle < 0.5, 1.0, 0.0) if kind == "two notes" else 1 - np.abs(2 * cycle - 1)
    pitch: Wave = log_uniform(rng, 300, 800) * rng.uniform(1.35, 2.3) ** height
    return tone(pitch, timbre(rng, 10, 2.0, 0.5))


def street_music(rng: RandomState, samples: int) -> Wave:
    """Plucked notes of a scale on a beat, each ringing on under the next."""
    clip = np.zeros(samples)
    home, partials = log_uniform(rng, 180, 500), timbre(rng, 14, 1.6, 0.4)
    scale = np.array([0, 2, 4, 7, 9, 12, 14, 16])
    ring = log_uniform(rng, 0.12, 0.4)
    for start in strikes(rng, samples, rng.uniform(2.8, 5.5)):
        length = samples_of(3 * ring)
        time = times(length)
        pitch = home * 2 ** (rng.choice(scale) / 12)
        note = tone(np.full(length, pitch), partials) * np.exp(-time / ring) * np.minimum(time / 0.005, 1)
        place(clip, note * rng.uniform(0.6, 1.2), start)
    return clip


SOUNDS: Mapping[str, Callable[[RandomState, int], Wave]] = {
    sound.__name__: sound
    for sound in (
        air_conditioner,
        car_horn,
        children_playing,
        dog_bark,
        drilling,
        engine_idling,
        gun_shot,
        jackhammer,
        siren,
        street_music,
    )
}
