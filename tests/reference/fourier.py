"""What mixes by Fourier transforms, written out as sums of cosines and sines."""

import cmath
import math
from collections.abc import Callable

import numpy as np

from mixkit.registry import Site
from tests.reference.feed_forward import Weights


def turn(*shares: float) -> complex:
    return cmath.exp(-2j * math.pi * sum(shares))


def fourier(x: np.ndarray, site: Site, weights: Weights, norm: str) -> np.ndarray:
    """FNet, arXiv:2105.03824, eq. 3: the real part of the transform over the tokens of that over the channels."""
    tokens, width = x.shape
    over_tokens = np.array([[turn(i * k / tokens) for i in range(tokens)] for k in range(tokens)])
    over_channels = np.array([[turn(j * m / width) for m in range(width)] for j in range(width)])
    scale = {"backward": 1.0, "ortho": (tokens * width) ** -0.5, "forward": 1 / (tokens * width)}[norm]
    return (scale * over_tokens @ x @ over_channels).real


def global_filter(x: np.ndarray, site: Site, weights: Weights, spread: float) -> np.ndarray:
    """GFNet, arXiv:2107.00645, eqs. 4 and 5."""
    real, imaginary = np.moveaxis(weights["filter"], -1, 0)
    return filtered(x, site, lambda p, q, values: (real + 1j * imaginary)[p, q] * values)


def frequency_filter(
    x: np.ndarray, site: Site, weights: Weights, blocks: int, activation: str, shrink: float, skip: bool
) -> np.ndarray:
    """AFF, arXiv:2307.14008, eqs. 5 and 6, by its authors' code."""
    size = site.width // blocks

    def both(function: Callable[[np.ndarray], np.ndarray], values: np.ndarray) -> np.ndarray:
        return function(values.real) + 1j * function(values.imag)

    def through(name: str, block: int, values: np.ndarray) -> np.ndarray:
        weight, bias = weights[f"{name}.weight"][:, block], weights[f"{name}.bias"][:, block]
        return values @ (weight[0] + 1j * weight[1]) + bias[0] + 1j * bias[1]

    def bent(values: np.ndarray) -> np.ndarray:
        return np.maximum(values, 0) if activation == "relu" else values / (1 + np.exp(-values))

    def weighed(_: int, __: int, values: np.ndarray) -> np.ndarray:
        out = np.empty_like(values)
        for block in range(blocks):
            own = slice(block * size, (block + 1) * size)
            mask = through("second", block, both(bent, through("first", block, values[own])))
            out[own] = both(lambda part: np.sign(part) * np.maximum(np.abs(part) - shrink, 0), mask) * values[own]
        return out

    return filtered(x, site, weighed) + (x if skip else 0)


def filtered(x: np.ndarray, site: Site, change: Callable[[int, int, np.ndarray], np.ndarray]) -> np.ndarray:
    """The grid as a sum of rhythms, each changed; those that mirror another are changed as it is."""
    rows, columns = site.grid.frequency, site.grid.time
    out = np.zeros_like(x)
    for p in range(rows):
        for q in range(columns // 2 + 1):
            spectrum = sum(
                x[f * columns + t] * turn(p * f / rows, q * t / columns) for f in range(rows) for t in range(columns)
            )
            values = change(p, q, spectrum / math.sqrt(rows * columns)) / math.sqrt(rows * columns)
            times = 1 if q in (0, columns / 2) else 2
            for f in range(rows):
                for t in range(columns):
                    out[f * columns + t] += times * (values * turn(-p * f / rows, -q * t / columns)).real
    return out
