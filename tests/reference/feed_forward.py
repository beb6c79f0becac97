"""Two linear maps with a bend between them, one value at a time. Mixer, arXiv:2105.01601, eq. 1."""

import math

import numpy as np

Weights = dict[str, np.ndarray]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def bend(x: float, name: str, p1: float = 1.0, p2: float = 0.0, beta: float = 1.0) -> float:
    if name == "gelu":  # arXiv:1606.08415, eq. 1
        return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))
    if name == "relu":
        return max(x, 0.0)
    if name == "silu":
        return x * sigmoid(x)
    if name == "mish":  # arXiv:1908.08681, eq. 1
        return x * math.tanh(math.log1p(math.exp(x)))
    assert name == "acon_c"  # arXiv:2009.04759
    return (p1 - p2) * x * sigmoid(beta * (p1 - p2) * x) + p2 * x


def feed_forward(vector: list[float], weights: Weights, activation: str = "gelu") -> list[float]:
    inward, outward = weights["feed_forward.expand.weight"], weights["feed_forward.contract.weight"]
    units = []
    for h in range(len(inward)):
        total = weights["feed_forward.expand.bias"][h]
        for i, value in enumerate(vector):
            total += inward[h, i] * value
        learned = (
            [weights[f"feed_forward.activation.{p}"][h] for p in ("p1", "p2", "beta")] if activation == "acon_c" else []
        )
        units.append(bend(total, activation, *learned))
    out = []
    for i in range(len(outward)):
        total = weights["feed_forward.contract.bias"][i]
        for h, unit in enumerate(units):
            total += outward[i, h] * unit
        out.append(total)
    return out
