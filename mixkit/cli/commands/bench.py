"""`mixkit bench`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from mixkit.cli.options import AsJson, Layers, Plugins, RecipeName, Settings, load
from mixkit.cli.views.terminal import print_json, stderr, stdout


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
    from mixkit.cli.views.bench import head, tables
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
    if out is not None:
        from mixkit.bench.plot import plot
        from mixkit.cli.views.picture import write_png

        write_png(out, plot(found))
    where = machine(place)
    if as_json:
        print_json(asdict(found) | {"machine": where})
        return
    for line in (sentence(where), *head(found)):
        console.print(line, soft_wrap=True, markup=False)
    for table in tables(found):
        console.print(table)
    if out is not None:
        console.print(f"Drawn in {out}.", soft_wrap=True, markup=False)
