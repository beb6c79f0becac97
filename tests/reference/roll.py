"""RollBlock value by value: where each comes from in its row, or in its group. ASM-RH, arXiv:2402.18007, II-B."""

import numpy as np

from mixkit.registry import Site
from tests.reference.feed_forward import Weights, feed_forward


def roll(x: np.ndarray, site: Site, weights: Weights, groups: int, bands: int, **_: object) -> np.ndarray:
    columns = site.width * bands // groups
    gamma = 1 / (1 + site.layer)
    share, step = int(groups * gamma), site.depth - site.layer
    line = [x[n, c] for n in range(site.tokens) for c in range(site.width)]
    rows = [line[start : start + columns] for start in range(0, len(line) - columns + 1, columns)]
    rest = line[len(rows) * columns :]
    out: list[float] = []
    for group in range(groups):
        own = [rows.pop(0) for _ in range(-(-len(rows) // (groups - group)))]
        own += [rest] if group == groups - 1 and rest else []
        flat = [value for row in own for value in row]
        for i, row in enumerate(own):
            for j in range(len(row)):
                place = i * columns + j
                if group < share:
                    out.append(row[(j - step) % len(row)])
                elif group < 2 * share:
                    out.append(row[(j + step) % len(row)])
                elif group < 3 * share:  # back by whole rows, in a circle
                    out.append(flat[(place - step * columns) % len(flat)])
                elif group < 4 * share:
                    out.append(flat[(place + step * columns) % len(flat)])
                else:
                    out.append(row[j])
    return np.array(out).reshape(site.tokens, site.width)


def roll_time(x: np.ndarray, site: Site, weights: Weights, groups: int, bands: int, **settings: str) -> np.ndarray:
    slid = roll(x, site, weights, groups, bands)
    return np.array([feed_forward(list(token), weights, settings["activation"]) for token in slid])
