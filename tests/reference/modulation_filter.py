"""A complex gain for each rhythm of each row and channel. GFNet, arXiv:2107.00645, equations 4 and 5, along time."""

import cmath

import numpy as np

from mixkit.registry import Site
from tests.reference.feed_forward import Weights


def modulation_filter(x: np.ndarray, site: Site, weights: Weights, spread: float) -> np.ndarray:
    time = site.grid.time
    gains, shifts = weights["gains"], weights["shifts"]
    out = np.zeros_like(x)
    for f in range(site.grid.frequency):
        for c in range(site.width):
            row = x[f * time : (f + 1) * time, c]
            for k in range(time):
                mirrored = min(k, time - k)
                shift = shifts[f, mirrored - 1, c] if 0 < 2 * mirrored < time else 0.0
                gain = complex(gains[f, mirrored, c], -shift if k == mirrored else shift)
                found = sum(row[t] * cmath.exp(-2j * cmath.pi * k * t / time) for t in range(time)) * gain
                for t in range(time):
                    out[f * time + t, c] += (found * cmath.exp(2j * cmath.pi * k * t / time)).real / time
    return out
