"""gMLP's block token by token, arXiv:2105.08050, equations 1 to 3 and section 2.1."""

import math

import numpy as np

from mixkit.registry import Site
from tests.reference.feed_forward import Weights, bend


def spatial_gate(x: np.ndarray, site: Site, weights: Weights, activation: str, **_: object) -> np.ndarray:
    half = len(weights["norm.weight"])
    passed, heard = np.zeros((site.tokens, half)), np.zeros((site.tokens, half))
    for n in range(site.tokens):
        units = weights["expand.weight"] @ x[n] + weights["expand.bias"]
        units = [bend(unit, activation) for unit in units]
        passed[n], second = units[:half], units[half:]
        mean = sum(second) / half
        deviation = math.sqrt(sum((value - mean) ** 2 for value in second) / half + 1e-5)
        for j in range(half):
            heard[n, j] = (second[j] - mean) / deviation * weights["norm.weight"][j] + weights["norm.bias"][j]
    out = np.zeros_like(x)
    for n in range(site.tokens):
        gate = [
            sum(weights["spatial.weight"][n, m] * heard[m, j] for m in range(site.tokens)) + weights["spatial.bias"][n]
            for j in range(half)
        ]
        out[n] = weights["contract.weight"] @ (passed[n] * gate) + weights["contract.bias"]
    return out
