"""Bindings looked at one by one: does the key exist, can the value be what it takes, and does anything use it?"""

from collections.abc import Iterable
from typing import Any

from mixkit.errors import ALIASES, SettingError
from mixkit.recipe.faults import Faults, Place
from mixkit.recipe.keys import (
    FOREIGN,
    UnknownName,
    annotation_of,
    fitted,
    held_setting,
    near,
    section_fields,
    settings_of,
)
from mixkit.recipe.resolve import REQUIRED, Resolver
from mixkit.recipe.schema import SECTIONS
from mixkit.recipe.statements import UNKNOWN, Binding, Key, Macro, Reference, marks, written
from mixkit.registry import REGISTRIES, Spec


def check(bindings: Iterable[Binding], faults: Faults) -> set[Key]:
    """Notes every binding, used or not, whose key, references, macros or literal value cannot be right.

    Returns:
        The keys that exist and have a legible value, macros among them.
    """
    bindings = list(bindings)
    macros = {binding.setting for binding in bindings if not binding.selector}
    told: set[str] = set()
    known: set[Key] = set()
    for binding in bindings:
        if binding.selector in FOREIGN:
            if binding.place.named not in told:
                told.add(binding.place.named)
                what, command = FOREIGN[binding.selector]
                fix = f"Run it: {command.format(binding.place.named)}"
                faults.add(binding.place, f"{binding} belongs to {what}, not to a recipe. {fix}")
            continue
        for mark in marks(binding.value):
            _check_mark(mark, binding.place_of(mark), macros, faults)
        if binding.setting and _check_key(binding, faults):
            known.add(binding.key)
    return known


def note_unused(bindings: Iterable[Binding], resolvers: tuple[Resolver, ...], faults: Faults) -> None:
    """Notes bindings that none of the resolvers used, unless what another fault hides may use them.

    gin lets them pass, and a misspelt scope then changes a result in silence.
    """
    for binding in bindings:
        if not any(resolver.may_use(binding) for resolver in resolvers):
            why = _unused_key(binding, resolvers[-1]) if binding.selector else _unused_macro(binding, resolvers[-1])
            faults.add(binding.place, f"nothing uses {why}", "unused")


def _unused_key(binding: Binding, resolver: Resolver) -> str:
    if resolver.network is not None and resolver.replaces(binding):
        other = f"{resolver.network} ({resolver.network.place}) stands in the place of a model"
        return f"{binding}: {other}. Remove it, or set {resolver.network} = None."
    scopes = [scope.split("/") for selector, scope in resolver.visited if selector == binding.selector]
    parts = {"/".join(scope[:length]) for scope in scopes for length in range(len(scope) + 1)}
    known = {written((part, binding.selector, binding.setting)) for part in parts}
    if str(binding) in known:
        return f"{binding}: it is replaced wherever it would hold. Remove it."
    if known:
        return f"{binding}. Did you mean {near(str(binding), known) or min(known)}?"
    return f"{binding}. Remove it, or write @{binding.selector}() where it is due."


def _unused_macro(binding: Binding, resolver: Resolver) -> str:
    name = binding.setting
    names = (name, ALIASES.get(name, name))
    sections = [f"{section}.{one}" for one in names for section in SECTIONS if one in section_fields(section)]
    sections += [held] if (held := held_setting("train", name)) else []
    meant = sections[0] if sections else near(name, {key[2] for key in resolver.used if not key[1]})
    hint = f"Did you mean {meant}?" if meant else f"Remove it, or write %{name} where it is due."
    return f"the macro {name}. {hint}"


def _check_key(binding: Binding, faults: Faults) -> bool:
    if not binding.selector:
        if binding.scope:
            faults.add(binding.place, f"{binding} is no key. Write a macro as {binding.setting}, without a scope.")
        return not binding.scope and binding.value is not UNKNOWN
    try:
        annotation = annotation_of(binding.key)
    except UnknownName as unknown:
        faults.add(binding.place, unknown.message, unknown.kind)
        return False
    if binding.value is UNKNOWN:
        return False
    shorthand = binding.setting == "branches" and isinstance(binding.value, list | tuple)  # seen to by the resolver
    if not shorthand and all(_is_spec(mark) for mark in marks(binding.value)):
        try:
            fitted(_with_specs(binding.value), annotation, binding, binding.value)
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


def _check_mark(mark: Reference | Macro, place: Place, macros: set[str], faults: Faults) -> None:
    if isinstance(mark, Macro):
        if mark.name not in {REQUIRED, *macros} and "" not in macros:  # lost statements have that name
            meant = near(mark.name, macros)
            plain = f"Set it: {mark.name} = value." if mark.name.isidentifier() else "Name macros plainly: %WIDTH."
            hint = f"Did you mean %{meant}?" if meant else plain
            faults.add(place, f"macro {mark} is never set. {hint}")
        return
    try:
        settings_of(mark.selector)
    except UnknownName as unknown:
        faults.add(place, unknown.message, unknown.kind)
        return
    if not mark.called:
        faults.add(place, f"{mark} is not finished. Write {mark}().")
