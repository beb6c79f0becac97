"""The transforms of Hermit-Frequency: torch.fft of the distinct columns against mixkit's fixed cosine matrix.

    python benchmarks/transforms.py

Forward and backward of the pair, along the last axis, at the widths of the sizes tiny, small and base, and over 600
tokens. torch.fft takes float32 alone, also where the rest of a network is in bf16.
"""

from collections.abc import Callable, Mapping

import torch
from comparing import Row, against, arguments, place, report, same
from torch import Tensor

from mixkit.bench.timing import Pass, Stopwatch
from mixkit.operators.hermit_pair import HermitPair
from mixkit.training.precision import autocast

SHAPES = ((96, 96), (192, 384), (600, 768), (768, 600))
"""Rows for a clip, and the length of the axis that is transformed."""


def fft_pair(x: Tensor) -> Tensor:
    """As short as torch.fft allows: half a spectrum there, the whole axis back."""
    length = x.shape[-1]
    x = x.float()
    return torch.fft.irfft(torch.fft.hfft(x[..., : length // 2 + 1], n=length)[..., : length // 2 + 1], n=length)


def both_ways(pair: Callable[[Tensor], Tensor], x: Tensor, precision: str) -> Pass:
    """One forward and backward pass."""

    def once() -> Mapping[str, float]:
        watch = Stopwatch(x.device)
        with watch.phase("step"):
            with autocast(x.device, precision):
                out = pair(x)
            out.backward(torch.ones_like(out))
        x.grad = None
        return watch.read()

    return once


def main() -> None:
    """Measures and prints a table."""
    chosen = arguments(__doc__, rounds=9).parse_args()
    device = place(chosen)
    rows: list[Row] = []
    for tokens, length in SHAPES:
        x = torch.randn(chosen.batch, tokens, length, device=device, requires_grad=True)
        transforms = HermitPair(length, "paper", "backward").to(device)

        def matrices(x: Tensor, transforms: HermitPair = transforms) -> Tensor:
            return transforms.signal(transforms.spectrum(x))

        same(f"{tokens} x {length}", matrices(x), fft_pair(x))
        for precision in ("float32", "bf16"):
            measure = f"transform pair, {chosen.batch} x {tokens} x {length}: torch.fft / mixkit {precision}"
            theirs, ours = (both_ways(pair, x, precision) for pair in (fft_pair, matrices))
            rows.append(against(measure, theirs, ours, chosen.rounds, None))
    report(rows, device, chosen.json)


if __name__ == "__main__":
    main()
