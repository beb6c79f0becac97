"""A training step of asm_rh at base size on a GPU: mixkit against the paper's pseudo code, in every form there is.

    python benchmarks/gpu_step.py --batch 48
    python benchmarks/gpu_step.py --device cpu --batch 2 --small

The plain form is measured in float32 without and with TF32, and in bf16 as it is and compiled by torch; mixkit in
float32 and in bf16, as it is, compiled, and compiled with CUDA graphs. All take turns in one run. Then what mixkit's
bf16 step spends its time on, kernel by kernel.
"""

import json
import shlex
import sys
from collections.abc import Callable
from typing import Any

import torch
from comparing import arguments, place

import mixkit
from mixkit.bench.machine import machine
from mixkit.bench.peak_flops import product
from mixkit.bench.timed_network import CLASSES, TimedNetwork, Variant
from mixkit.bench.timing import Pass, Spread, interleaved, ratios
from mixkit.model.cost import costs

SMALL = ("model.width = 16", "model.depth = 2")
KERNELS = 10
TARGETS = {"of the bf16 peak": 0.6, "against plain bf16 compiled": 1.5}


def forms(recipe: Any, batch: int, device: torch.device) -> dict[str, Pass]:
    """A step of every form, by name."""
    compiles = device.type == "cuda"  # on a CPU that takes a C++ compiler, and minutes
    made: dict[str, Pass] = {}

    def add(name: str, variant: Variant, tf32: bool = False, graphs: bool = False) -> None:
        network = TimedNetwork(recipe, variant, batch, device)
        if graphs:
            network.network = torch.compile(network.mixer, fullgraph=True, dynamic=False, mode="reduce-overhead")
        made[name] = _with_tf32(network.step, tf32)

    add("plain float32", Variant("float32", plain=True))
    add("plain float32, TF32", Variant("float32", plain=True), tf32=True)
    add("plain bf16", Variant("bf16", plain=True))
    add("mixkit float32", Variant("float32"))
    add("mixkit bf16", Variant("bf16"))
    if compiles:
        add("plain bf16 compiled", Variant("bf16", plain=True, compiled=True))
        add("mixkit bf16 compiled", Variant("bf16", compiled=True))
        add("mixkit bf16 compiled, CUDA graphs", Variant("bf16"), graphs=True)
    return made


def _with_tf32(step: Callable[[], dict[str, float]], wanted: bool) -> Pass:
    def once() -> dict[str, float]:
        torch.set_float32_matmul_precision("high" if wanted else "highest")
        return step()

    return once


def dearest(step: Pass, device: torch.device) -> list[dict[str, Any]]:
    """The kernels that a step spends most of its time in."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profile:
        step()
    events = profile.key_averages()
    on_gpu = device.type == "cuda"
    time_of = lambda event: event.self_device_time_total if on_gpu else event.self_cpu_time_total  # noqa: E731
    whole = sum(map(time_of, events)) or 1.0
    ranked = sorted(events, key=time_of, reverse=True)[:KERNELS]
    return [{"kernel": one.key[:80], "calls": one.count, "share": round(time_of(one) / whole, 3)} for one in ranked]


def main() -> None:
    """Measures, and prints one JSON document."""
    parser = arguments(__doc__, rounds=5, batch=48)
    parser.add_argument("--small", action="store_true", help="a network of 16 channels: to see that all is told")
    chosen = parser.parse_args()
    device = place(chosen)
    layers, settings = ([], SMALL) if chosen.small else (["size/base"], ())
    recipe = mixkit.load_recipe("asm_rh", layers=layers, settings=settings)
    steps = forms(recipe, chosen.batch, device)
    multiply, operations = product(device, "bf16")
    say = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: E731, T201
    found = interleaved({**steps, "peak": multiply}, chosen.rounds, say=say)
    seconds = {name: [one["step"] for one in found[name]] for name in steps}
    network = TimedNetwork(recipe, Variant("bf16"), 1, device)
    bins, frames = network.features.bins, network.features.frames
    flops = 3 * chosen.batch * sum(row.flops for row in costs(recipe.architecture, bins, frames, CLASSES))
    ours = min(
        (name for name in steps if name.startswith("mixkit bf16")), key=lambda name: Spread.of(seconds[name]).median
    )
    rivals = [name for name in steps if name.startswith("plain")]
    peak = Spread.of([operations / one["product"] for one in found["peak"]]).median
    document = {
        "machine": machine(device),
        "command": shlex.join(["python", *sys.argv]),
        "batch": chosen.batch,
        "milliseconds a step": {name: round(1000 * Spread.of(values).median, 2) for name, values in seconds.items()},
        "clips a second": {name: round(chosen.batch / Spread.of(values).median, 1) for name, values in seconds.items()},
        "bf16 peak, TFLOP/s": round(peak / 1e12, 1),
        "share of the bf16 peak": {
            name: round(flops / Spread.of(values).median / peak, 3)
            for name, values in seconds.items()
            if "bf16" in name
        },
        "fastest of mixkit": ours,
        "times as fast": {name: str(ratios(seconds[name], seconds[ours])) for name in rivals},
        "goals": TARGETS,
        "dearest kernels": dearest(steps["mixkit bf16"], device),
        "MiB at the peak of all forms": _memory(device),
    }
    print(json.dumps(document, indent=2))  # noqa: T201


def _memory(device: torch.device) -> int | None:
    return round(torch.cuda.max_memory_allocated(device) / 2**20) if device.type == "cuda" else None


if __name__ == "__main__":
    main()
