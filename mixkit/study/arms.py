"""The arms of a study: written out or derived, each resolved to a recipe, so that every mistake is found at once."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from mixkit.errors import MixkitError, did_you_mean
from mixkit.recipe.faults import Fault, Faults, Place, RecipeError
from mixkit.recipe.gin_file import load_recipe
from mixkit.recipe.schema import Recipe
from mixkit.study.definition import Edit, Study, drops, swaps
from mixkit.study.edits import Loaded, made, operators_of
from mixkit.study.record import Arm

Look = Callable[[str, Recipe], None]
"""Is shown each arm by name, and raises a MixkitError where it is not as it has to be."""

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
                useless = {
                    fault.place.file: fault
                    for fault in error.faults
                    if fault.kind == "unused" and _is_of_line(fault, common)
                }
                if others := tuple(fault for fault in error.faults if fault not in useless.values()):
                    raise type(error)(others) from None  # whether the lines are of use to another arm is not known yet
                self._useless |= useless
                common = tuple(line for line in common if line not in useless)
                continue
            self._used |= set(common)
            recipe = replace(recipe, train=replace(recipe.train, seed=0))  # seed and fold are the study's to say
            return Loaded(recipe, lines, whole)

    def unused(self) -> list[Fault]:
        """Lines that no arm uses; those of the file may have lost their use by what the command line lays over it."""
        excused = self._study.settings if self._study.added_layers or self._study.added else ()
        useless = {line: fault for line, fault in self._useless.items() if line not in self._used}
        return [fault for line, fault in useless.items() if line not in excused or line in self._study.added]


def _is_of_line(fault: Fault, lines: tuple[str, ...]) -> bool:
    """Whether the fault is in one of these `--set` lines."""
    return fault.place.option == "--set" and fault.place.file in lines


@dataclass(frozen=True)
class Arms:
    """Arms in their order, each with its recipe, the name of the base among them, and what there is to say about them.

    What was checked is what is run.
    """

    arms: tuple[tuple[Arm, Loaded], ...]
    base: str
    notes: tuple[str, ...]


def derived(recipe: Recipe) -> dict[str, Edit]:
    """The arms that a plain recipe is compared with: each operator left out, and what is ASM-RH's own replaced.

    What is all of a block is not left out.
    """
    known = operators_of(recipe.model)
    stages = () if recipe.model is None else recipe.model.pyramid
    blocks = [block for stage in stages for block in stage.pattern]
    rows = [{spec.name for branch in block.branches for spec in branch.operators} for block in blocks]
    found = drops(name for name in known if {name} not in rows)
    own = {name: other for name, other in MIXER.items() if name in known and other not in known}
    found |= swaps({name: [other] for name, other in own.items()})
    if len(own) > 1:
        found[", ".join(f"{name} -> {other}" for name, other in own.items())] = dict(own)
    return found


def arms_of(study: Study, loader: Loader, look: Look = lambda name, recipe: None) -> Arms:
    """Resolves every arm; those that come to the same recipe are one.

    Args:
        study: names them.
        loader: reads them.
        look: what it raises is a fault of the arm.

    Raises:
        RecipeError: an arm cannot be used; the message is every fault, with the arm and where it stands.
    """
    base = base_of(study, loader)
    asked: list[tuple[str, tuple[str, ...] | Edit]] = [*study.arms.items(), *study.edits.items()]
    plain = Arm(f"{base.recipe.name} (base)" if base.recipe.name in dict(asked) else base.recipe.name, ())
    faults = Faults()
    found: list[tuple[Arm, Loaded]] = []
    looked: list[Recipe] = []
    with faults.report():
        for name, change in asked:
            edit = change if isinstance(change, Mapping) else {}
            key = "study.arms" if not edit else "study.drop" if None in edit.values() else "study.swap"
            place = study.places.get(key, Place(""))
            if edit and name in study.arms:
                faults.add(place, f"arm {name!r} is named by study.arms too. Rename that one.")
                continue
            try:
                loaded = made(change, base.recipe, loader.load) if isinstance(change, Mapping) else loader.load(change)
                looked.append(loaded.recipe)
                look(name, loaded.recipe)
                found.append((Arm(name, loaded.own, study.values.get(name), study.notes.get(name, "")), loaded))
            except RecipeError as error:
                for fault in error.faults:
                    faults.add(place, f"arm {name!r}: {fault}", fault.kind)
            except MixkitError as error:
                faults.add(place, f"arm {name!r}: {error}")
        if base.recipe not in looked:
            try:
                look(plain.name, base.recipe)
            except MixkitError as error:
                faults.add(study.places.get("study.base", Place("")), f"arm {plain.name!r}: {error}")
        for fault in loader.unused():
            faults.add(study.places.get("study.set", Place("")), str(fault))
    arms = _distinct(found, plain, base)
    _check_paper(study, [arm.name for arm, _ in arms.arms])
    return arms


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
    """Figures of a paper have to be those of an arm, or of something that is none."""
    faults = Faults()
    with faults.report():
        for key, found in (("paper.value", study.values), ("paper.note", study.notes)):
            for name in found:
                if name not in names:
                    faults.add(study.places[key], f"{key} names no arm with {name!r}.{did_you_mean(name, names)}")
        for name in study.others:
            if name in names:
                fault = f"paper.other names {name!r}, which is an arm. Write its figures in paper.value."
                faults.add(study.places["paper.other"], fault)


def _distinct(found: list[tuple[Arm, Loaded]], plain: Arm, base: Loaded) -> Arms:
    """Arms that are the same but for the name become one, the first of them; the base is one of the arms."""
    same_as_base = next((arm.name for arm, loaded in found if loaded.recipe == base.recipe), None)
    kept: list[tuple[Arm, Loaded]] = []
    notes = []
    for arm, loaded in found if same_as_base else [(plain, base), *found]:
        known = next((other.name for other, its in kept if its.recipe == loaded.recipe), None)
        if known is None:
            kept.append((arm, loaded))
        else:
            notes.append(f"Arm {arm.name!r} comes to the same recipe as {known!r}: it is left out.")
    return Arms(tuple(kept), same_as_base or plain.name, tuple(notes))
