"""What a patch gets of those around it, patch by patch: depthwise convolution and PoolFormer's pooling."""

import numpy as np

from mixkit.registry import Site
from tests.reference.feed_forward import Weights


def convolution(
    x: np.ndarray, site: Site, weights: Weights, kernel: tuple[int, int], dilation: tuple[int, int], bias: bool
) -> np.ndarray:
    """ConvMixer, arXiv:2201.09792, section 2, between the residuals."""
    filters = weights["depthwise.weight"]
    out = np.zeros_like(x)
    for f in range(site.grid.frequency):
        for t in range(site.grid.time):
            for c in range(site.width):
                total = weights["depthwise.bias"][c] if bias else 0.0
                for u in range(kernel[0]):
                    for v in range(kernel[1]):
                        row = f + (u - kernel[0] // 2) * dilation[0]
                        column = t + (v - kernel[1] // 2) * dilation[1]
                        if 0 <= row < site.grid.frequency and 0 <= column < site.grid.time:
                            total += filters[c, 0, u, v] * x[row * site.grid.time + column, c]
                out[f * site.grid.time + t, c] = total
    return out


def pooling(x: np.ndarray, site: Site, weights: Weights, size: tuple[int, int]) -> np.ndarray:
    """PoolFormer, arXiv:2111.11418, eq. 4; at the edge over the patches that are there, as its authors' code."""
    out = np.zeros_like(x)
    for f in range(site.grid.frequency):
        for t in range(site.grid.time):
            rows = range(max(f - size[0] // 2, 0), min(f + size[0] // 2 + 1, site.grid.frequency))
            columns = range(max(t - size[1] // 2, 0), min(t + size[1] // 2 + 1, site.grid.time))
            near = [x[row * site.grid.time + column] for row in rows for column in columns]
            here = f * site.grid.time + t
            out[here] = sum(near) / len(near) - x[here]
    return out
