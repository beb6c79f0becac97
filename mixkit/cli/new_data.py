"""What `--on` names: a folder of recordings, a table of them, or a task."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mixkit.errors import MixkitError, did_you_mean
from mixkit.recipe import catalog
from mixkit.recipe.gin_file import load_recipe, recipe_from_text
from mixkit.recipe.schema import Recipe
from mixkit.recipe.writer import to_gin
from mixkit.registry import Spec, task

ANY = "small_data"  # a recipe to lay a fragment of `task/` over, of which nothing but the task is taken


def recipe_on(recipe: Recipe, on: str, settings: Sequence[str]) -> Recipe:
    """The recipe of a run with other recordings in the place of its own.

    Args:
        recipe: of the run.
        on: a folder, a CSV file, a task or a fragment such as `task/esc10`.
        settings: lines over that, such as `task.esc50.root = 'path'`.

    Raises:
        MixkitError: there is no such thing, or the lines do not fit it.
    """
    fragments = [name for name in catalog.fragments() if name.startswith("task/")]
    path = Path(on)
    if on in fragments and not path.exists():
        taken = load_recipe(ANY, [on], settings, recipe.plugins)
        return replace(recipe, task=taken.task, on_bad_file=taken.on_bad_file)
    if path.is_dir():
        spec = _own(recipe.task, root=str(path), pattern=_own_pattern(recipe.task))
    elif path.is_file():
        spec = _own(recipe.task, root=str(path.parent), table=path.name)
    elif on in task.names():
        spec = task.spec(on)
    else:
        known = did_you_mean(on, [*task.names(), *fragments])
        raise MixkitError(f"--on {on} is no folder, no CSV file and no task.{known}")
    text = to_gin(replace(recipe, task=spec))
    return recipe_from_text(text, recipe.name, recipe.plugins, settings)


def _own(own: Spec, **params: object) -> Spec:
    """A folder task that reads labels as that of the run does."""
    kept = {name: own.params[name] for name in ("multi_label", "separator") if own.name == "folder"}
    return task.spec("folder", **kept, **params)


def _own_pattern(own: Spec) -> object:
    return own.params["pattern"] if own.name == "folder" else None
