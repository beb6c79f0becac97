"""Shifts, patch by patch: ShiftViT, Wu et al., S2-MLP, and shifts between patches."""

import math

import numpy as np

from mixkit.registry import Site
from tests.reference.feed_forward import Weights, bend

CROSS = [(0, 1), (0, -1), (1, 0), (-1, 0)]


def shift(
    x: np.ndarray, site: Site, weights: Weights, parts: int, groups: tuple[int, int] | None, edges: str
) -> np.ndarray:
    """arXiv:2201.10801, algorithm 1; with groups, arXiv:1711.08141, eq. 3."""
    rows, columns, share = site.grid.frequency, site.grid.time, site.width // parts
    steps = CROSS
    if groups is not None:
        down, back = groups[0] // 2, groups[1] // 2
        steps = [(down - u, back - v) for u in range(groups[0]) for v in range(groups[1]) if (u, v) != (down, back)]
    out = np.zeros_like(x)
    for f in range(rows):
        for t in range(columns):
            for c in range(site.width):
                up, on = steps[c // share] if c // share < len(steps) else (0, 0)
                row, column = f + up, t + on
                if edges == "wrap":
                    row, column = row % rows, column % columns
                if edges == "keep":
                    row, column = min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)
                if 0 <= row < rows and 0 <= column < columns:
                    out[f * columns + t, c] = x[row * columns + column, c]
    return out


def spatial_shift(x: np.ndarray, site: Site, weights: Weights, activation: str) -> np.ndarray:
    """arXiv:2106.07477, eqs. 4 to 7."""
    units = x @ weights["expand.weight"].T + weights["expand.bias"]
    units = np.array([[bend(unit, activation) for unit in token] for token in units])
    moved = shift(units, site, weights, 4, None, "keep")
    return moved @ weights["contract.weight"].T + weights["contract.bias"]


def active_shift(x: np.ndarray, site: Site, weights: Weights, reach: float) -> np.ndarray:
    """arXiv:1806.07370, eqs. 4 and 5."""
    rows, columns = site.grid.frequency, site.grid.time
    out = np.zeros_like(x)
    for f in range(rows):
        for t in range(columns):
            for c in range(site.width):
                up, on = f + weights["shifts"][0, c], t + weights["shifts"][1, c]
                for row in (math.floor(up), math.floor(up) + 1):
                    for column in (math.floor(on), math.floor(on) + 1):
                        if 0 <= row < rows and 0 <= column < columns:
                            share = (1 - abs(up - row)) * (1 - abs(on - column))
                            out[f * columns + t, c] += share * x[row * columns + column, c]
    return out
