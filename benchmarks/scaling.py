"""How the cost of a training step grows with tokens and with depth.

    python benchmarks/scaling.py

Every length takes its turn in every round. The exponent is the slope of log seconds over log tokens, by least squares,
in each round; below 1 is cheaper than a straight line.
"""

import sys

import numpy as np
from comparing import arguments, place

import mixkit
from mixkit.bench.machine import machine, sentence
from mixkit.bench.timed_network import TimedNetwork, Variant
from mixkit.bench.timing import Spread, interleaved

SHAPES = {150: (66, 256), 300: (66, 506), 600: (126, 506), 1200: (126, 1006)}
"""Bins and frames that give so many patches of 16 x 16, one every 10: 6 x 25, 6 x 50, 12 x 50 and 12 x 100."""

DEPTHS = (2, 4, 8)


def main() -> None:
    """Measures and prints a table."""
    parser = arguments(__doc__, rounds=3, batch=2)
    parser.add_argument("--recipe", default="asm_rh")
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--precision", default="float32")
    # 150 tokens are not to be cut in 4 bands, as the roll of the paper is.
    parser.add_argument("--set", nargs="*", default=["operator.roll_time.bands = 2"], help="lines over the recipe")
    chosen = parser.parse_args()
    device = place(chosen)
    plans = {f"{tokens} tokens": (tokens, chosen.depth) for tokens in SHAPES}
    plans |= {f"depth {depth}": (600, depth) for depth in DEPTHS}
    works = {}
    for name, (tokens, depth) in plans.items():
        bins, frames = SHAPES[tokens]
        settings = [
            f"model.width = {chosen.width}",
            f"model.depth = {depth}",
            f"features.log_mel.bins = {bins}",
            f"features.log_mel.frames = {frames}",
            *chosen.set,
        ]
        recipe = mixkit.load_recipe(chosen.recipe, layers=["size/base"], settings=settings)
        works[name] = TimedNetwork(recipe, Variant(chosen.precision), chosen.batch, device)
    found = interleaved(
        {name: work.step for name, work in works.items()},
        chosen.rounds,
        say=lambda text: print(f"scaling: {text}", file=sys.stderr, flush=True),  # noqa: T201
    )
    # The optimiser's work grows with weights, not with tokens.
    seconds = {name: [one["forward"] + one["backward"] for one in rows] for name, rows in found.items()}
    head = f"{chosen.recipe}, width {chosen.width}, {chosen.batch} clips, {chosen.precision}"
    print(f"{head}; {sentence(machine(device))}\n")  # noqa: T201
    print("| of | forward and backward, s: median (quartiles) |\n| --- | --- |")  # noqa: T201
    for name, values in seconds.items():
        print(f"| {name} | {Spread.of(values)} |")  # noqa: T201
    for axis, sizes in (("tokens", list(SHAPES)), ("depth", list(DEPTHS))):
        names = [name for name in seconds if axis in name]
        slopes = [_slope(sizes, [seconds[name][turn] for name in names]) for turn in range(chosen.rounds)]
        print(f"\nexponent in {axis}: {Spread.of(slopes)}")  # noqa: T201


def _slope(sizes: list[int], seconds: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


if __name__ == "__main__":
    main()
