"""BC-ResNet's block, value by value. arXiv:2106.04140, section 2.1; sub-spectral norm: arXiv:2103.13620, eq. 2."""

import numpy as np

from mixkit.registry import Site
from tests.reference.feed_forward import Weights, bend


def broadcast_residual(
    x: np.ndarray,
    site: Site,
    weights: Weights,
    kernel: tuple[int, int],
    dilation: int,
    bands: int,
    dropout: float,
    norm_eps: float,
) -> np.ndarray:
    rows, moments, width = site.grid.frequency, site.grid.time, site.width
    x = x.reshape(rows, moments, width)

    def normed(value: float, name: str, c: int) -> float:
        mean, variance = weights[f"broadcast.{name}.mean"][c], weights[f"broadcast.{name}.variance"][c]
        gain, bias = weights[f"broadcast.{name}.weight"][c], weights[f"broadcast.{name}.bias"][c]
        return float(gain * (value - mean) / np.sqrt(variance + norm_eps) + bias)

    used = min(bands, rows)
    in_band = [band for band in range(used) for _ in range(rows // used + (band < rows % used))]
    z = np.zeros_like(x)
    for p in range(rows):
        for q in range(moments):
            for c in range(width):
                total = 0.0
                for u in range(kernel[0]):
                    row = p + u - kernel[0] // 2
                    if 0 <= row < rows:
                        total += weights["broadcast.along_frequency.weight"][c, 0, u, 0] * x[row, q, c]
                z[p, q, c] = normed(total, f"bands.norms.{in_band[p]}", c)
    course = np.zeros((moments, width))
    for q in range(moments):
        for c in range(width):
            total = 0.0
            for v in range(kernel[1]):
                moment = q + (v - kernel[1] // 2) * dilation
                if 0 <= moment < moments:
                    heard = sum(z[p, moment, c] for p in range(rows)) / rows
                    total += weights["broadcast.along_time.weight"][c, 0, v] * heard
            course[q, c] = bend(normed(total, "norm", c), "silu")
    out = z.copy()
    for q in range(moments):
        for c in range(width):
            out[:, q, c] += sum(weights["broadcast.pointwise.weight"][c, i] * course[q, i] for i in range(width))
    return out.reshape(x.shape[0] * x.shape[1], width)
