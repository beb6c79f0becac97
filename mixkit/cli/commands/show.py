"""`mixkit show`."""

from pathlib import Path
from typing import Annotated

import typer

from mixkit.cli import completion
from mixkit.cli.options import AsJson, Layers, Plugins, Settings, load
from mixkit.errors import MixkitError


def show(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|RUN|NAME",
            autocompletion=completion.recipes_and_runs,
            help="A recipe; a run; what there is by name, such as operator.roll; or a setting, such as train.balance.",
        ),
    ],
    layers: Layers = None,
    settings: Settings = None,
    plugins: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Show what a recipe or a run comes to: settings, the grid, all costs; or what a name or a setting means."""
    from mixkit.cli.views.card import is_card, show_card
    from mixkit.cli.views.recipe import show_recipe
    from mixkit.cli.views.run import show_run
    from mixkit.cli.views.settings import is_setting, show_setting
    from mixkit.plugins.load import load_plugins
    from mixkit.runs.folder import RECIPE, Run

    is_run, setting = (Path(what) / RECIPE).is_file(), is_setting(what)
    if not (is_run or setting or is_card(what)):
        show_recipe(load(what, layers, settings, plugins), as_json)
        return
    if layers or settings:
        raise MixkitError(f"{what} is no recipe; --with and --set are for recipes. Leave them out.")
    loaded = load_plugins(plugins or ())
    if is_run:
        show_run(Run.open(Path(what)), loaded, as_json)
    elif setting:
        show_setting(what, as_json)
    else:
        show_card(what, as_json)
