"""Multi-head self-attention, head by head and token by token. ViT, arXiv:2010.11929, eqs. 5 to 8."""

import math

import numpy as np

from mixkit.registry import Site
from tests.reference.feed_forward import Weights


def attention(x: np.ndarray, site: Site, weights: Weights, head_width: int, **_: object) -> np.ndarray:
    size = min(head_width, site.width)
    qkv = x @ weights["qkv.weight"].T + weights.get("qkv.bias", np.zeros(3 * site.width))
    query, key, value = np.split(qkv, 3, axis=1)
    heard = np.zeros_like(x)
    for start in range(0, site.width, size):
        head = slice(start, start + size)
        for n in range(site.tokens):
            scores = [math.exp(query[n, head] @ key[m, head] / math.sqrt(size)) for m in range(site.tokens)]
            for m in range(site.tokens):
                heard[n, head] += scores[m] / sum(scores) * value[m, head]
    return heard @ weights["projection.weight"].T + weights["projection.bias"]
