"""Randomness without state: the same numbers for an item, whatever batch or process it travels in."""

from typing import Any

import torch
from torch import Tensor

STEP = 0x9E3779B97F4A7C15 - 2**64  # splitmix64 (Steele, Lea, Flood 2014): the golden ratio, as a signed 64-bit word
FACTORS = (0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64)


class Draw:
    """Random numbers for a batch: row i depends on seed, epoch, item i, stream and what was drawn before, no more.

    Args:
        seed: of the run.
        epoch: pass over the data, so that an item differs from one to the next.
        items: which item each row is, `b`, or a single one.
        stream: which use of randomness this is: two with the same number draw the same.
        device: where to draw; None for where `items` are.
    """

    def __init__(self, seed: int, epoch: int, items: Tensor | int, stream: int, device: Any = None):
        # Scrambled before the next word comes in, so that item 5 of stream 1 is not item 6 of stream 0.
        state = _scramble(torch.as_tensor(items, dtype=torch.int64, device=device).reshape(-1))
        for word in (stream, epoch, seed):
            state = _scramble(state + _signed(word))
        self._state = state[:, None]
        self._drawn = 0

    def uniform(self, n: int) -> Tensor:
        """The next n numbers from 0 up to, not including, 1: `b n`, float32, in steps of 2^-24."""
        return _top(self._words(n), 24).float() * 2.0**-24

    def integer(self, n: int, below: int) -> Tensor:
        """The next n whole numbers from 0 to `below - 1`: `b n`, int64. At most 2^31 for `below`."""
        return _top(_top(self._words(n), 32) * below, 32)

    def _words(self, n: int) -> Tensor:
        counter = torch.arange(self._drawn, self._drawn + n, device=self._state.device)
        self._drawn += n
        return _scramble(self._state + counter * STEP)


def _scramble(word: Tensor) -> Tensor:
    """Splitmix64's output function; 64-bit products wrap around alike on CPU and CUDA."""
    word = word + STEP
    word = (word ^ _top(word, 34)) * FACTORS[0]
    word = (word ^ _top(word, 37)) * FACTORS[1]
    return word ^ _top(word, 33)


def _top(word: Tensor, bits: int) -> Tensor:
    """The highest bits as a number; torch's own shift would drag the sign along."""
    top: Tensor = (word >> (64 - bits)) & (2**bits - 1)
    return top


def _signed(word: int) -> int:
    return (word + 2**63) % 2**64 - 2**63
