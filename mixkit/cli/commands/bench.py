"""`mixkit bench`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from mixkit.cli.options import AsJson, Layers, Plugins, RecipeName, Settings, load
from mixkit.cli.views.terminal import print_json, stderr, stdout, table

if TYPE_CHECKING:
    from mixkit.bench.measure import Bench
    from mixkit.bench.timing import Spread


def bench(
    recipe: RecipeName,
    layers: Layers = None,
    settings: Settings = None,
    plugins: Plugins = None,
    batch: Annotated[
        int | None, typer.Option(metavar="N", help="Clips in a batch; as in training without.", min=1)
    ] = None,
    rounds: Annotated[int, typer.Option(metavar="N", help="How often each variant takes its turn.", min=1)] = 7,
    against: Annotated[
        Literal["plain"] | None, typer.Option(help="Hold it against the paper's pseudo code, written plainly.")
    ] = None,
    compiled: Annotated[bool, typer.Option("--compile", help="Measure it with torch.compile, too.")] = False,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:N.")] = "auto",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw a figure into this PNG.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how fast a recipe trains and answers here, and where the time goes."""
    from mixkit.bench import measure
    from mixkit.bench.machine import machine, sentence
    from mixkit.bench.timed_network import variants
    from mixkit.training.device import choose_device
    from mixkit.training.memory import keep_freed

    keep_freed()
    plan = load(recipe, layers, settings, plugins)
    place = choose_device(device)
    forms = variants(against == "plain", compiled)
    console = stderr() if as_json else stdout()
    with console.status("measuring") as status:
        found = measure.bench(
            plan,
            forms,
            batch or plan.train.batch_size,
            rounds,
            place,
            plugins=tuple(plugins or ()),
            say=lambda text: status.update(f"measuring: {text}"),
        )
    where = machine(place)
    if as_json:
        print_json(asdict(found) | {"machine": where})
    else:
        _show(found, sentence(where))
    if out is not None:
        from mixkit.bench.plot import plot
        from mixkit.cli.views.picture import write_png

        if write_png(out, lambda: plot(found), "Name another file with --out."):
            console.print(f"Drawn in {out}.", soft_wrap=True, markup=False)


def _show(found: "Bench", where: str) -> None:
    console = stdout()
    for line in (where, *_head(found)):
        console.print(line, soft_wrap=True, markup=False)
    for rows in (_training(found), _phases(found), _forward(found), _parts(found)):
        console.print(rows)


def _head(found: "Bench") -> list[str]:
    """What was measured, in lines."""
    peaks = ", ".join(f"{precision} {spread.median / 1e9:,.0f} GFLOP/s" for precision, spread in found.peaks.items())
    lines = [
        f"{found.recipe}: {found.parameters:,} parameters, {found.flops / 1e9:,.2f} GFLOP for a clip forward",
        f"{found.batch} clips a batch, {found.rounds} rounds in turn; median (and quartiles)",
        f"times as fast: as {found.variants[0].name}, round by round",
        f"peak of a matrix product here: {peaks}",
    ]
    if found.apart is not None:
        lines.append(f"plain and mixkit agree to {found.apart:.1g} of the largest logit, with the same weights")
    return lines


def _training(found: "Bench") -> Table:
    rows = _table("training", "clips/s", "times as fast", "of peak", "memory")
    for one in found.variants:
        memory = "" if one.memory is None else f"{one.memory / 2**20:,.0f} MiB"
        ratio, share = str(one.training_ratio), f"{one.training_share:.0%}"
        rows.add_row(one.name, f"{one.training_clips:,.1f}", ratio, share, memory)
    return rows


def _phases(found: "Bench") -> Table:
    rows = _table("a step of training", *found.variants[0].phases)
    for one in found.variants:
        rows.add_row(one.name, *(_milliseconds(spread) for spread in one.phases.values()))
    return rows


def _forward(found: "Bench") -> Table:
    rows = _table("forward only", "clips/s", "times as fast", "of peak")
    for one in found.variants:
        rows.add_row(one.name, f"{one.forward_clips:,.1f}", str(one.forward_ratio), f"{one.forward_share:.0%}")
    return rows


def _parts(found: "Bench") -> Table:
    rows = _table(f"parts, {found.parts_of}", "GFLOP", "forward", "of peak", "with backward", "of peak")
    for part in found.parts:
        shares = [f"{share:.0%}" if part.flops else "" for share in (part.forward_share, part.training_share)]
        times = [_milliseconds(spread) for spread in (part.forward, part.training)]
        rows.add_row(part.title, f"{part.flops / 1e9:,.2f}", times[0], shares[0], times[1], shares[1])
    return rows


def _table(first: str, *columns: str) -> Table:
    made = table(first, *columns)
    made.box, made.pad_edge = SIMPLE_HEAD, False
    for column in made.columns[1:]:
        column.no_wrap = True
    return made


def _milliseconds(seconds: "Spread") -> str:
    return f"{1e3 * seconds.median:,.1f} ms"
