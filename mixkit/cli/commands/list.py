"""`mixkit list`."""

from collections.abc import Iterable
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from mixkit.cli.options import AsJson, Plugins
from mixkit.cli.views.terminal import print_json, stdout
from mixkit.errors import printable

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
        rows = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
        rows.add_column(no_wrap=True)
        rows.add_column()
        for name, summary in summaries.items():
            rows.add_row(Text(name, style="bold"), Text(printable(summary)))
        console.print(rows)
        console.print()


def _wanted(what: str) -> dict[str, dict[str, str]]:
    """Names with a line about each, by what they are names of."""
    from mixkit.recipe import catalog
    from mixkit.registry import PLURALS, REGISTRIES

    def recipes(names: Iterable[str]) -> dict[str, str]:
        return {name: catalog.summary(catalog.find(name)) for name in names}

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
