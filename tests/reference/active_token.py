"""Active token mixing, value by value. arXiv:2203.06108, section 3.2, and its authors' code."""

import math

import numpy as np

from mixkit.registry import Site
from tests.reference.feed_forward import Weights, bend


def active_token(x: np.ndarray, site: Site, weights: Weights, share: int) -> np.ndarray:
    rows, moments, width = site.grid.frequency, site.grid.time, site.width
    cube = x.reshape(rows, moments, width)

    def mapped(vector: np.ndarray, name: str) -> np.ndarray:
        out = weights[f"{name}.weight"] @ vector
        return out + weights.get(f"{name}.bias", np.zeros(len(out)))  # type: ignore[no-any-return]

    def value(p: float, q: float, c: int) -> float:
        """Of channel c, between patches by linear interpolation along whichever axis needs it."""
        total = 0.0
        for row in range(rows):
            for moment in range(moments):
                near = max(0.0, 1 - abs(row - p)) * max(0.0, 1 - abs(moment - q))
                total += near * cube[row, moment, c]
        return total

    three = np.zeros((3, rows, moments, width))
    for p in range(rows):
        for q in range(moments):
            token = cube[p, q]
            normed = (token - token.mean()) / math.sqrt(token.var() + 1e-5)
            distance = mapped(normed * weights["norm.weight"] + weights["norm.bias"], "distances")
            own = len(distance) // 2
            in_time = np.array([value(p, q + distance[c // share], c) for c in range(width)])
            in_frequency = np.array([value(p + distance[own + c // share], q, c) for c in range(width)])
            three[:, p, q] = mapped(in_time, "time"), mapped(in_frequency, "frequency"), mapped(token, "channel")
    mean = three.sum(0).mean((0, 1))
    hidden = np.array([bend(unit, "gelu") for unit in mapped(mean, "weigh.0")])
    scores = np.exp(mapped(hidden, "weigh.2").reshape(width, 3))
    weighed = scores / scores.sum(1, keepdims=True)
    out = np.zeros_like(cube)
    for p in range(rows):
        for q in range(moments):
            out[p, q] = mapped(sum(three[way, p, q] * weighed[:, way] for way in range(3)), "projection")
    return out.reshape(rows * moments, width)
