"""What a recipe comes to: its settings and where each was written, the grid, all costs."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from rich.text import Text

from mixkit.cli.views.terminal import print_json, stdout, table
from mixkit.errors import MixkitError, printable
from mixkit.model.classifier import build_features
from mixkit.model.cost import costs, learned_features, without_memory
from mixkit.model.mixer import Mixer
from mixkit.recipe import catalog
from mixkit.recipe.schema import Recipe
from mixkit.recipe.writer import to_gin, to_json
from mixkit.registry import Grid, task

NOTHING: Mapping[str, Any] = MappingProxyType({})


def show_recipe(recipe: Recipe, as_json: bool, facts: Mapping[str, Any] = NOTHING, known: int | None = None) -> None:
    """Prints it.

    Args:
        recipe: what is shown.
        as_json: as one document.
        facts: that stand in the document ahead of all else.
        known: classes; None to ask its task.
    """
    features, rate = build_features(recipe), recipe.task.params["sample_rate"]
    classes, note = (known, "") if known else classes_of(recipe)
    shape = features.bins, features.frames, classes
    network = without_memory(recipe.architecture, *shape)
    grid = network.stem.grid if isinstance(network, Mixer) else None
    rows = [*learned_features(features), *costs(recipe.architecture, *shape)]
    parameters, flops = sum(row.parameters for row in rows), sum(row.flops for row in rows)
    prefix = recipe.model.prefix if recipe.model else 0
    if as_json:
        print_json(
            {
                **facts,
                "recipe": to_json(recipe),
                "sources": dict(recipe.sources),
                "input": {"sample_rate": rate, "bins": features.bins, "frames": features.frames},
                "grid": grid and {"frequency": grid.frequency, "time": grid.time, "tokens": grid.tokens + prefix},
                "classes": classes,
                "parameters": parameters,
                "flops": flops,
                "operators": [
                    {"name": row.name, "shape": list(row.shape), "parameters": row.parameters, "flops": row.flops}
                    for row in rows
                ],
            }
        )
        return
    console = stdout()
    console.print(_settings(recipe), soft_wrap=True)
    if recipe.note:
        console.print(Text(f"\n{recipe.note}"), soft_wrap=True)
    console.print(
        Text(
            f"\n{features.samples / rate:.2f} s at {rate} Hz -> {features.bins} bins x "
            f"{features.frames} frames -> {_way(recipe, grid)} -> {classes} classes{note}\n"
        ),
        soft_wrap=True,
    )
    columns = ("part", "shape", "parameters", "share", "MFLOP", "share")
    parts = table(*columns, title="what each part costs for one clip, forward")
    for row in rows:
        parts.add_row(
            row.name,
            " x ".join(map(str, row.shape)),
            f"{row.parameters:,}",
            f"{row.parameters / parameters:.1%}",
            f"{row.flops / 1e6:,.1f}",
            f"{row.flops / max(flops, 1):.1%}",
        )
    parts.add_section()
    parts.add_row("in all", "", f"{parameters:,}", "", f"{flops / 1e6:,.1f}", "", style="bold")
    console.print(parts)


def _way(recipe: Recipe, grid: Grid | None) -> str:
    """From features to logits, in words."""
    if recipe.model is None or grid is None:
        return f"network.{recipe.architecture}"
    prefix = f" and {recipe.model.prefix} prefix tokens" if recipe.model.prefix else ""
    width = recipe.model.pyramid[0].width
    return f"{grid.frequency} x {grid.time} grid, {grid.tokens} tokens{prefix} of {width} channels"


def classes_of(recipe: Recipe) -> tuple[int, str]:
    """How many classes its task has; where its recordings are not there, an assumption and a note that says so."""
    try:
        return len(task.build(recipe.task).labels), ""
    except MixkitError as error:
        return 10, f", assumed: {error}"


def _settings(recipe: Recipe) -> Text:
    """The resolved recipe as gin text, with where each line was written."""
    text = Text()
    for line in to_gin(recipe).splitlines():
        key, equals, _ = line.partition(" = ")
        source = recipe.sources.get(key, "").removeprefix(f"{catalog.shipped()}/") if equals else ""
        text.append(f"{printable(line):<68}" if source else printable(line), style="bold" if source else "")
        text.append(f"  # {printable(source)}\n" if source else "\n", style="cyan")
    return text
