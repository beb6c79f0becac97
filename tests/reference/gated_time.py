"""Each token times a gate computed from its row, then a map over channels. After gMLP, arXiv:2105.08050."""

import numpy as np

from mixkit.registry import Site
from tests.reference.feed_forward import Weights


def gated_time(x: np.ndarray, site: Site, weights: Weights, bias: float) -> np.ndarray:
    time = site.grid.time
    out = np.zeros_like(x)
    for f in range(site.grid.frequency):
        for t in range(time):
            gated = np.zeros(site.width)
            for c in range(site.width):
                gate = weights["over_time.bias"][t]
                for other in range(time):
                    gate += weights["over_time.weight"][t, other] * x[f * time + other, c]
                gated[c] = x[f * time + t, c] * gate
            out[f * time + t] = weights["out.weight"] @ gated + weights["out.bias"]
    return out
