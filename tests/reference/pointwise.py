"""A weighted sum over the channels of each token. ConvMixer, arXiv:2201.09792, section 2."""

import numpy as np

from mixkit.registry import Site
from tests.reference.feed_forward import Weights


def pointwise(x: np.ndarray, site: Site, weights: Weights, bias: bool) -> np.ndarray:
    out = np.zeros_like(x)
    for n in range(site.tokens):
        for i in range(site.width):
            total = weights["channels.bias"][i] if bias else 0.0
            out[n, i] = total + sum(weights["channels.weight"][i, j] * x[n, j] for j in range(site.width))
    return out
