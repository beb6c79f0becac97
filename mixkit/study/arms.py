"""The arms of a study: written out or derived, each resolved to a recipe, so that every mistake is found at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from mixkit.errors import did_you_mean
from mixkit.recipe.faults import Fault, Faults, Place, RecipeError
from mixkit.recipe.gin_file import load_recipe
from mixkit.recipe.schema import Recipe
from mixkit.study.definition import Edit, Study, drops, swaps
from mixkit.study.edits import EditError, lines_of, operators_of
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

    def load(self, lines: tuple[str, ...] = ()) -> Recipe:
        """The recipe."""
        return self.with_lines(lines)[0]

    def with_lines(self, lines: tuple[str, ...]) -> tuple[Recipe, tuple[str, ...]]:
        """The recipe, and all `--set` lines that made it.

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
            return recipe, whole

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
class Arms:
    """Arms in their order, the name of the base among them, and what there is to say about them."""

    arms: tuple[Arm, ...]
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
    found: list[tuple[Arm, Recipe]] = []
    with faults.report():
        for name, lines, key in _lines(study, base, loader, faults):
            place = study.places.get(key, Place(""))
            try:
                recipe = loader.load(lines)
            except RecipeError as error:
                for fault in error.faults:
                    faults.add(place, f"arm {name!r}: {fault}", fault.kind)
                continue
            recipe = replace(recipe, train=replace(recipe.train, seed=0))  # which is the study's to say
            found.append((Arm(name, lines, study.values.get(name), study.notes.get(name, "")), recipe))
        for fault in loader.unused():
            faults.add(study.places.get("study.set", Place("")), str(fault))
    arms = _distinct(found, replace(base, train=replace(base.train, seed=0)))
    _check_paper(study, [arm.name for arm in arms.arms])
    return arms


def base_of(study: Study, loader: Loader) -> Recipe:
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


def _lines(study: Study, base: Recipe, loader: Loader, faults: Faults) -> list[tuple[str, tuple[str, ...], str]]:
    """Name, lines and key of every arm."""
    found = [(name, lines, "study.arms") for name, lines in study.arms.items()]
    for name, edit in study.edits.items():
        key = "study.drop" if None in edit.values() else "study.swap"
        if name in study.arms:
            faults.add(study.places.get(key, Place("")), f"arm {name!r} is named by study.arms too. Rename that one.")
            continue
        try:
            found.append((name, lines_of(edit, base, loader.load), key))
        except EditError as error:
            faults.add(study.places.get(key, Place("")), f"arm {name!r}: {error}")
        except RecipeError as error:
            for fault in error.faults:
                faults.add(study.places.get(key, Place("")), f"arm {name!r}: {fault}", fault.kind)
    return found


def _distinct(found: list[tuple[Arm, Recipe]], base: Recipe) -> Arms:
    """Arms that are the same but for the name become one, the first of them; the base is one of the arms."""
    same_as_base = next((arm.name for arm, recipe in found if recipe == base), None)
    if same_as_base is None:
        found = [(Arm(_free(base.name, {arm.name: arm for arm, _ in found}), ()), base), *found]
    kept: list[tuple[Arm, Recipe]] = []
    notes = []
    for arm, recipe in found:
        known = next((other for other, same in kept if same == recipe), None)
        if known is None:
            kept.append((arm, recipe))
        else:
            notes.append(f"Arm {arm.name!r} comes to the same recipe as {known.name!r}: it is left out.")
    return Arms(tuple(arm for arm, _ in kept), same_as_base or kept[0][0].name, tuple(notes))


def _free(name: str, taken: Mapping[str, object]) -> str:
    return name if name not in taken else f"{name} (base)"
