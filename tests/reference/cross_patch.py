"""A weighted sum over all tokens, value by value. ResMLP, arXiv:2105.03404, eq. 2, between norm and layer scale."""

import numpy as np

from mixkit.registry import Site
from tests.reference.feed_forward import Weights


def cross_patch(x: np.ndarray, site: Site, weights: Weights) -> np.ndarray:
    out = np.zeros_like(x)
    for n in range(site.tokens):
        for c in range(site.width):
            total = weights["tokens.bias"][n]
            for m in range(site.tokens):
                total += weights["tokens.weight"][n, m] * x[m, c]
            out[n, c] = total
    return out
