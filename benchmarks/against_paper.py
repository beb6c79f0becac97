"""The paper's pseudo code, written plainly in float32, against mixkit with the same weights.

    python benchmarks/against_paper.py
    python benchmarks/against_paper.py --size tiny --batch 32

Training steps of asm_rh, with 384 and 2400 hidden units over tokens; the peak of training memory, each in a process of
its own; and how much of the bf16 matrix-product peak a training step in bf16 reaches.
"""

import argparse
import sys

from comparing import Row, arguments, place, report

import mixkit
from mixkit.bench.memory import peak_memory
from mixkit.bench.peak_flops import product
from mixkit.bench.plain import check_same
from mixkit.bench.timed_network import CLASSES, TimedNetwork, Variant
from mixkit.bench.timing import Spread, interleaved, ratios
from mixkit.model.cost import costs
from mixkit.recipe.schema import Recipe
from mixkit.training.precision import precision_of

PLAIN = Variant("float32", plain=True)


def speeds(recipe: Recipe, hidden: int, chosen: argparse.Namespace) -> list[Row]:
    """Steps in float32 and bf16 against the plain form, and the share of the peak that bf16 reaches."""
    device = place(chosen)
    default = precision_of("auto", device)
    plain = TimedNetwork(recipe, PLAIN, chosen.batch, device)
    forms = [Variant(precision) for precision in ("float32", "bf16")]
    ours = {form.precision: TimedNetwork(recipe, form, chosen.batch, device) for form in forms}
    spectrogram = plain.spectrogram()
    check_same(ours["float32"].module, plain.module, spectrogram[:2])
    _, bins, frames = spectrogram.shape
    flops = 3 * chosen.batch * sum(row.flops for row in costs(recipe.architecture, bins, frames, CLASSES))
    multiply, operations = product(device, "bf16")
    found = interleaved(
        {
            "plain": plain.step,
            "float32": ours["float32"].step,
            "bf16": ours["bf16"].step,
            "peak": multiply,
        },
        chosen.rounds,
        say=lambda text: print(f"hidden {hidden}: {text}", file=sys.stderr, flush=True),  # noqa: T201
    )
    seconds = {name: [one["step"] for one in found[name]] for name in ("plain", "float32", "bf16")}
    medians = {name: Spread.of(values).median for name, values in seconds.items()}
    rows = []
    for precision, target in (("float32", 1.0 if hidden == 384 else 1.2), ("bf16", 6.0)):
        note = " (the default here)" if precision == default else ""
        measure = f"training step, hidden {hidden}: plain float32 / mixkit {precision}{note}"
        spread = ratios(seconds["plain"], seconds[precision])
        rows.append(Row(measure, medians["plain"], medians[precision], spread, target))
    shares = [
        (flops / step) * (one["product"] / operations) for step, one in zip(seconds["bf16"], found["peak"], strict=True)
    ]
    measure = f"bf16, hidden {hidden}: operations a second / those of a matrix product"
    least = flops / operations * Spread.of([one["product"] for one in found["peak"]]).median
    return [*rows, Row(measure, least, medians["bf16"], Spread.of(shares), 0.5)]


def memory(recipe: Recipe, hidden: int, chosen: argparse.Namespace) -> list[Row]:
    """Peaks of training, each in a process of its own."""
    device = place(chosen)
    forms = (PLAIN, Variant("float32"), Variant("bf16"))
    plain, *ours = (peak_memory(recipe, form, chosen.batch, str(device)) for form in forms)
    return [
        Row(
            f"peak training memory, hidden {hidden}: {PLAIN.name} / {form.name}",
            plain,
            used,
            Spread.of([plain / used]),
            1.3,
        )
        for form, used in zip(forms[1:], ours, strict=True)
    ]


def main() -> None:
    """Measures and prints a table."""
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--size", default="base", choices=("tiny", "small", "base"))
    parser.add_argument("--depth", type=int, help="layers; those of the size without")
    parser.add_argument("--hidden", type=int, nargs="*", default=[384, 2400], help="units over tokens")
    chosen = parser.parse_args()
    rows: list[Row] = []
    for hidden in chosen.hidden:
        settings = [f"operator.hermit_frequency.hidden = {hidden}"]
        settings += [f"model.depth = {chosen.depth}"] if chosen.depth else []
        recipe = mixkit.load_recipe("asm_rh", layers=[f"size/{chosen.size}"], settings=settings)
        rows += speeds(recipe, hidden, chosen) + memory(recipe, hidden, chosen)
    report(rows, place(chosen), chosen.json)


if __name__ == "__main__":
    main()
