"""Tokens dealt to rows that each have a feed-forward. MTS-Mixer, arXiv:2302.04501, section 4.2."""

import numpy as np

from mixkit.registry import Site
from tests.reference.feed_forward import Weights, feed_forward


def factorized_token(
    x: np.ndarray, site: Site, weights: Weights, parts: int, activation: str, **_: object
) -> np.ndarray:
    out = np.zeros_like(x)
    for part in range(parts):
        own = {f"feed_forward{name[6:]}": w for name, w in weights.items() if name.startswith(f"rows.{part}.")}
        places = [n for n in range(site.tokens) if n % parts == part]
        for c in range(site.width):
            for n, value in zip(places, feed_forward([x[n, c] for n in places], own, activation), strict=True):
                out[n, c] = value
    return out
