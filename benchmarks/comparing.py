"""What the comparisons share: networks that take turns, and the table and document that come of it."""

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mixkit.bench.machine import machine, sentence
from mixkit.bench.timing import Pass, Spread, Stopwatch, interleaved, ratios
from mixkit.training.device import choose_device
from mixkit.training.memory import keep_freed
from mixkit.training.precision import autocast

LEARNING_RATE = 1e-4


@dataclass(frozen=True)
class Row:
    """One comparison.

    Args:
        measure: what was compared.
        other: median seconds of what mixkit is held against; of memory, bytes.
        mixkit: the same of mixkit.
        ratio: other / mixkit, round by round.
        target: the least that the ratio should be, or None.
    """

    measure: str
    other: float
    mixkit: float
    ratio: Spread
    target: float | None


def arguments(about: str | None, rounds: int = 5, batch: int = 8) -> argparse.ArgumentParser:
    """The options that every script has."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, help="how often each takes its turn")
    parser.add_argument("--batch", type=int, default=batch, help="clips in a batch")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead")
    return parser


def learning(network: nn.Module, call: Callable[[Tensor], Tensor], x: Tensor, precision: str) -> Pass:
    """A step of training by the same optimizer, for any network."""
    network.train()
    steps = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, fused=True)
    target = torch.arange(len(x), device=x.device) % 10

    def once() -> Mapping[str, float]:
        watch = Stopwatch(x.device)
        with watch.phase("step"):
            with autocast(x.device, precision):
                cost = nn.functional.cross_entropy(call(x).float(), target)
            cost.backward()
            steps.step()
            steps.zero_grad(set_to_none=True)
        return watch.read()

    return once


def against(measure: str, other: Pass, ours: Pass, rounds: int, target: float | None, phase: str = "step") -> Row:
    """Two passes turn by turn."""
    say = lambda text: print(f"{measure}: {text}", file=sys.stderr, flush=True)  # noqa: E731, T201
    found = interleaved({"other": other, "mixkit": ours}, rounds, say=say)
    theirs, own = ([one[phase] for one in found[name]] for name in ("other", "mixkit"))
    return Row(measure, Spread.of(theirs).median, Spread.of(own).median, ratios(theirs, own), target)


def same(measure: str, ours: Tensor, theirs: Tensor, tolerance: float = 1e-3) -> None:
    """Ends the script where two networks with the same weights do not answer alike."""
    apart = float((ours - theirs).abs().max() / theirs.abs().max())
    if not apart < tolerance:
        sys.exit(f"{measure}: the answers differ by {apart:.2g} of the largest, so that their speeds mean nothing")


def place(chosen: argparse.Namespace) -> torch.device:
    """The device that was asked for."""
    keep_freed()
    return choose_device(chosen.device)


def report(rows: list[Row], device: torch.device, as_json: bool) -> None:
    """Prints what was found, with the machine and the command."""
    facts: dict[str, Any] = machine(device)
    facts["command"] = shlex.join(["python", *sys.argv])
    if as_json:
        print(json.dumps({"machine": facts, "rows": [asdict(row) for row in rows]}, indent=2))  # noqa: T201
        return
    print(f"{facts['command']}\n{sentence(facts)}\n")  # noqa: T201
    print("| measure | other | mixkit | ratio: median (quartiles) | target |\n| --- | --- | --- | --- | --- |")  # noqa: T201
    for row in rows:
        target = "" if row.target is None else f"at least {row.target:g}"
        print(f"| {row.measure} | {shown(row.other)} | {shown(row.mixkit)} | {row.ratio} | {target} |")  # noqa: T201


def shown(value: float) -> str:
    """Seconds, or from a million on bytes."""
    return f"{value / 2**20:,.0f} MiB" if value > 1e6 else f"{value:.2f} s" if value >= 1 else f"{1e3 * value:.1f} ms"
