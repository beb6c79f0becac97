"""How a recipe is resolved: from bindings, `scope/selector.setting = value`, to frozen sections and specs.

1. It starts at the section `recipe`. Each of its settings is the binding that holds for it, else the default.
2. A value is a literal; `%NAME`, which stands for the text that NAME is set to; or `@scope/selector()`, which is the
   section or the spec of that name, resolved the same way, each of its settings by the bindings that hold for it.
3. Scopes are gin's: a reference with a scope leaves the one it stands in, a reference without one stays in it, and in
   the scope `a/b` the keys of no scope, of `a` and of `a/b` hold, the last before the first.
4. A default that is a spec is resolved as if it had been written, so that keys hold for it too.
5. Where `recipe.network` names one, it takes the place of the model: no key of a model is used.
6. Every fault is noted where it is met. What it touches is `UNKNOWN` from there on, all the way up: what holds a value
   that is not known is not known. Keys that only such a value could have used are not told to be useless.

Differs: gin evaluates a macro in a scope of its own name.
"""

import dataclasses
import typing
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from mixkit.errors import SettingError
from mixkit.recipe.expansion import TooMuch, Unfolding
from mixkit.recipe.faults import Faults, Place
from mixkit.recipe.keys import UnknownName, fitted, in_words, kind_of, section_fields, settings_of, twin_of
from mixkit.recipe.schema import OF_MODELS, OF_STAGES, SECTIONS, Recipe
from mixkit.recipe.section import OF_TASKS, Section, home_of
from mixkit.recipe.statements import UNKNOWN, Binding, Key, Macro, Reference, marks
from mixkit.registry import REGISTRIES, Spec
from mixkit.values import show

NOTHING: Mapping[str, Any] = MappingProxyType({})
REQUIRED = "gin.REQUIRED"
ANYTHING = ""  # among kinds
MODEL: Key = ("", "recipe", "model")
NETWORK: Key = ("", "recipe", "network")
TASK: Key = ("", "recipe", "task")


class Resolver:
    """Turns bindings into a recipe.

    Args:
        bindings: in their order; a later one replaces an earlier one of the same key, or of its twin, and another task
            what the file of the former one says of its recordings.
        faults: what is wrong is noted here.
        file: the recipe, for what is missing from it.
    """

    def __init__(self, bindings: Iterable[Binding], faults: Faults, file: str):
        self.bindings: dict[Key, Binding] = {}
        self.used: set[Key] = set()
        self._number: dict[Key, int] = {}
        for number, binding in enumerate(bindings):
            self._leave_out_of_a_former_task(binding)
            self.bindings[binding.key] = binding
            self._number[binding.key] = number
            if (twin := twin_of(binding)) and self.bindings.pop(twin, None):
                self.used.add(twin)
        self.visited: set[tuple[str, str]] = set()
        self.network: Binding | None = None
        """Names the network that takes the place of a model."""
        self._whole = ("", "", "") not in self.bindings  # no statement is lost
        self._hidden: set[str] = set() if self._whole else {ANYTHING}  # kinds that an unknown value may have held
        self._faults = faults
        self._start = Place(file)
        self._unfolding = Unfolding(faults)

    def _leave_out_of_a_former_task(self, binding: Binding) -> None:
        """Where another task takes a task's place, what the file of that one said of its recordings goes with it."""
        before = self.bindings.get(binding.key) if binding.key == TASK else None
        if before is None or repr(before.value) == repr(binding.value):
            return
        for key in [("", "task", setting) for setting in OF_TASKS]:
            said = self.bindings.get(key)
            if said is not None and (said.place.file, said.place.option) == (before.place.file, before.place.option):
                del self.bindings[key]
                self.used.add(key)

    def recipe(self, name: str) -> Recipe | None:
        """The recipe, or None if something is wrong; `name` is what it is called unless it says so itself."""
        try:
            built = self._target("recipe", "", self._start, {"name": name})
        except TooMuch:
            self._hidden.add(ANYTHING)
            return None
        return built if isinstance(built, Recipe) else None

    def sources(self) -> dict[str, str]:
        """Where each key that has an effect stands."""
        return {str(b): str(b.place) for key, b in self.bindings.items() if key in self.used and b.selector}

    def left_aside(self) -> dict[str, str]:
        """Where each key of a model stands that a network takes the place of."""
        unused = (binding for key, binding in self.bindings.items() if key not in self.used)
        return {str(binding): str(binding.place) for binding in unused if self.replaces(binding)}

    def replaces(self, binding: Binding) -> bool:
        """Whether a binding is of a model, and a network takes its place."""
        of_model = binding.key == MODEL or binding.selector.partition(".")[0] in OF_MODELS
        return self.network is not None and of_model

    def may_use(self, binding: Binding) -> bool:
        """Whether a binding has an effect, or may have one in a value that another fault hides."""
        if binding.key in self.used or ANYTHING in self._hidden:
            return True
        return binding.selector.partition(".")[0] in self._hidden if binding.selector else bool(self._hidden)

    def _target(self, selector: str, scope: str, place: Place, defaults: Mapping[str, Any] = NOTHING) -> Any:
        """The section or spec that a reference names, built once a scope."""
        kind, _, name = selector.partition(".")
        try:
            settings_of(selector)
        except UnknownName:  # noted when the references were checked one by one
            self._hidden.add(kind if kind in REGISTRIES else ANYTHING)
            return UNKNOWN
        self.visited.add((selector, scope))
        with self._unfolding.inside(f"@{scope}{'/' if scope else ''}{selector}()", place) as fine:
            if not fine:
                self._hidden.add(ANYTHING)
                return UNKNOWN
            if selector in SECTIONS:
                key: tuple[Any, ...] = (selector, scope)
                return self._unfolding.once(key, place, lambda: self._section(selector, scope, place, defaults))
            key = (selector, scope, *map(id, defaults.values()))
            return self._unfolding.once(key, place, lambda: self._spec(kind, name, scope, place, defaults))

    def _section(
        self, name: str, scope: str, place: Place, defaults: Mapping[str, Any], fixed: Mapping[str, Any] = NOTHING
    ) -> Any:
        annotations = section_fields(name)
        values = dict(fixed) if name != "recipe" else self._named_network(annotations["network"], place)
        fixed = dict(values)
        left_out = OF_STAGES if name == "model" and self._has_stages(scope) else ()
        for part in dataclasses.fields(SECTIONS[name]):  # type: ignore[arg-type]
            if part.name in annotations and part.name not in (*fixed, *left_out):
                default = dataclasses.MISSING if part.name == "pattern" else defaults.get(part.name, part.default)
                home = home_of(name, part.name)
                self.visited.add((home, scope))
                values[part.name] = self._setting(home, part.name, annotations[part.name], scope, place, default)
        if _any_unknown(values.values()):
            return UNKNOWN
        try:
            return SECTIONS[name](**values)
        except SettingError as error:
            selector, _, setting = error.setting.rpartition(".")
            bound = self._effective(scope, selector, setting)
            self._faults.add(bound.place if bound and bound.setting not in fixed else place, str(error))
            return UNKNOWN

    def _named_network(self, annotation: Any, place: Place) -> dict[str, Any]:
        """The network that the recipe names, if any; there is no model then."""
        found = self._setting("recipe", "network", annotation, "", place, None)
        if found is None:
            return {"network": None}
        if found is UNKNOWN:
            self._hidden |= set(OF_MODELS)
            return {"network": UNKNOWN, "model": UNKNOWN}
        self.network = self.bindings[NETWORK]
        return {"network": found, "model": None}

    def _has_stages(self, scope: str) -> bool:
        """Whether the model is a pyramid; what would size it as one stage, and is set later than that, is a fault."""
        stages = self._effective(scope, "model", "stages")
        if stages is None or stages.value in ([], ()):
            return False
        for setting in OF_STAGES:
            later = self._effective(scope, "model", setting)
            if later and self._number[later.key] > self._number[stages.key]:
                self.used.add(later.key)  # told once
                scopes = [mark.scope for mark in marks(stages.value) if isinstance(mark, Reference) and mark.scope]
                own = "/".join([*scopes[-1:], f"stage.{setting} = {show(later.value)}"])
                why = f"nothing uses {later}: model.stages ({stages.place}) have {setting}s of their own"
                fix = f"Set those, such as {own}, or make them one: model.stages = []."
                self._faults.add(later.place, f"{why}. {fix}", "unused")
        return True

    def _spec(self, kind: str, name: str, scope: str, place: Place, defaults: Mapping[str, Any]) -> Any:
        values = {
            key.name: self._setting(
                f"{kind}.{name}", key.name, key.annotation, scope, place, defaults.get(key.name, key.default)
            )
            for key in REGISTRIES[kind].entry(name).settings
        }
        return UNKNOWN if _any_unknown(values.values()) else REGISTRIES[kind].spec(name, **values)

    def _setting(self, selector: str, setting: str, annotation: Any, scope: str, place: Place, default: Any) -> Any:
        self._unfolding.spend(1, place)
        if binding := self._effective(scope, selector, setting):
            return self._bound(binding, annotation, scope)
        if default is dataclasses.MISSING:
            return self._implied(selector, setting, annotation, scope, place)
        return self._default(default, scope, place)

    def _effective(self, scope: str, selector: str, setting: str) -> Binding | None:
        """The binding that holds in a scope: of the longest part of it that has one."""
        parts = scope.split("/") if scope else []
        for length in range(len(parts), -1, -1):
            if found := self.bindings.get(("/".join(parts[:length]), selector, setting)):
                return found
        return None

    def _bound(self, binding: Binding, annotation: Any, scope: str) -> Any:
        self.used.add(binding.key)
        value = self._value(binding.value, scope, binding)
        if isinstance(value, list | tuple) and (binding.selector, binding.setting) == ("block", "branches"):
            value = _each(lambda entry: self._branch(entry, scope, binding.place), value)
        filled_in = any(isinstance(mark, Macro) for mark in marks(binding.value))
        if value is UNKNOWN:
            if filled_in or binding.value is UNKNOWN:
                self._hide(binding.setting, annotation)
            return UNKNOWN
        try:
            return fitted(value, annotation, binding, value if filled_in else binding.value)
        except SettingError as error:
            self._faults.add(binding.place, str(error))
            self._hide(binding.setting, annotation)
            return UNKNOWN

    def _implied(self, selector: str, setting: str, annotation: Any, scope: str, place: Place) -> Any:
        """A setting without a default: a section that has not been written, else it is missing."""
        if setting == "pattern":
            return _each(lambda section: self._target(section, scope, place), ("block",))
        if isinstance(annotation, type) and issubclass(annotation, Section):
            return self._target(annotation.__name__.lower(), scope, place)
        if self._whole:
            example = in_words(annotation, setting).removeprefix("a list, each ")
            example = f"[{example.split()[0]}]" if typing.get_origin(annotation) is tuple else example
            message = f"{selector}.{setting} is not set. Write {selector}.{setting} = {example}."
            self._faults.add(place, message, "missing")
        self._hide(setting, annotation)
        return UNKNOWN

    def _default(self, value: Any, scope: str, place: Place) -> Any:
        """A default as if a reference had been written in its place, so that keys hold for it too."""
        if isinstance(value, Spec):
            REGISTRIES[value.kind].entry(value.name)  # a default that is not there is a fault of code: not caught
            return self._target(f"{value.kind}.{value.name}", scope, place, value.params)
        return _each(lambda item: self._default(item, scope, place), value) if isinstance(value, tuple) else value

    def _branch(self, entry: Any, scope: str, place: Place) -> Any:
        """An operator that stands alone, or several in a list, as a branch of this scope."""
        operators = tuple(entry) if isinstance(entry, list | tuple) else (entry,)
        if not all(isinstance(operator, Spec) for operator in operators):
            return entry
        self.visited.add(("branch", scope))
        key = ("operators", scope, *map(id, operators))
        fixed = {"operators": operators}
        return self._unfolding.once(key, place, lambda: self._section("branch", scope, place, NOTHING, fixed))

    def _value(self, value: Any, scope: str, owner: Binding) -> Any:
        self._unfolding.spend(1, owner.place)
        if isinstance(value, Macro):
            return self._macro(value, scope, owner)
        if isinstance(value, Reference):
            return self._target(value.selector, value.scope or scope, owner.place_of(value))
        if isinstance(value, Mapping | list | tuple):
            with self._unfolding.inside_list(owner.place):
                return _each(lambda item: self._value(item, scope, owner), value)
        return value

    def _macro(self, macro: Macro, scope: str, owner: Binding) -> Any:
        if macro.name == REQUIRED:
            self._faults.add(owner.place, f'{owner} has to be chosen: --set "{owner} = ..."')
            return UNKNOWN
        binding = self.bindings.get(("", "", macro.name))
        if binding is None:  # noted when the macros were checked one by one
            self._hidden.add(str(macro))
            return UNKNOWN
        self.used.add(binding.key)
        with self._unfolding.inside(str(macro), owner.place_of(macro)) as fine:
            if not fine:
                return UNKNOWN
            return self._unfolding.once(
                (str(macro), scope), owner.place, lambda: self._value(binding.value, scope, binding)
            )

    def _hide(self, setting: str, annotation: Any) -> None:
        """A setting is not known: what it would have held may be the only use of other keys."""
        if "@" in in_words(annotation, setting):
            self._hidden.add(kind_of(setting) or ANYTHING)


def _each(build: Callable[[Any], Any], items: Any) -> Any:
    """The list, tuple or mapping with each item built; not known if one of them is not."""
    if isinstance(items, Mapping):
        built: Any = {key: build(item) for key, item in items.items()}
        return UNKNOWN if _any_unknown(built.values()) else built
    built = [build(item) for item in items]
    return UNKNOWN if _any_unknown(built) else type(items)(built)


def _any_unknown(values: Iterable[Any]) -> bool:
    return any(value is UNKNOWN for value in values)
