"""What a recipe comes to: its settings and where each was written, the grid, all costs."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from rich.text import Text

from mixkit.cli.views.terminal import print_json, stdout, table
from mixkit.errors import MixkitError, printable
from mixkit.model.classifier import build_features
from mixkit.model.cost import costs, learned_features, without_memory
from mixkit.recipe import catalog
from mixkit.recipe.schema import Recipe
from mixkit.recipe.writer import to_gin, to_json
from mixkit.registry import task

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
    grid = without_memory(recipe.model, features.bins, features.frames, classes).stem.grid
    rows = [*learned_features(features), *costs(recipe.model, features.bins, features.frames, classes)]
    parameters, flops = sum(row.parameters for row in rows), sum(row.flops for row in rows)
    if as_json:
        print_json(
            {
                **facts,
                "recipe": to_json(recipe),
                "sources": dict(recipe.sources),
                "input": {"sample_rate": rate, "bins": features.bins, "frames": features.frames},
                "grid": {"frequency": grid.frequency, "time": grid.time, "tokens": grid.tokens + recipe.model.prefix},
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
    prefix = f" and {recipe.model.prefix} prefix tokens" if recipe.model.prefix else ""
    console.print(
        Text(
            f"\n{features.samples / rate:.2f} s at {rate} Hz -> {features.bins} bins x "
            f"{features.frames} frames -> {grid.frequency} x {grid.time} grid, {grid.tokens} tokens{prefix} of "
            f"{recipe.model.pyramid[0].width} channels -> {classes} classes{note}\n"
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
            f"{row.flops / flops:.1%}",
        )
    parts.add_section()
    parts.add_row("in all", "", f"{parameters:,}", "", f"{flops / 1e6:,.1f}", "", style="bold")
    console.print(parts)


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
