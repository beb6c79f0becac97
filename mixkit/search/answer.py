"""What to do with what was found: the fronts of value and cost, and the winner as a recipe to go on with."""

import shlex
import shutil
from dataclasses import replace
from pathlib import Path

from mixkit.plugins.load import as_options
from mixkit.recipe import catalog
from mixkit.recipe.faults import RecipeError
from mixkit.recipe.figures import figure
from mixkit.recipe.gin_file import load_recipe
from mixkit.recipe.writer import to_gin
from mixkit.search.candidates import Candidate, told
from mixkit.search.costs import from_values
from mixkit.search.definition import Searched, is_counted
from mixkit.search.finals import candidate_of
from mixkit.search.trial import Trial
from mixkit.storage.atomic import write_whole, writing

BEST = "best.gin"


def front(found: Searched, cost: str) -> list[Trial]:
    """The trials that no other one beats in both: none has a better value at as little cost. By cost, least first."""
    sign = -1.0 if figure(found.search.best).lower_is_better else 1.0
    done = [t for t in (*found.shipped, *found.trials) if t.state == "done" and t.value is not None]
    priced = [(value, sign * (t.value or 0.0), t) for t in done if (value := _cost(t, cost)) is not None]
    kept: list[Trial] = []
    highest = float("-inf")
    for _, value, trial in sorted(priced, key=lambda one: (one[0], -one[1], one[2].number)):
        if value > highest:
            kept.append(trial)
            highest = value
    return kept


def _cost(trial: Trial, name: str) -> float | None:
    found = getattr(from_values(trial.facts["costs"]), name)
    return None if found is None else float(found)


def write_best(found: Searched, trial: Trial) -> Path:
    """The winner as `best.gin` in the folder of the search: the base by its name, and the lines that were chosen.

    A base that is a file of the user's own is copied beside it. Where that file includes others, the recipe is written
    out whole instead.
    """
    search = found.search
    candidate = candidate_of(trial, search.base)
    path, source = search.folder / BEST, catalog.find(candidate.base)
    if not source.is_relative_to(catalog.shipped()):
        with writing(search.folder):
            shutil.copyfile(source, search.folder / source.name)
    write_whole(path, _text(found, trial, candidate, source).encode())
    try:
        same = load_recipe(path, plugins=search.base.plugins)
    except RecipeError:
        same = None
    named = None if same is None else replace(same, name=candidate.recipe.name)
    if named is None or to_gin(named) != to_gin(candidate.recipe):
        write_whole(path, f"{_head(found, trial)}\n{to_gin(candidate.recipe)}".encode())
    return path


def _head(found: Searched, trial: Trial) -> str:
    value = figure(found.search.best).show(trial.value)
    what = told(trial.chosen, trial.facts["lines"])
    tried = sum(map(is_counted, found.trials))
    return f"# {found.search.folder.name}: {what}; {value} on validation, the best of {tried} that were tried.\n"


def _text(found: Searched, trial: Trial, candidate: Candidate, source: Path) -> str:
    search = found.search
    layers = [f"include '{layer.removesuffix(catalog.SUFFIX)}{catalog.SUFFIX}'" for layer in search.base.layers]
    include = (
        source.relative_to(catalog.shipped()).as_posix() if source.is_relative_to(catalog.shipped()) else source.name
    )
    given = (*search.base.settings, *candidate.lines, f"train.seed = {search.base.seed}")
    own = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in given)}
    lines = [f"{key} = {value}" for key, value in own.items()]
    command = f"mixkit train {shlex.quote(str(search.folder / BEST))}{as_options(search.plugins)}"
    return f"{_head(found, trial)}#   {command}\n" + "\n".join(
        [*(f"import {plugin}" for plugin in candidate.recipe.plugins), f"include '{include}'", *layers, "", *lines, ""]
    )
