"""`mixkit list`."""

from collections.abc import Iterable
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from mixkit.cli.options import AsJson, Plugins
from mixkit.cli.views.terminal import print_json, stdout
from mixkit.errors import MixkitError, printable

Listed = Literal[
    "operators",
    "recipes",
    "tasks",
    "features",
    "stems",
    "downsamples",
    "pools",
    "heads",
    "networks",
    "losses",
    "distillations",
    "augmentations",
    "optimizers",
    "schedules",
    "metrics",
    "weights",
    "all",
]


def list_(
    what: Annotated[
        Listed,
        typer.Argument(metavar="KIND", help="operators, recipes, tasks, features, losses ... Without one, all."),
    ] = "all",
    plugins: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """List operators, recipes, tasks and all else that a recipe can name, each with a line about it."""
    from mixkit.plugins.load import load_all_installed, load_plugins

    load_plugins(plugins or ())
    for fault in load_all_installed():
        typer.echo(f"left out: {fault}", err=True)
    wanted = _wanted(what)
    if as_json:
        print_json(wanted)
        return
    console = stdout()
    for title, summaries in wanted.items():
        groups = _groups(title, summaries)
        heading = f"{title} ({len(summaries)})"
        rows = Table(title=heading, title_justify="left", show_header=False, box=None, pad_edge=False)
        rows.add_column(no_wrap=True)
        rows.add_column()
        for group, names in groups.items():
            if len(groups) > 1:
                rows.add_row()
                rows.add_row(Text(group, style="cyan"))
            for name in names:
                rows.add_row(Text(name, style="bold"), Text(printable(summaries[name])))
        console.print(rows)
        console.print()


def _groups(title: str, names: Iterable[str]) -> dict[str, list[str]]:
    """Names in groups: operators by what they mix, fragments and studies by their folder, all else together."""
    found: dict[str, list[str]] = {}
    for name in names:
        group = _mixed(name) if title == "operators" else f"{name.partition('/')[0]}/" if "/" in name else ""
        found.setdefault(group, []).append(name)
    return dict(sorted(found.items(), key=lambda group: (group[0].count(","), group[0])))


def _mixed(name: str) -> str:
    from mixkit.operators import AXES, mixes_of
    from mixkit.registry import operator

    try:
        mixed = mixes_of(operator.spec(name))
    except MixkitError:  # of a plugin that names no axis, which `mixkit check` tells
        return "mix nothing that is known"
    return f"mix {', '.join(axis for axis in AXES if axis in mixed) or 'nothing'}"


def _wanted(what: str) -> dict[str, dict[str, str]]:
    """Names with a line about each, by what they are names of."""
    from mixkit.recipe import catalog
    from mixkit.registry import PLURALS, REGISTRIES

    def recipes(names: Iterable[str]) -> dict[str, str]:
        return {name: catalog.summary(catalog.shipped() / f"{name}{catalog.SUFFIX}") for name in names}

    wanted = {}
    for kind, registry in REGISTRIES.items():
        if what in (PLURALS[kind], "all"):
            wanted[PLURALS[kind]] = {name: registry.entry(name).summary for name in registry.names()}
        if kind == "operator" and what in ("recipes", "all"):
            wanted["recipes"] = recipes(catalog.names())
            wanted["fragments for --with"] = recipes(catalog.fragments())
            wanted["studies for mixkit ablate"] = recipes(catalog.studies())
            wanted["spaces for mixkit search"] = recipes(catalog.spaces())
    return wanted
