"""The most that this machine was seen to compute: a matrix product as large and as square as fits the caches."""

import torch

from mixkit.bench.timing import Pass, Stopwatch
from mixkit.linear import linear

TYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
SIDE = {"cpu": 1536, "cuda": 8192}
"""Rows and columns of the matrices."""


def product(device: torch.device, precision: str) -> tuple[Pass, int]:
    """A matrix product to be timed, and its floating-point operations.

    It is the product of mixkit's linear maps, which in float32 may be faster than torch's own: so shares claim less.
    """
    side = SIDE.get(device.type, SIDE["cpu"])
    left, right = (torch.randn(side, side, device=device, dtype=TYPES[precision]) for _ in range(2))

    def once() -> dict[str, float]:
        watch = Stopwatch(device)
        with watch.phase("product"), torch.no_grad():
            linear(left, right)
        return watch.read()

    return once, 2 * side**3
