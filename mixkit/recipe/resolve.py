"""Bindings evaluated: macros filled in, references turned into sections and specs, scopes applied, defaults completed.

Scopes are gin's: a reference with a scope leaves the one it stands in, a reference without one stays in it, and in the
scope `a/b` the keys of no scope, of `a` and of `a/b` hold, the last before the first.
Differs: a macro stands for its text; gin evaluates it in a scope of its own name.
"""

import dataclasses
import typing
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from mixkit.errors import SettingError
from mixkit.recipe.check import REQUIRED, marks, place_of
from mixkit.recipe.expansion import TooMuch, Unfolding
from mixkit.recipe.faults import Faults, Place
from mixkit.recipe.keys import UnknownName, fitted, in_words, kind_of, section_fields, settings_of
from mixkit.recipe.schema import SECTIONS, Recipe, Section, home_of
from mixkit.recipe.statements import UNREADABLE, Binding, Key, Macro, Reference
from mixkit.registry import REGISTRIES, Spec

NOTHING: Mapping[str, Any] = MappingProxyType({})


class _Broken:
    """Stands for what could not be built; the reason is noted already."""


BROKEN = _Broken()


class Resolver:
    """Turns bindings into a recipe.

    Args:
        bindings: in their order; a later one replaces an earlier one of the same key.
        faults: what is wrong is noted here.
        file: the recipe, for what is missing from it.
    """

    def __init__(self, bindings: Iterable[Binding], faults: Faults, file: str):
        self.bindings: dict[Key, Binding] = {binding.key: binding for binding in bindings}
        self.used: set[Key] = set()
        self.visited: set[tuple[str, str]] = set()
        self.unjudged: set[str] = set()  # selectors and kinds that a fault may have kept from being used
        self._whole = not any(b.value is UNREADABLE and not b.setting for b in self.bindings.values())
        self.blind = not self._whole
        self._faults = faults
        self._start = Place(file)
        self._unfolding = Unfolding(faults)

    def recipe(self, name: str) -> Recipe | None:
        """The recipe, or None if something is wrong; `name` is what it is called unless it says so itself."""
        try:
            built = self._target("recipe", "", self._start, {"name": name})
        except TooMuch:
            self.blind = True
            return None
        return built if isinstance(built, Recipe) else None

    def sources(self) -> dict[str, str]:
        """Where each key that has an effect stands."""
        return {str(b): str(b.place) for key, b in self.bindings.items() if key in self.used and b.selector}

    def judges(self, key: Key) -> bool:
        """Whether an unused key is known to be useless, and not kept from use by a fault elsewhere."""
        _, selector, setting = key
        lost = {selector, selector.partition(".")[0]} & self.unjudged if selector else self.unjudged
        return bool(setting) and not self.blind and not lost

    def _section(
        self, name: str, scope: str, place: Place, defaults: Mapping[str, Any], fixed: Mapping[str, Any]
    ) -> Any:
        section = SECTIONS[name]
        values = dict(fixed)
        for part in dataclasses.fields(section):  # type: ignore[arg-type]
            if part.name in section_fields(name) and part.name not in fixed:
                default = defaults.get(part.name, part.default)
                home = home_of(name, part.name)
                self.visited.add((home, scope))
                values[part.name] = self._setting(
                    home, part.name, section_fields(name)[part.name], scope, place, default
                )
        if any(value is BROKEN for value in values.values()):
            return BROKEN
        try:
            return section(**values)
        except SettingError as error:
            selector, _, setting = error.setting.rpartition(".")
            bound = self._effective(scope, selector, setting)
            self._faults.add(bound.place if bound and bound.setting not in fixed else place, str(error))
            return BROKEN

    def _spec(self, kind: str, name: str, scope: str, place: Place, defaults: Mapping[str, Any]) -> Any:
        values = {
            setting.name: self._setting(
                f"{kind}.{name}",
                setting.name,
                setting.annotation,
                scope,
                place,
                defaults.get(setting.name, setting.default),
            )
            for setting in REGISTRIES[kind].entry(name).settings
        }
        if any(value is BROKEN for value in values.values()):
            return BROKEN
        return REGISTRIES[kind].spec(name, **values)

    def _setting(self, selector: str, setting: str, annotation: Any, scope: str, place: Place, default: Any) -> Any:
        self._unfolding.spend(1, place)
        binding = self._effective(scope, selector, setting)
        if binding:
            return self._bound(binding, annotation, scope)
        if default is dataclasses.MISSING:
            return self._implied(selector, setting, annotation, scope, place)
        return self._default(default, scope, place)

    def _bound(self, binding: Binding, annotation: Any, scope: str) -> Any:
        self.used.add(binding.key)
        value = self._value(binding.value, scope, binding)
        if value is not BROKEN and (binding.selector, binding.setting) == ("block", "branches"):
            value = self._branches(value, scope, binding.place)
        filled_in = any(isinstance(mark, Macro) for mark in marks(binding.value))
        if value is BROKEN:
            if filled_in or binding.value is UNREADABLE:
                self._lose_sight(binding.setting, annotation)
            return BROKEN
        try:
            return fitted(value, annotation, binding.selector, binding.setting, value if filled_in else binding.value)
        except SettingError as error:
            self._faults.add(binding.place, str(error))
            self._lose_sight(binding.setting, annotation)
            return BROKEN

    def _implied(self, selector: str, setting: str, annotation: Any, scope: str, place: Place) -> Any:
        if (selector, setting) == ("model", "pattern"):
            block = self._target("block", scope, place)
            return BROKEN if block is BROKEN else (block,)
        if isinstance(annotation, type) and issubclass(annotation, Section):
            return self._target(annotation.__name__.lower(), scope, place)
        if self._whole:
            example = in_words(annotation, setting).removeprefix("a list, each ")
            example = f"[{example.split()[0]}]" if typing.get_origin(annotation) is tuple else example
            self._faults.add(place, f"{selector}.{setting} is not set. Write {selector}.{setting} = {example}.")
        self._lose_sight(setting, annotation)
        return BROKEN

    def _default(self, value: Any, scope: str, place: Place) -> Any:
        """A default as if a reference had been written in its place, so that keys hold for it too."""
        if isinstance(value, Spec):
            REGISTRIES[value.kind].entry(value.name)  # a default that is not there is a fault of code: not caught
            return self._target(f"{value.kind}.{value.name}", scope, place, value.params)
        if isinstance(value, tuple):
            items = tuple(self._default(item, scope, place) for item in value)
            return BROKEN if any(item is BROKEN for item in items) else items
        return value

    def _branches(self, value: Any, scope: str, place: Place) -> Any:
        """Branches, with operators that stand alone or in a list turned into branches of this scope."""
        if not isinstance(value, list | tuple):
            return value
        found = []
        for entry in value:
            operators = tuple(entry) if isinstance(entry, list | tuple) else (entry,)
            alone = all(isinstance(operator, Spec) for operator in operators)
            found.append(self._branch(operators, scope, place) if alone else entry)
        return BROKEN if any(entry is BROKEN for entry in found) else found

    def _branch(self, operators: tuple[Spec, ...], scope: str, place: Place) -> Any:
        self.visited.add(("branch", scope))
        return self._unfolding.once(
            ("operators", scope, *map(id, operators)),
            place,
            lambda: self._section("branch", scope, place, {}, {"operators": operators}),
        )

    def _value(self, value: Any, scope: str, owner: Binding) -> Any:
        self._unfolding.spend(1, owner.place)
        if isinstance(value, Macro):
            return self._macro(value, scope, owner)
        if isinstance(value, Reference):
            return self._target(value.selector, value.scope or scope, place_of(value, owner))
        if isinstance(value, Mapping):
            with self._unfolding.inside_list(owner.place):
                items = {key: self._value(item, scope, owner) for key, item in value.items()}
            return BROKEN if any(item is BROKEN for item in items.values()) else items
        if isinstance(value, list | tuple):
            with self._unfolding.inside_list(owner.place):
                row = [self._value(item, scope, owner) for item in value]
            return BROKEN if any(item is BROKEN for item in row) else type(value)(row)
        return BROKEN if value is UNREADABLE else value

    def _macro(self, macro: Macro, scope: str, owner: Binding) -> Any:
        if macro.name == REQUIRED:
            self._faults.add(owner.place, f'{owner} has to be chosen: --set "{owner} = ..."')
            return BROKEN
        binding = self.bindings.get(("", "", macro.name))
        if binding is None:  # noted when the macros were checked one by one
            self.unjudged.add(str(macro))
            return BROKEN
        self.used.add(binding.key)
        with self._unfolding.inside(str(macro), place_of(macro, owner)) as fine:
            if not fine:
                return BROKEN
            return self._unfolding.once(
                (str(macro), scope), owner.place, lambda: self._value(binding.value, scope, binding)
            )

    def _target(self, selector: str, scope: str, place: Place, defaults: Mapping[str, Any] = NOTHING) -> Any:
        """The section or spec that a reference names, built once a scope."""
        try:
            settings_of(selector)
        except UnknownName:  # noted when the references were checked one by one
            kind = selector.partition(".")[0]
            self.blind |= kind not in REGISTRIES
            self.unjudged.add(kind)
            return BROKEN
        self.visited.add((selector, scope))
        with self._unfolding.inside(f"@{scope}{'/' if scope else ''}{selector}()", place) as fine:
            if not fine:
                self.blind = True
                return BROKEN
            if selector in SECTIONS:
                return self._unfolding.once(
                    (selector, scope), place, lambda: self._section(selector, scope, place, defaults, NOTHING)
                )
            kind, _, name = selector.partition(".")
            return self._unfolding.once(
                (selector, scope, *map(id, defaults.values())),
                place,
                lambda: self._spec(kind, name, scope, place, defaults),
            )

    def _effective(self, scope: str, selector: str, setting: str) -> Binding | None:
        """The binding that holds in a scope: of the longest part of it that has one."""
        parts = scope.split("/") if scope else []
        for length in range(len(parts), -1, -1):
            if found := self.bindings.get(("/".join(parts[:length]), selector, setting)):
                return found
        return None

    def _lose_sight(self, setting: str, annotation: Any) -> None:
        """A setting came to nothing: what it would have held may be the only use of other keys."""
        if "@" not in in_words(annotation, setting):
            return
        kind = kind_of(setting)
        if kind:
            self.unjudged.add(kind)
        else:
            self.blind = True
