"""A choice made a recipe: resolved, checked and known by what it comes to, before anything is spent on it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from mixkit.plugins.copies import sources
from mixkit.recipe.faults import Fault, Faults, Place, RecipeError
from mixkit.recipe.gin_file import load_recipe
from mixkit.recipe.schema import Recipe
from mixkit.recipe.writer import to_gin
from mixkit.search.space import Space
from mixkit.study.plan import PlannedRun, expect_classes, key_of, length


@dataclass(frozen=True)
class Base:
    """The recipe that is searched around.

    Args:
        recipe: a path, or the name of a shipped one.
        layers: fragments over it.
        settings: `--set` lines over that, for every candidate.
        seed: of every candidate's training.
        plugins: modules already loaded that a recipe may import.
    """

    recipe: str
    layers: tuple[str, ...]
    settings: tuple[str, ...]
    seed: int
    plugins: tuple[str, ...] = ()

    def load(self, lines: Sequence[str] = (), recipe: str = "") -> "Candidate":
        """The recipe with lines over it. Lines of the choice that nothing in it uses are left out.

        Args:
            lines: of the choice.
            recipe: another one than the base, under the same layers and settings.

        Raises:
            RecipeError: it is none; the message is every fault.
            RunError: it pretrains.
        """
        kept = tuple(lines)
        while True:
            try:
                loaded = load_recipe(recipe or self.recipe, self.layers, (*self.settings, *kept), self.plugins)
                break
            except RecipeError as error:
                useless = {fault.place.file for fault in error.faults if _is_useless(fault, kept)}
                if len(useless) < len({fault.place.file for fault in error.faults}) or not useless:
                    raise
                kept = tuple(line for line in kept if line not in useless)
        expect_classes(loaded, recipe or self.recipe)
        found = replace(loaded, train=replace(loaded.train, seed=self.seed))
        return Candidate(found, kept, recipe or self.recipe)


@dataclass(frozen=True)
class Candidate:
    """A recipe that may be trained.

    Args:
        recipe: resolved.
        lines: `--set` lines that make it of the base, without those that it has no use for.
        base: the recipe that they are laid over.
    """

    recipe: Recipe
    lines: tuple[str, ...]
    base: str

    @property
    def run(self) -> PlannedRun:
        """What its run is made of."""
        return PlannedRun(to_gin(self.recipe), *length(self.recipe.train), sources(self.recipe.plugins))

    @property
    def key(self) -> str:
        """The name of its run folder: what it says of a run, and the code of its plugins."""
        return key_of(self.run)


def check_space(space: Space, base: Base) -> None:
    """Tries every choice by itself over the base: a key that no recipe has is told before anything is trained.

    A choice that only lacks a setting is no fault where others of its kind lack none, such as an operator of a plugin:
    candidates with it are left out one by one, with the reason.

    Raises:
        RecipeError: a choice is wrong, or none of a dimension can be had; the message is every fault.
    """
    faults = Faults()
    with faults.report():
        for name, of in space.dimensions.items():
            found = [fault for lines in of.examples() if (fault := _fault(base, lines))]
            wrong = [fault for fault in found if fault.kind != "missing"]
            for fault in wrong or (found[:1] if len(found) == len(of.examples()) else ()):
                faults.add(Place(f"search.space[{name!r}]"), str(fault), fault.kind)


def _fault(base: Base, lines: tuple[str, ...]) -> Fault | None:
    """The first fault of a choice; None where it is only of no use to the base."""
    try:
        base.load(lines)
    except RecipeError as error:
        return error.faults[0]
    return None


def _is_useless(fault: Fault, lines: Collection[str]) -> bool:
    return fault.kind == "unused" and fault.place.option == "--set" and fault.place.file in lines


def told(chosen: Mapping[str, str | int | float], lines: Sequence[str]) -> str:
    """What was chosen, in a line; settings that the candidate has no use for are left out."""
    used = {line.partition("=")[0].strip() for line in lines}
    parts = []
    for name, value in chosen.items():
        setting = name.rpartition(".")[2]
        if "." in name and name not in used:
            continue
        number = f"{value:.3g}" if isinstance(value, float) else str(value)
        parts.append(number if setting in ("branches",) else f"{setting} {number}")
    return ", ".join(parts)
