"""Bindings looked at one by one, used or not: does the key exist, can the value be what it takes?"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mixkit.errors import SettingError
from mixkit.recipe.faults import Faults, Place
from mixkit.recipe.keys import PAPER, STUDY, UnknownName, annotation_of, fitted, near, settings_of
from mixkit.recipe.statements import UNREADABLE, Binding, Key, Macro, Reference
from mixkit.registry import REGISTRIES, Spec

REQUIRED = "gin.REQUIRED"


def check(bindings: Iterable[Binding], faults: Faults) -> set[Key]:
    """Notes every binding whose key, references, macros or literal value cannot be right.

    Returns:
        The keys that exist and have a legible value, macros among them.
    """
    bindings = list(bindings)
    whole = not any(binding.value is UNREADABLE and not binding.setting for binding in bindings)
    macros = {binding.setting for binding in bindings if not binding.selector}
    studies: set[str] = set()
    known: set[Key] = set()
    for binding in bindings:
        if binding.selector in (STUDY, PAPER):
            if binding.place.file not in studies:
                studies.add(binding.place.file)
                faults.add(binding.place, _study(binding))
            continue
        for mark in marks(binding.value):
            _check_mark(mark, place_of(mark, binding), macros if whole else None, faults)
        if binding.setting and _check_key(binding, faults):
            known.add(binding.key)
    return known


def place_of(mark: Reference | Macro, binding: Binding) -> Place:
    """Where a reference or macro stands: within a long value, on a line of its own."""
    return binding.place if binding.place.line is None else Place(binding.place.file, mark.line)


def marks(value: Any) -> Iterator[Reference | Macro]:
    """The references and macros in a value."""
    if isinstance(value, Reference | Macro):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from marks(item)
    elif isinstance(value, Mapping):
        for item in (*value.keys(), *value.values()):
            yield from marks(item)


def repeated(bindings: Iterable[Binding], faults: Faults) -> None:
    """Notes keys that one file sets twice."""
    first: dict[Any, Binding] = {}
    for binding in bindings:
        known = first.setdefault(binding.key, binding)
        if known is not binding and binding.value is not UNREADABLE:
            faults.add(binding.place, f"{binding} is already set on line {known.place.line}. Keep one of the two.")


def _check_key(binding: Binding, faults: Faults) -> bool:
    if not binding.selector:
        if binding.scope:
            faults.add(binding.place, f"{binding} is no key. Write a macro as {binding.setting}, without a scope.")
        return not binding.scope and binding.value is not UNREADABLE
    try:
        annotation = annotation_of(binding.key)
    except UnknownName as unknown:
        faults.add(binding.place, unknown.message, unknown.trust)
        return False
    if binding.value is UNREADABLE:
        return False
    shorthand = binding.setting == "branches" and isinstance(binding.value, list | tuple)  # seen to by the resolver
    if not shorthand and all(_is_spec(mark) for mark in marks(binding.value)):
        try:
            fitted(_with_specs(binding.value), annotation, binding.selector, binding.setting, binding.value)
        except SettingError as error:
            faults.add(binding.place, str(error))
    return True


def _is_spec(mark: Reference | Macro) -> bool:
    return isinstance(mark, Reference) and mark.selector.partition(".")[0] in REGISTRIES


def _with_specs(value: Any) -> Any:
    """The value with bare specs in the place of references: enough to see whether the setting takes such a thing."""
    if isinstance(value, Reference):
        kind, _, name = value.selector.partition(".")
        return Spec(kind, name)
    return [_with_specs(item) for item in value] if isinstance(value, list | tuple) else value


def _check_mark(mark: Reference | Macro, place: Place, macros: set[str] | None, faults: Faults) -> None:
    if isinstance(mark, Macro):
        if macros is not None and mark.name != REQUIRED and mark.name not in macros:
            meant = near(mark.name, macros)
            plain = f"Set it: {mark.name} = value." if mark.name.isidentifier() else "Name macros plainly: %WIDTH."
            hint = f"Did you mean %{meant}?" if meant else plain
            faults.add(place, f"macro {mark} is never set. {hint}")
        return
    try:
        settings_of(mark.selector)
    except UnknownName as unknown:
        faults.add(place, unknown.message, unknown.trust)
        return
    if not mark.called:
        faults.add(place, f"{mark} is not finished. Write {mark}().")


def _study(binding: Binding) -> str:
    return f"{binding} belongs to a study, not to a recipe. Run it: mixkit ablate {binding.place.file}"
