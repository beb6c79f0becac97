"""The Hermitian transform and the inverse real one as sums, at full width. ASM-RH, arXiv:2402.18007, II-C."""

import math

import numpy as np

from mixkit.registry import Site
from tests.reference.feed_forward import Weights, feed_forward

INTO = {"backward": lambda n: 1.0, "ortho": lambda n: 1 / math.sqrt(n), "forward": lambda n: 1 / n}
BACK = {"backward": INTO["forward"], "ortho": INTO["ortho"], "forward": INTO["backward"]}


def cosines(values: list[float], period: int, scale: float) -> list[float]:
    """y[m] = x[0] + (-1)^m x[N/2] + 2 sum_{0<k<N/2} x[k] cos(2 pi k m / N); without the second term for odd N."""
    out = []
    for m in range(period):
        total = values[0]
        for k in range(1, (period + 1) // 2):
            total += 2 * values[k] * math.cos(2 * math.pi * ((k * m) % period) / period)
        if period % 2 == 0:
            total += (-1) ** m * values[period // 2]
        out.append(scale * total)
    return out


def hermit(
    x: np.ndarray, site: Site, weights: Weights, variant: str, norm: str, axis: str, activation: str = "", **_: object
) -> np.ndarray:
    rows = x if axis == "channel" else x.T
    length = rows.shape[1]
    period = length if variant == "paper" else 2 * (length - 1)
    spectrum = np.array([cosines(list(row), period, INTO[norm](period)) for row in rows])
    if weights and axis == "channel":
        spectrum = np.array([feed_forward(list(column), weights, activation) for column in spectrum.T]).T
    elif weights:  # only the distinct columns have weights, and IRFFT reads no others
        spectrum = np.array([feed_forward(list(row[: period // 2 + 1]), weights, activation) for row in spectrum])
    out = np.array([cosines(list(row), period, BACK[norm](period))[:length] for row in spectrum])
    return out if axis == "channel" else out.T
