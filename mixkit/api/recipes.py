"""Look a recipe or a study over before it is trained, and at what its operators mix."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mixkit.checkpoints.weights import load
from mixkit.cli.commands.check import of_recipe, of_study
from mixkit.cli.commands.look import clips_of, looked_at
from mixkit.errors import MixkitError
from mixkit.markup import paragraph, picture
from mixkit.model.classifier import Classifier, build
from mixkit.plugins.load import load_plugins
from mixkit.recipe.gin_file import load_recipe
from mixkit.recipe.schema import Recipe
from mixkit.storage.picture import rendered
from mixkit.study.definition import load_study


class Pictures(dict[str, bytes]):
    """PNG pictures by name, and what they say in a sentence each.

    Args:
        drawn: the pictures.
        said: the sentences.
    """

    def __init__(self, drawn: dict[str, bytes], said: Sequence[str]):
        super().__init__(drawn)
        self.said = tuple(said)

    def __repr__(self) -> str:
        return f"<Pictures {', '.join(self)}>"

    def _repr_html_(self) -> str:
        return "".join(map(paragraph, self.said)) + "".join(picture(png, name) for name, png in self.items())


def check(
    what: Recipe | str | Path,
    layers: Sequence[str | Path] = (),
    settings: Sequence[str] = (),
    plugins: tuple[str, ...] = (),
) -> str:
    """Builds a recipe, or every arm of a study, without data and training, and says what it comes to.

    Args:
        what: a recipe that is loaded, or a recipe or study as a path or the name of a shipped one.
        layers: fragments to lay over it, where it is not loaded yet.
        settings: lines to lay over that.
        plugins: files or modules, as for `load_plugins`.

    Returns:
        The size of each network, and how long a run is.

    Raises:
        RecipeError: something is wrong; the message is every fault with file and line.
        MixkitError: the network cannot be built, or what is loaded was given fragments or settings.
    """
    if isinstance(what, Recipe):
        if layers or settings:
            raise MixkitError(f"{what.name} is loaded; give layers and settings to load_recipe.")
        return "\n".join(of_recipe(what))
    loaded = load_plugins(plugins)
    if study := load_study(what, loaded):
        return "\n".join(of_study(replace(study, added_layers=tuple(map(str, layers)), added=tuple(settings)), loaded))
    return "\n".join(of_recipe(load_recipe(what, layers, settings, loaded)))


def look(
    what: Recipe | Classifier | str | os.PathLike[str],
    at: tuple[int, int] | None = None,
    layers: Sequence[int] = (),
    plugins: tuple[str, ...] = (),
) -> Pictures:
    """Draws what every operator mixes, and for a trained run how much each branch changes.

    Args:
        what: a recipe, whose network is built with fresh weights; or a run, or its network.
        at: the token that is looked at, as frequency and time on the grid; the middle without.
        layers: of the network, from 0; six of them without.
        plugins: modules already loaded that the recipe of a run may import.
    """
    if isinstance(what, Recipe):
        model, features = build(what, 10), None
    else:
        model = what if isinstance(what, Classifier) else load(Path(what), "cpu", plugins)
        features = clips_of(model)
    drawn, said = looked_at(model, features, at, layers)
    return Pictures({name: rendered(draw) for name, draw in drawn.items()}, said)
