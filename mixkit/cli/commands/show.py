"""`mixkit show`, `check`, `list` and `copy`."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mixkit.errors import MixkitError, printable
from mixkit.recipe.schema import Recipe


def show(recipe: Recipe, as_json: bool) -> None:
    """What a recipe comes to."""
    from mixkit.model.classifier import build_features
    from mixkit.model.cost import costs
    from mixkit.model.patches import patch_grid
    from mixkit.recipe.writer import to_json

    heard = build_features(recipe)
    grid = patch_grid(heard.bins, heard.frames, recipe.model.patch, recipe.model.stride)
    classes, note = _classes(recipe)
    rows = costs(recipe.model, heard.bins, heard.frames, classes)
    parameters, flops = sum(row.parameters for row in rows), sum(row.flops for row in rows)
    if as_json:
        document = {
            "recipe": to_json(recipe),
            "sources": dict(recipe.sources),
            "input": {"sample_rate": heard.sample_rate, "bins": heard.bins, "frames": heard.frames},
            "grid": {"frequency": grid.frequency, "time": grid.time, "tokens": grid.tokens + recipe.model.prefix},
            "classes": classes,
            "parameters": parameters,
            "flops": flops,
            "operators": [
                {"name": row.name, "shape": list(row.shape), "parameters": row.parameters, "flops": row.flops}
                for row in rows
            ],
        }
        print(json.dumps(document, indent=2, ensure_ascii=False))  # noqa: T201
        return
    console = Console(highlight=False)
    console.print(_settings(recipe), soft_wrap=True)
    prefix = f" and {recipe.model.prefix} prefix tokens" if recipe.model.prefix else ""
    console.print(
        Text(
            f"\n{heard.samples / heard.sample_rate:.2f} s at {heard.sample_rate} Hz -> {heard.bins} bins x "
            f"{heard.frames} frames -> {grid.frequency} x {grid.time} grid, {grid.tokens} tokens{prefix} of "
            f"{recipe.model.width} channels -> {classes} classes{note}\n"
        ),
        soft_wrap=True,
    )
    table = Table(title="what each part costs for one clip, forward", title_justify="left")
    for column in ("part", "shape", "parameters", "share", "MFLOP", "share"):
        table.add_column(column, justify="left" if column == "part" else "right")
    for row in rows:
        table.add_row(
            row.name,
            " x ".join(map(str, row.shape)),
            f"{row.parameters:,}",
            f"{row.parameters / parameters:.1%}",
            f"{row.flops / 1e6:,.1f}",
            f"{row.flops / flops:.1%}",
        )
    table.add_section()
    table.add_row("in all", "", f"{parameters:,}", "", f"{flops / 1e6:,.1f}", "", style="bold")
    console.print(table)


def check(recipe: Recipe) -> None:
    """Whether a recipe loads and its network can be built."""
    import torch

    from mixkit.model.classifier import build_features
    from mixkit.model.mixer import Mixer

    heard = build_features(recipe)
    classes, note = _classes(recipe)
    with torch.device("meta"):
        mixer = Mixer(recipe.model, heard.bins, heard.frames, classes)
    Console(highlight=False).print(
        Text(
            f"{recipe.name} is sound: {recipe.model.depth} blocks over a {mixer.grid.frequency} x {mixer.grid.time} "
            f"grid, {sum(p.numel() for p in mixer.parameters()):,} parameters for {classes} classes{note}"
        ),
        soft_wrap=True,
    )


def list_all(what: str, as_json: bool) -> None:
    """What there is to choose from."""
    from mixkit.recipe import catalog
    from mixkit.registry import PLURALS, REGISTRIES

    def entries(registry: Any) -> list[tuple[str, str]]:
        return [(name, registry.entry(name).summary) for name in registry.names()]

    def recipes(names: Iterable[str]) -> list[tuple[str, str]]:
        return [(name, catalog.summary(catalog.find(name))) for name in names]

    wanted: dict[str, list[tuple[str, str]]] = {}
    for kind, registry in REGISTRIES.items():
        if what in (PLURALS[kind], "all"):
            wanted[PLURALS[kind]] = entries(registry)
        if kind == "operator" and what in ("recipes", "all"):
            wanted["recipes"] = recipes(catalog.names())
            wanted["fragments for --with"] = recipes(catalog.fragments())
            wanted["studies for mixkit ablate"] = recipes(catalog.studies())
    if as_json:
        print(json.dumps({key: dict(rows) for key, rows in wanted.items()}, indent=2, ensure_ascii=False))  # noqa: T201
        return
    console = Console(highlight=False)
    for title, rows in wanted.items():
        table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column()
        for name, summary in rows:
            table.add_row(Text(name, style="bold"), Text(printable(summary)))
        console.print(table)
        console.print()


def copy(name: str, to: Path) -> None:
    """A recipe of the user's own."""
    from mixkit.recipe import catalog

    written = catalog.copy(name, to)
    Console(highlight=False).print(Text(f"Wrote {written}. Next:  mixkit show {written}"))


def _settings(recipe: Recipe) -> Text:
    """The resolved recipe as gin text, with where each line was written."""
    from mixkit.recipe import catalog
    from mixkit.recipe.writer import to_gin

    text = Text()
    for line in to_gin(recipe).splitlines():
        key, equals, _ = line.partition(" = ")
        source = recipe.sources.get(key, "").removeprefix(f"{catalog.shipped()}/") if equals else ""
        text.append(f"{printable(line):<68}" if source else printable(line), style="bold" if source else "")
        text.append(f"  # {printable(source)}\n" if source else "\n", style="cyan")
    return text


def _classes(recipe: Recipe) -> tuple[int, str]:
    from mixkit.registry import task

    try:
        return len(task.build(recipe.task).labels), ""
    except MixkitError as error:
        return 10, f", assumed: {error}"
