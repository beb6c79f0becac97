"""The arms of a study: written out or derived, each resolved to a recipe, so that every mistake is found at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from mixkit.errors import did_you_mean
from mixkit.recipe.faults import Fault, Faults, Place, RecipeError
from mixkit.recipe.gin_file import load_recipe
from mixkit.recipe.schema import Recipe
from mixkit.study.definition import Edit, Study, drops, swaps
from mixkit.study.edits import EditError, Loaded, made, operators_of
from mixkit.study.record import Arm

# What the Mixer has where ASM-RH has its own operators (arXiv:2402.18007, Table VI).
MIXER = {"roll_time": "channel", "hermit_frequency": "token"}


class Loader:
    """Reads the base recipe with lines over it.

    A line that holds for all arms may set an operator that one of them lacks: there it is left out. One that no arm
    uses is a mistake.

    Args:
        study: names the base, layers and lines.
        plugins: modules that the recipe may import.
        last: lines that stand above those of the arms.
    """

    def __init__(self, study: Study, plugins: Collection[str], last: tuple[str, ...] = ()):
        self._study = study
        self._plugins = plugins
        self._last = last
        self._useless: dict[str, Fault] = {}
        self._used: set[str] = set()

    def load(self, lines: tuple[str, ...] = ()) -> Loaded:
        """The recipe with the lines of an arm.

        Raises:
            RecipeError: something is wrong; the message is every fault.
        """
        layers = (*self._study.layers, *self._study.added_layers)
        common = (*self._study.settings, *self._study.added)
        while True:
            whole = (*common, *lines, *self._last)
            try:
                recipe = load_recipe(self._study.base, layers, whole, self._plugins)
            except RecipeError as error:
                useless = {fault.place.file: fault for fault in error.faults if _is_useless(fault, common)}
                if len(useless) < len(error.faults):
                    raise
                self._useless |= useless
                common = tuple(line for line in common if line not in useless)
                continue
            self._used |= set(common)
            return Loaded(recipe, lines, whole)

    def unused(self) -> list[Fault]:
        """Lines that no arm uses; those of the file may have lost their use by what the command line lays over it."""
        excused = self._study.settings if self._study.added_layers or self._study.added else ()
        useless = {line: fault for line, fault in self._useless.items() if line not in self._used}
        return [fault for line, fault in useless.items() if line not in excused or line in self._study.added]


def _is_useless(fault: Fault, lines: tuple[str, ...]) -> bool:
    """Whether the fault is that one of the lines has no effect."""
    return fault.kind == "unused" and _is_of_line(fault, lines)


def _is_of_line(fault: Fault, lines: tuple[str, ...]) -> bool:
    """Whether the fault is in one of these `--set` lines."""
    return fault.place.option == "--set" and fault.place.file in lines


@dataclass(frozen=True)
class ArmRecipe:
    """An arm, and the recipe that it is: what was checked is what is run.

    Args:
        arm: its name and lines.
        recipe: with the seed 0; seed and fold are the study's to say.
        lines: all `--set` lines that make it.
    """

    arm: Arm
    recipe: Recipe
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Arms:
    """Arms in their order, the name of the base among them, and what there is to say about them."""

    arms: tuple[ArmRecipe, ...]
    base: str
    notes: tuple[str, ...]


def derived(recipe: Recipe) -> dict[str, Edit]:
    """The arms that a plain recipe is compared with: each operator left out, and what is ASM-RH's own replaced."""
    known = operators_of(recipe.model)
    found = drops(known) if len(known) > 1 else {}
    own = {name: other for name, other in MIXER.items() if name in known and other not in known}
    found |= swaps({name: [other] for name, other in own.items()})
    if len(own) > 1:
        found[", ".join(f"{name} -> {other}" for name, other in own.items())] = dict(own)
    return found


def arms_of(study: Study, loader: Loader) -> Arms:
    """Resolves every arm; those that come to the same recipe are one.

    Raises:
        RecipeError: an arm cannot be used; the message is every fault, with the arm and where it stands.
    """
    base = base_of(study, loader)
    faults = Faults()
    found: list[ArmRecipe] = []
    asked: list[tuple[str, tuple[str, ...] | Edit]] = [*study.arms.items(), *study.edits.items()]
    with faults.report():
        for name, change in asked:
            place = study.places.get(_key_of(change), Place(""))
            if isinstance(change, Mapping) and name in study.arms:
                faults.add(place, f"arm {name!r} is named by study.arms too. Rename that one.")
                continue
            try:
                loaded = made(change, base.recipe, loader.load) if isinstance(change, Mapping) else loader.load(change)
                found.append(_arm(Arm(name, loaded.own, study.values.get(name), study.notes.get(name, "")), loaded))
            except EditError as error:
                faults.add(place, f"arm {name!r}: {error}")
            except RecipeError as error:
                for fault in error.faults:
                    faults.add(place, f"arm {name!r}: {fault}", fault.kind)
        for fault in loader.unused():
            faults.add(study.places.get("study.set", Place("")), str(fault))
    arms = _distinct(found, base)
    _check_paper(study, [found.arm.name for found in arms.arms])
    return arms


def _key_of(change: tuple[str, ...] | Edit) -> str:
    """The key of a study file that names such an arm."""
    if isinstance(change, Mapping):
        return "study.drop" if None in change.values() else "study.swap"
    return "study.arms"


def _arm(arm: Arm, loaded: Loaded) -> ArmRecipe:
    recipe = replace(loaded.recipe, train=replace(loaded.recipe.train, seed=0))
    return ArmRecipe(arm, recipe, loaded.lines)


def base_of(study: Study, loader: Loader) -> Loaded:
    """The base recipe.

    Raises:
        RecipeError: it cannot be used; what is wrong with a line of the study file is told where that stands.
    """
    try:
        return loader.load()
    except RecipeError as error:
        place = study.places.get("study.set")
        faults = Faults()
        with faults.report():
            for fault in error.faults:
                if place and _is_of_line(fault, study.settings):
                    faults.add(place, str(fault), fault.kind)
                else:
                    faults.add(fault.place, fault.message, fault.kind)
        raise


def _check_paper(study: Study, names: list[str]) -> None:
    """Figures of a paper have to be those of an arm."""
    faults = Faults()
    with faults.report():
        for key, found in (("paper.value", study.values), ("paper.note", study.notes)):
            for name in found:
                if name not in names:
                    faults.add(study.places[key], f"{key} names no arm with {name!r}.{did_you_mean(name, names)}")


def _distinct(found: list[ArmRecipe], base: Loaded) -> Arms:
    """Arms that are the same but for the name become one, the first of them; the base is one of the arms."""
    names = [one.arm.name for one in found]
    name = base.recipe.name
    plain = _arm(Arm(name if name not in names else f"{name} (base)", ()), base)
    same_as_base = next((one.arm.name for one in found if one.recipe == plain.recipe), None)
    kept: list[ArmRecipe] = []
    notes = []
    for one in found if same_as_base else [plain, *found]:
        known = next((other.arm.name for other in kept if other.recipe == one.recipe), None)
        if known is None:
            kept.append(one)
        else:
            notes.append(f"Arm {one.arm.name!r} comes to the same recipe as {known!r}: it is left out.")
    return Arms(tuple(kept), same_as_base or plain.arm.name, tuple(notes))
