"""A study file read: what is compared, on which recipe, how often. Or the study that a plain recipe stands for."""

import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mixkit.errors import SettingError, did_you_mean
from mixkit.recipe import catalog
from mixkit.recipe.faults import Faults, Place, TooManyFaults
from mixkit.recipe.files import Reader, shown
from mixkit.recipe.statements import UNKNOWN, Binding
from mixkit.registry import operator
from mixkit.study.keys import SETTINGS, value_of
from mixkit.values import show

Folds = tuple[int | str, ...] | Literal["all"] | None
Edit = Mapping[str, str | None]  # from an operator to what takes its place, or None where nothing does

SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Study:
    """What is compared; without arms of any kind, the base recipe alone, over its seeds and folds.

    Args:
        name: of the study, for its folder.
        base: the recipe: a path, or the name of a shipped one.
        layers: fragments over it.
        settings: `--set` lines over that, for every arm.
        added_layers: fragments from the command line, over those.
        added: lines from the command line, over those.
        seeds: each arm is trained with each of them.
        folds: and on each of these folds; None leaves the fold to the recipe.
        arms: those written out, by name, as `--set` lines.
        edits: those derived, by name.
        parts: whether arms are derived from the recipe: each operator left out, what is ASM-RH's own replaced.
        values: figures of a paper, by arm, in per cent.
        others: and those of networks that are no arm.
        notes: what a reader has to know about an arm.
        note: what a reader has to know about all of them.
        plugins: that the study imports.
        places: where each key stands.
    """

    name: str
    base: str
    layers: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    added_layers: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    seeds: tuple[int, ...] = SEEDS
    folds: Folds = None
    arms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    edits: Mapping[str, Edit] = field(default_factory=dict)
    parts: bool = False
    values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    others: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    plugins: tuple[str, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)


def study_of(source: str | Path, plugins: Collection[str] = ()) -> Study:
    """What a study file compares, or the parts of a plain recipe.

    Args:
        source: a path, or the name of a shipped study or recipe.
        plugins: modules already loaded that it may import.

    Raises:
        RecipeError: something is wrong; the message is every fault with file and line.
    """
    return load_study(source, plugins) or Study(f"{Path(source).stem}-ablation", str(source), parts=True)


def load_study(source: str | Path, plugins: Collection[str] = ()) -> Study | None:
    """Reads a study file; None if it is a recipe.

    Args:
        source: a path, or the name of a shipped study such as `paper/table_6`.
        plugins: modules that the study may import, as `mixkit.plugins.load.load_plugins` returns them.

    Raises:
        RecipeError: something is wrong; the message is every fault with file and line.
        UntrustedRecipeError: the study would run code, or read a file, that the user did not ask for.
    """
    path = catalog.find(source)
    faults = Faults()
    reader = Reader(faults, plugins)
    bindings: list[Binding] = []
    with suppress(TooManyFaults):  # the recipe loader tells them
        included, own = reader.read(path)
        bindings = [*included, *own]
    if not any(binding.selector in SETTINGS for binding in bindings):
        return None
    with faults.report():
        values, places = _values(bindings, faults)
        _check(values, places, Place(shown(path)), faults)
        base = _base(values.get("study.base"), path, places, faults)
    swap = values.get("study.swap", {})
    return Study(
        name=values.get("study.name", path.stem),
        base=base,
        layers=tuple(_layer(layer, path) for layer in values.get("study.with", ())),
        settings=values.get("study.set", ()),
        seeds=values.get("study.seeds", SEEDS),
        folds=values.get("study.folds"),
        arms=values.get("study.arms", {}),
        edits={**drops(values.get("study.drop", ())), **swaps(swap)},
        values=values.get("paper.value", {}),
        others=values.get("paper.other", {}),
        notes=values.get("paper.note", {}),
        note=values.get("study.note", ""),
        plugins=tuple(dict.fromkeys(reader.imported)),
        places=places,
    )


def drops(names: Iterable[str]) -> dict[str, Edit]:
    """Arms that each leave out one operator."""
    return {f"without {name}": {name: None} for name in names}


def swaps(pairs: Mapping[str, Iterable[str]]) -> dict[str, Edit]:
    """Arms that each put one operator in the place of another."""
    return {f"{name} -> {other}": {name: other} for name, others in pairs.items() for other in others}


def _values(bindings: list[Binding], faults: Faults) -> tuple[dict[str, Any], dict[str, Place]]:
    """What each key is set to, and where; keys that cannot be used have a place only."""
    values: dict[str, Any] = {}
    places: dict[str, Place] = {}
    for binding in bindings:
        places[str(binding)] = binding.place
        if binding.value is UNKNOWN:
            continue  # told already
        try:
            values[str(binding)] = value_of(binding)
        except SettingError as error:
            faults.add(binding.place, str(error))
    return values, places


def _check(values: Mapping[str, Any], places: Mapping[str, Place], study: Place, faults: Faults) -> None:
    """Notes what is missing, and names that are none."""
    if "study.base" not in places:
        faults.add(study, "study.base is not set. Write study.base = 'asm_rh.gin', the recipe that arms are edits of.")
    for key in ("study.drop", "study.swap"):
        for name in _operators(values.get(key)):
            if name not in operator.names():
                faults.add(places[key], f"no operator named {name!r}.{did_you_mean(name, operator.names())}")


def _operators(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [*value, *(other for others in value.values() for other in others)]
    return list(value or ())


def _base(asked: str | None, study: Path, places: Mapping[str, Place], faults: Faults) -> str:
    """The base recipe as a user would name it: one beside the study, or a shipped one."""
    if asked is None:
        return ""
    place = places["study.base"]
    name = asked if asked.endswith(catalog.SUFFIX) else f"{asked}{catalog.SUFFIX}"
    if not asked.isprintable() or len(asked) > 1000:
        faults.add(place, f"study.base is {show(asked)}, which is no path. Write one such as 'asm_rh.gin'.")
        return ""
    for folder in (study.parent, catalog.shipped()):
        path = folder / name
        if not _inside(path, folder):
            message = f"study.base is {show(asked)}, which leads out of the folder of the study. Move the file into it."
            faults.add(place, message, "untrusted")
            return ""
        if path.is_file():
            own = Path(os.path.normpath(path))
            shipped = name.removesuffix(catalog.SUFFIX) if own == catalog.shipped() / name else ""
            return shipped if shipped in catalog.names() else shown(own)
    hint = did_you_mean(asked.removesuffix(catalog.SUFFIX), catalog.names())
    faults.add(place, f"study.base is {show(asked)}, which is no file, here or among the shipped recipes.{hint}")
    return ""


def _layer(asked: str, study: Path) -> str:
    """A layer beside the study by its path; any other by the name that it has."""
    path = study.parent / (asked if asked.endswith(catalog.SUFFIX) else f"{asked}{catalog.SUFFIX}")
    own = _inside(path, study.parent) and path.is_file() and not _inside(path, catalog.shipped())
    return shown(path) if own else asked


def _inside(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
