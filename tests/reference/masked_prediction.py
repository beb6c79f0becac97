"""Masked pretraining, value by value: SSAST, arXiv:2110.09784, section 2."""

import math
from collections.abc import Sequence

import numpy as np


def contrastive(said: np.ndarray, cells: np.ndarray) -> float:
    """Equation 1, of one clip: `-log(exp(c_i . x_i) / sum_j exp(c_i . x_j))`, mean over its hidden cells."""
    total = 0.0
    for own, guess in enumerate(said):
        scores = [math.exp(sum(a * b for a, b in zip(guess, cell, strict=True))) for cell in cells]
        total -= math.log(scores[own] / sum(scores))
    return total / len(said)


def reconstruction(guessed: np.ndarray, cells: np.ndarray, real: np.ndarray) -> float:
    """Equation 2, of one clip: the squared error of the values that there are, mean over each cell, then over cells."""
    errors = []
    for guess, cell, there in zip(guessed, cells, real, strict=True):
        own = [(a - b) ** 2 for a, b, is_there in zip(guess, cell, there, strict=True) if is_there]
        errors.append(sum(own) / len(own))
    return sum(errors) / len(errors)


def clusters(turns: np.ndarray, side: int, order: Sequence[int], count: int, grid: tuple[int, int]) -> set[int]:
    """Section 2.2: squares at random places until there are enough cells; of the last one, some.

    Args:
        turns: of the squares, by the place of their lower right corner; the lowest is first.
        side: of a square.
        order: in which the cells of the last square are taken.
        count: cells to hide.
        grid: rows and columns.
    """
    hidden: set[int] = set()
    rows, columns = np.array(turns.shape) - 1  # corners beyond the grid, as far as a square may stand out
    for corner in np.argsort(turns, axis=None):
        bottom, right = divmod(int(corner), columns + 1)
        square = {
            row * grid[1] + column
            for row in range(bottom - side + 1, bottom + 1)
            for column in range(right - side + 1, right + 1)
            if 0 <= row < grid[0] and 0 <= column < grid[1]
        }
        for cell in [cell for cell in order if cell in square - hidden]:
            if len(hidden) == count:
                return hidden
            hidden.add(cell)
    assert rows >= 0
    return hidden
