"""Groups of channels rolled along time, value by value."""

import numpy as np

from mixkit.registry import Site
from tests.reference.feed_forward import Weights


def dilated_roll(x: np.ndarray, site: Site, weights: Weights, groups: int) -> np.ndarray:
    time = site.grid.time
    group, steps = [], {0: 0}
    for number in range(1, groups):
        steps[number] = 2 ** ((number - 1) // 2) * (1 if number % 2 else -1)
    for number in range(groups):  # as even as can be, the first ones larger
        group += [number] * (site.width // groups + (number < site.width % groups))
    out = np.zeros_like(x)
    for f in range(site.grid.frequency):
        for t in range(time):
            for c in range(site.width):
                out[f * time + (t + steps[group[c]]) % time, c] = x[f * time + t, c]
    return out
