"""RollBlock entry by entry: from which group, row and column each value comes. ASM-RH, arXiv:2402.18007, II-B."""

import numpy as np

from mixkit.registry import Site
from tests.reference.feed_forward import Weights, feed_forward


def roll(x: np.ndarray, site: Site, weights: Weights, groups: int, bands: int, **_: object) -> np.ndarray:
    rows, columns = site.tokens // bands, site.width * bands // groups
    gamma = 1 / (1 + site.layer)
    share, step = int(groups * gamma), site.depth - site.layer
    line = [x[n, c] for n in range(site.tokens) for c in range(site.width)]
    out = []
    for group in range(groups):
        for i in range(rows):
            for j in range(columns):
                source = (i, j)
                if group < share:
                    source = (i, (j - step) % columns)
                elif group < 2 * share:
                    source = (i, (j + step) % columns)
                elif group < 3 * share:
                    source = ((i - step) % rows, j)
                elif group < 4 * share:
                    source = ((i + step) % rows, j)
                out.append(line[(group * rows + source[0]) * columns + source[1]])
    return np.array(out).reshape(site.tokens, site.width)


def roll_time(x: np.ndarray, site: Site, weights: Weights, groups: int, bands: int, **settings: str) -> np.ndarray:
    slid = roll(x, site, weights, groups, bands)
    return np.array([feed_forward(list(token), weights, settings["activation"]) for token in slid])
