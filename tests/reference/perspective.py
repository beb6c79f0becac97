"""A feed-forward over every vector of values that differ only along the chosen axes."""

import numpy as np

from mixkit.registry import Site
from tests.reference.feed_forward import Weights, feed_forward


def perspective(
    x: np.ndarray, site: Site, weights: Weights, axes: tuple[str, ...], activation: str = "gelu", **_: object
) -> np.ndarray:
    vectors: dict[tuple[object, ...], list[tuple[int, int]]] = {}
    for n in range(site.tokens):
        row, column = divmod(n - site.prefix, site.grid.time)  # frequency-major
        for c in range(site.width):
            if "frequency" in axes and "time" in axes:
                held: tuple[object, ...] = ()
            elif "frequency" in axes:
                held = (column,)
            elif "time" in axes:
                held = (row,)
            else:
                held = (n,)
            vectors.setdefault(held if "channel" in axes else (*held, c), []).append((n, c))
    out = np.zeros_like(x)
    for places in vectors.values():
        mixed = feed_forward([x[place] for place in places], weights, activation)
        for place, value in zip(places, mixed, strict=True):
            out[place] = value
    return out
