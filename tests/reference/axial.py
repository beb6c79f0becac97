"""AS-MLP, CycleMLP, Wave-MLP and Hire-MLP between norm and residual, value by value."""

import math

import numpy as np

from mixkit.registry import Site
from tests.reference.feed_forward import Weights, bend


def mapped(vector: np.ndarray, weights: Weights, name: str) -> np.ndarray:
    out = weights[f"{name}.weight"] @ vector
    return out + weights.get(f"{name}.bias", np.zeros(len(out)))  # type: ignore[no-any-return]


def each(cube: np.ndarray, weights: Weights, name: str) -> np.ndarray:
    return np.array([[mapped(token, weights, name) for token in row] for row in cube])


def bent(cube: np.ndarray, name: str) -> np.ndarray:
    return np.vectorize(lambda value: bend(value, name))(cube)  # type: ignore[no-any-return]


def batch_normed(vector: np.ndarray, weights: Weights, name: str) -> np.ndarray:
    mean, variance = weights[f"{name}.mean"], weights[f"{name}.variance"]
    return (vector - mean) / np.sqrt(variance + 1e-5) * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def weighed(three: list[np.ndarray], weights: Weights) -> np.ndarray:
    """The three summed by shares of a softmax, which two maps make of their mean; mapped once more."""
    rows, moments, width = three[0].shape
    mean = np.zeros(width)
    for way in three:
        for p in range(rows):
            for q in range(moments):
                mean += way[p, q] / (rows * moments)
    hidden = np.array([bend(unit, "gelu") for unit in mapped(mean, weights, "weigh.0")])
    scores = mapped(hidden, weights, "weigh.2")
    out = np.zeros_like(three[0])
    for c in range(width):
        shares = [math.exp(scores[3 * c + way]) for way in range(3)]
        for way in range(3):
            out[:, :, c] += three[way][:, :, c] * shares[way] / sum(shares)
    return each(out, weights, "projection")


def read(cube: np.ndarray, p: int, q: int, c: int) -> float:
    rows, moments, _ = cube.shape
    return float(cube[p, q, c]) if 0 <= p < rows and 0 <= q < moments else 0.0


def axial_shift(x: np.ndarray, site: Site, weights: Weights, size: tuple[int, int]) -> np.ndarray:
    """arXiv:2107.08391, section 3; norms, and whither each part goes, by the authors' code."""
    rows, moments, width = site.grid.frequency, site.grid.time, site.width

    def normed(cube: np.ndarray, name: str) -> np.ndarray:
        whole = (cube - cube.mean()) / math.sqrt(cube.var() + 1e-5)
        return whole * weights[f"{name}.weight"] + weights[f"{name}.bias"]  # type: ignore[no-any-return]

    z = bent(normed(each(x.reshape(rows, moments, width), weights, "expand"), "inner_norm"), "gelu")
    time, frequency = np.zeros_like(z), np.zeros_like(z)
    for p in range(rows):
        for q in range(moments):
            for c in range(width):
                down = c // math.ceil(width / size[0]) - size[0] // 2
                on = c // math.ceil(width / size[1]) - size[1] // 2
                time[p, q, c], frequency[p, q, c] = read(z, p, q - on, c), read(z, p - down, q, c)
    both = bent(each(time, weights, "time"), "gelu") + bent(each(frequency, weights, "frequency"), "gelu")
    return each(normed(both, "outer_norm"), weights, "contract").reshape(x.shape)


def cycle(x: np.ndarray, site: Site, weights: Weights, size: tuple[int, int]) -> np.ndarray:
    """arXiv:2107.10224, section 3, with the steps of its authors' code."""
    rows, moments, width = site.grid.frequency, site.grid.time, site.width
    cube = x.reshape(rows, moments, width)
    time, frequency = np.zeros_like(cube), np.zeros_like(cube)
    for p in range(rows):
        for q in range(moments):
            for c in range(width):
                up = (c + size[0] // 2) % size[0] - size[0] // 2
                on = (c + size[1] // 2) % size[1] - size[1] // 2
                time[p, q, c], frequency[p, q, c] = read(cube, p, q + on, c), read(cube, p + up, q, c)
    ways = (time, "time"), (frequency, "frequency"), (cube, "channel")
    return weighed([each(way, weights, name) for way, name in ways], weights).reshape(x.shape)


def wave(x: np.ndarray, site: Site, weights: Weights, kernel: tuple[int, int]) -> np.ndarray:
    """arXiv:2111.12294, section 3."""
    rows, moments, width = site.grid.frequency, site.grid.time, site.width
    cube = x.reshape(rows, moments, width)

    def interfered(name: str, size: int, axis: int) -> np.ndarray:
        amplitude, phase = each(cube, weights, f"{name}.amplitude"), each(cube, weights, f"{name}.phase")
        for p in range(rows):
            for q in range(moments):
                phase[p, q] = bent(batch_normed(phase[p, q], weights, f"{name}.norm"), "relu")
        out = np.zeros_like(cube)
        for p in range(rows):
            for q in range(moments):
                for c in range(width):
                    for place in range(size):
                        off = place - size // 2
                        there = (p + off, q, c) if axis == 0 else (p, q + off, c)
                        cosine = weights[f"{name}.cosine.weight"][c, 0].flatten()[place]
                        sine = weights[f"{name}.sine.weight"][c, 0].flatten()[place]
                        if read(np.ones_like(cube), *there):
                            real, imaginary = math.cos(phase[there]), math.sin(phase[there])
                            out[p, q, c] += amplitude[there] * (cosine * real + sine * imaginary)
        return out

    along = [interfered("time", kernel[1], 1), interfered("frequency", kernel[0], 0)]
    return weighed([*along, each(cube, weights, "channel")], weights).reshape(x.shape)


def hire(x: np.ndarray, site: Site, weights: Weights, region: tuple[int, int], turns: int, step: int) -> np.ndarray:
    """arXiv:2108.13341, section 3."""
    rows, moments, width = site.grid.frequency, site.grid.time, site.width
    cube = x.reshape(rows, moments, width)
    shift = (site.layer - site.first) % turns * step

    def rearranged(row: np.ndarray, size: int, name: str) -> np.ndarray:
        out = np.zeros_like(row)
        for start in range(0, len(row), size):
            places = [(start + i - shift) % len(row) for i in range(size)]
            joined = np.concatenate([row[place] for place in places])
            units = bent(batch_normed(mapped(joined, weights, f"{name}.contract"), weights, f"{name}.norm"), "relu")
            mixed = mapped(units, weights, f"{name}.expand").reshape(size, width)
            for i in range(size):
                if start + i < len(row):  # what fills a rest up is left out again
                    out[places[i]] = mixed[i]
        return out

    frequency = np.stack([rearranged(cube[:, q], region[0], "frequency") for q in range(moments)], axis=1)
    time = np.stack([rearranged(cube[p], region[1], "time") for p in range(rows)])
    return weighed([frequency, time, each(cube, weights, "channel")], weights).reshape(x.shape)
