"""`mixkit show`."""

from typing import Annotated

import typer

from mixkit.cli.options import AsJson, Layers, Plugins, Settings, load
from mixkit.errors import MixkitError


def show(
    recipe: Annotated[
        str,
        typer.Argument(metavar="RECIPE|KIND.NAME", help="A recipe; or what there is by name, such as operator.roll."),
    ],
    layers: Layers = None,
    settings: Settings = None,
    plugins: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Show what a recipe comes to: settings and where each was written, the grid, all costs; or a thing by its name."""
    from mixkit.cli.views.card import is_card, show_card
    from mixkit.cli.views.recipe import show_recipe
    from mixkit.plugins.load import load_plugins

    if not is_card(recipe):
        show_recipe(load(recipe, layers, settings, plugins), as_json)
        return
    if layers or settings:
        raise MixkitError(f"{recipe} is no recipe; --with and --set are for recipes. Leave them out.")
    load_plugins(plugins or ())
    show_card(recipe, as_json)
