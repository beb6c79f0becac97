"""Attention in windows of the grid, token by token. Swin, arXiv:2103.14030, section 3.2, and Swin V2."""

import math
from collections.abc import Callable

import numpy as np

from mixkit.registry import Site
from tests.reference.feed_forward import Weights

Pair = tuple[int, int]


def window_attention(
    x: np.ndarray, site: Site, weights: Weights, window: Pair, shift: bool, head_width: int, **_: object
) -> np.ndarray:
    """Equations 3 and 4: scores are products of queries and keys over the root of the head's width, plus a bias."""
    size = min(head_width, site.width)
    rows, columns = clipped(site, window)

    def score(head: int, query: np.ndarray, key: np.ndarray, up: int, later: int) -> float:
        place = (up + rows - 1) * (2 * columns - 1) + later + columns - 1
        return float(query @ key / math.sqrt(size) + weights["table"][place, head])

    qkv = x @ weights["qkv.weight"].T + weights.get("qkv.bias", np.zeros(3 * site.width))
    heard = attended(qkv, site, window, shift, size, score)
    return heard @ weights["projection.weight"].T + weights["projection.bias"]


def window_attention_v2(
    x: np.ndarray,
    site: Site,
    weights: Weights,
    window: Pair,
    shift: bool,
    head_width: int,
    pretrained_window: Pair | None,
    **_: object,
) -> np.ndarray:
    """Swin V2, arXiv:2111.09883, equations 2 to 4; the bias is 16 times the sigmoid of G, as in its authors' code."""
    unit = pretrained_window or clipped(site, window)

    def far(step: int, whole: int) -> float:
        scaled = 8 * step / max(1, whole - 1)
        return math.copysign(math.log2(1 + abs(scaled)) / math.log2(8), scaled)

    def score(head: int, query: np.ndarray, key: np.ndarray, up: int, later: int) -> float:
        distance = np.array([far(up, unit[0]), far(later, unit[1])])
        units = np.maximum(weights["expand.weight"] @ distance + weights["expand.bias"], 0)
        bias = 16 / (1 + math.exp(-weights["contract.weight"][head] @ units))
        cosine = query @ key / math.sqrt((query @ query) * (key @ key))
        return float(min(math.exp(weights["scale"][head]), 100) * cosine + bias)

    none = np.zeros(site.width)
    biases = [weights.get("query_bias", none), none, weights.get("value_bias", none)]
    qkv = x @ weights["qkv.weight"].T + np.concatenate(biases)
    heard = attended(qkv, site, window, shift, min(head_width, site.width), score)
    return heard @ weights["projection.weight"].T + weights["projection.bias"]


def attended(
    qkv: np.ndarray, site: Site, window: Pair, shift: bool, size: int, score: Callable[..., float]
) -> np.ndarray:
    """Every token by those that stand in its window, head by head."""
    query, key, value = np.split(qkv, 3, axis=1)
    heard = np.zeros_like(query)
    places = [(f, t) for f in range(site.grid.frequency) for t in range(site.grid.time)]
    for head, start in enumerate(range(0, site.width, size)):
        own = slice(start, start + size)
        for n, (f, t) in enumerate(places):
            here = window_of(f, t, site, window, shift)
            near = [m for m, place in enumerate(places) if window_of(*place, site, window, shift) == here]
            scores = [
                math.exp(score(head, query[n, own], key[m, own], f - places[m][0], t - places[m][1])) for m in near
            ]
            for m, share in zip(near, scores, strict=True):
                heard[n, own] += share / sum(scores) * value[m, own]
    return heard


def clipped(site: Site, window: Pair) -> Pair:
    """A window that is no longer than the grid along each axis."""
    return min(window[0], site.grid.frequency), min(window[1], site.grid.time)


def window_of(f: int, t: int, site: Site, window: Pair, shift: bool) -> Pair:
    """Which window a place stands in; in every second layer of a stage they begin half a window further on."""
    moved = shift and (site.layer - site.first) % 2 == 1
    found = []
    for place, side, length in zip((f, t), clipped(site, window), (site.grid.frequency, site.grid.time), strict=True):
        start = side // 2 if moved and side < length else 0
        found.append((place - start) // side)
    return found[0], found[1]
