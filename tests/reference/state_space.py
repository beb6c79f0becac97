"""Mamba's recurrence, token by token. arXiv:2312.00752, algorithm 2; both directions: arXiv:2401.09417, algorithm 1."""

import numpy as np

from mixkit.registry import Site
from tests.reference.feed_forward import Weights, bend


def silu(x: np.ndarray) -> np.ndarray:
    return np.array([bend(value, "silu") for value in x])


def direction(row: np.ndarray, weights: Weights, states: int, kernel: int) -> np.ndarray:
    tokens, hidden = row.shape
    filters, rate = weights["convolution.weight"], -np.exp(weights["log_decay"])
    rank = weights["step.weight"].shape[1]
    state, out = np.zeros((hidden, states)), np.zeros_like(row)
    for t in range(tokens):
        heard = weights["convolution.bias"].copy()
        for v in range(kernel):
            earlier = t + v - (kernel - 1)
            if earlier >= 0:
                heard += filters[:, 0, v] * row[earlier]
        heard = silu(heard)
        selected = weights["select.weight"] @ heard
        step = np.log1p(np.exp(weights["step.weight"] @ selected[:rank] + weights["step.bias"]))
        write, read = selected[rank : rank + states], selected[rank + states :]
        for h in range(hidden):
            for s in range(states):
                state[h, s] = np.exp(step[h] * rate[h, s]) * state[h, s] + step[h] * heard[h] * write[s]
            out[t, h] = sum(state[h] * read) + weights["skip"][h] * heard[h]
    return out


def state_space(
    x: np.ndarray,
    site: Site,
    weights: Weights,
    axis: str,
    directions: str,
    expansion: float,
    states: int,
    kernel: int,
    rank: int | None,
) -> np.ndarray:
    inner = {way: {name[len(way) + 1 :]: w for name, w in weights.items() if name.startswith(way)} for way in WAYS}
    out = np.zeros_like(x)
    length = site.grid.time if axis == "time" else site.tokens
    for first in range(0, site.tokens, length):
        row = x[first : first + length] @ weights["expand.weight"].T
        hidden = row.shape[1] // 2
        recalled = direction(row[:, :hidden], inner["forwards"], states, kernel)
        if directions == "both":
            recalled = recalled + direction(row[::-1, :hidden], inner["backwards"], states, kernel)[::-1]
        gated = recalled * np.stack([silu(gate) for gate in row[:, hidden:]])
        out[first : first + length] = gated @ weights["contract.weight"].T
    return out


WAYS = ("forwards", "backwards")
