"""Gin text to a recipe: files, layers and settings in; a frozen recipe out, or every fault at once."""

import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from pathlib import Path

from mixkit.recipe import catalog
from mixkit.recipe.check import check, note_unused
from mixkit.recipe.faults import Faults, Place, RecipeError
from mixkit.recipe.files import Reader, shown
from mixkit.recipe.identity import expect_aside
from mixkit.recipe.keys import FOREIGN
from mixkit.recipe.resolve import Resolver
from mixkit.recipe.schema import Recipe
from mixkit.recipe.statements import Binding, lost
from mixkit.recipe.writer import specs_of, to_gin
from mixkit.registry import REGISTRIES, is_inside

Parts = tuple[list[Binding], list[Binding], list[Binding]]  # of what is included, of the recipe itself, of the layers


def load_recipe(
    source: str | Path, layers: Iterable[str | Path] = (), settings: Iterable[str] = (), plugins: Collection[str] = ()
) -> Recipe:
    """Reads a recipe.

    Later wins: what the recipe includes, the recipe, the layers in their order, the settings.

    Args:
        source: a path, or the name of a shipped recipe.
        layers: recipes to lay over it, by name (`size/base`) or path.
        settings: lines to lay over that, such as `train.epochs = 5`.
        plugins: modules that the recipe may import, as `mixkit.plugins.load.load_plugins` returns them.

    Raises:
        RecipeError: something is wrong; the message is every fault with file and line.
        UntrustedRecipeError: the recipe would run code, or read a file, that the user did not ask for.
    """
    path = catalog.find(source)

    def read(reader: Reader) -> Parts:
        included, own = reader.read(path)
        return included, own, [binding for layer in layers for binding in _layer(str(layer), path, reader)]

    try:
        return _recipe(read, settings, plugins, path.stem, shown(path))
    except RecipeError as error:
        if str(source) in catalog.fragments() and any(fault.kind == "missing" for fault in error.faults):
            raise catalog.no_recipe(str(source)) from None
        raise


def recipe_from_text(
    text: str, name: str, plugins: Collection[str] = (), settings: Iterable[str] = (), file: str | None = None
) -> Recipe:
    """Reads a recipe that was written out by `to_gin`.

    Args:
        text: the recipe; it may include nothing.
        name: what it is called, unless it says so itself.
        plugins: modules that it may import.
        settings: lines to lay over it.
        file: what faults call the text; `NAME.gin` if not given.

    Raises:
        RecipeError: something is wrong; the message is every fault with its line.
        UntrustedRecipeError: the recipe would run code, or read a file, that the user did not ask for.
    """
    label = file or f"{name}{catalog.SUFFIX}"
    return _recipe(lambda reader: ([], reader.read_text(text, label), []), settings, plugins, name, label)


def recorded_recipe(path: Path, name: str, plugins: Collection[str] = (), settings: Collection[str] = ()) -> Recipe:
    """Reads the recipe that a run folder keeps, which may be a stranger's: a resolved one, that includes nothing.

    Args:
        path: the `recipe.gin` of the run.
        name: what it is called, unless it says so itself.
        plugins: modules that it may import.
        settings: lines to lay over it, that say where data lie or how the run is carried out.

    Raises:
        RecipeError: something is wrong; the message is every fault with file and line.
        UntrustedRecipeError: the recipe would run code that the user did not ask for.
        SettingError: one of the settings says what the run is.
    """

    def read(lines: Collection[str]) -> Recipe:
        return _recipe(lambda reader: ([], reader.read_recorded(path), []), lines, plugins, name, shown(path))

    if settings:
        expect_aside(settings, to_gin(read(())))
    return read(settings)


def _layer(name: str, recipe: Path, reader: Reader) -> list[Binding]:
    place = Place(name, option="--with")
    try:
        included, own = reader.read(catalog.find_layer(name, recipe.parent))
    except RecipeError as error:
        reader.faults.add(place, error.faults[0].message)
        return [lost(place)]
    return [*included, *own]


def _recipe(
    read: Callable[[Reader], Parts], settings: Iterable[str], plugins: Collection[str], name: str, file: str
) -> Recipe:
    faults = Faults()
    recipe = None
    with faults.report():
        reader = Reader(faults, plugins)
        included, own, layered = read(reader)
        lines = [binding for line in settings for binding in reader.read_line(line)]
        everything = [*included, *own, *layered, *lines]
        known = check(everything, faults)
        if not any(binding.selector in FOREIGN for binding in everything):
            whole = alone = Resolver(everything, faults, file)
            recipe = whole.recipe(name)
            if layered or lines:  # what the file sets has to have an effect without them
                alone = Resolver([*included, *own], Faults(limit=sys.maxsize), file)
                alone.recipe(name)
            note_unused((binding for binding in own if binding.key in known), (alone, whole), faults)
            note_unused((binding for binding in lines if binding.key in known), (whole,), faults)
    assert recipe is not None, "a recipe that cannot be built has a fault"
    # The plugins that it imports, and those that it uses by grace of the command line.
    modules = {REGISTRIES[spec.kind].entry(spec.name).target.__module__ for spec in specs_of(recipe)}
    used = [plugin for plugin in plugins if any(is_inside(module, plugin) for module in modules)]
    imported = tuple(dict.fromkeys([*reader.imported, *used]))
    return replace(recipe, plugins=imported, sources=whole.sources(), left_aside=whole.left_aside())
