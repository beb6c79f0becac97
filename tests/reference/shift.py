"""Partial shift, patch by patch. ShiftViT, arXiv:2201.10801, algorithm 1."""

import numpy as np

from mixkit.registry import Site
from tests.reference.feed_forward import Weights


def shift(x: np.ndarray, site: Site, weights: Weights, parts: int, wrap: bool) -> np.ndarray:
    rows, columns, share = site.grid.frequency, site.grid.time, site.width // parts
    steps = [(0, 1), (0, -1), (1, 0), (-1, 0)]
    out = np.zeros_like(x)
    for f in range(rows):
        for t in range(columns):
            for c in range(site.width):
                up, on = steps[c // share] if c // share < 4 else (0, 0)
                row, column = f + up, t + on
                if wrap:
                    row, column = row % rows, column % columns
                if 0 <= row < rows and 0 <= column < columns:
                    out[f * columns + t, c] = x[row * columns + column, c]
    return out
