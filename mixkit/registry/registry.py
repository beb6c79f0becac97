"""A registry: the only list of the names of a kind. Its decorator is the only way in, for us and for plugins."""

import importlib
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Generic, TypeVar

from mixkit.errors import MixkitError, SettingError, did_you_mean
from mixkit.markup import table
from mixkit.values import describe, fit

Target = TypeVar("Target", bound=Callable[..., Any])
Built = TypeVar("Built", covariant=True)


class RegistryError(MixkitError):
    """A definition that a registry cannot take, or a name that it does not have."""


@dataclass(frozen=True)
class Spec:
    """What to build: a kind, a registered name and its settings, defaults written in. Data, not a module."""

    kind: str
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)

    described: ClassVar[str] = "a reference, written @KIND.NAME()"

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", MappingProxyType(dict(self.params)))

    def __hash__(self) -> int:
        return hash((self.kind, self.name, tuple(self.params.items())))

    def __reduce__(self) -> tuple[Any, ...]:
        return (Spec, (self.kind, self.name, dict(self.params)))

    def __str__(self) -> str:
        settings = ", ".join(f"{name}={_plain(value)}" for name, value in self.params.items())
        return f"{self.name}({settings})"

    __repr__ = __str__


@dataclass(frozen=True)
class Setting:
    """One keyword of a registered thing: its name, what it takes, and its default."""

    name: str
    annotation: Any
    default: Any


@dataclass(frozen=True)
class Entry:
    """What a registry knows of a name: the code, its settings, and facts such as `mixes` and `paper`."""

    kind: str
    name: str
    target: Callable[..., Any]
    settings: tuple[Setting, ...]
    facts: Mapping[str, Any]
    where: str

    @property
    def summary(self) -> str:
        """The first sentence of the docstring."""
        return inspect.cleandoc(self.target.__doc__ or "").split("\n\n")[0].replace("\n", " ")


class Registry(Generic[Built]):
    """Names of one kind (operators, tasks, ...) and the code behind them, which builds what the kind's protocol says.

    Args:
        kind: the word for it in recipes and errors, such as `operator`.
        context: the positional parameters that the builder gives to every entry, such as `site`.
        home: the module that registers our own entries; imported at the first look-up, so that the list is
            complete and a command that needs none of it starts fast.
        facts: keywords of the decorator; one whose value is `REQUIRED` has to be given.
    """

    REQUIRED = object()

    def __init__(self, kind: str, home: str, context: tuple[str, ...] = (), **facts: Any):
        self.kind = kind
        self.home = home
        self.context = context
        self._facts = facts
        self._entries: dict[str, Entry] = {}

    def __call__(self, name: str, **facts: Any) -> Callable[[Target], Target]:
        """Register the class or function below: `@operator("roll_time", mixes={"time"}, paper="...")`."""
        line = sys._getframe(1)  # reading the source for it would take a fifth of the time to start
        where = f"{line.f_code.co_filename}:{line.f_lineno}"

        def register(target: Target) -> Target:
            if not target.__module__.startswith("mixkit."):
                importlib.import_module(self.home)  # our own names come first, so that a plugin cannot take one
            self._entries[name] = self._entry(name, target, facts, where)
            return target

        return register

    def __repr__(self) -> str:
        return f"<Registry of kind {self.kind!r}: {', '.join(self.names())}>"

    def _repr_html_(self) -> str:
        rows = [(name, self.entry(name).summary) for name in self.names()]
        return table(
            (self.kind, ""), rows, f"{len(rows)} names; mixkit.{self.kind}.entry(NAME) has the settings of one"
        )

    def forget(self, module: str) -> None:
        """Removes what a module registered, and what the modules below it did: it failed while it was imported."""
        self._entries = {n: e for n, e in self._entries.items() if not is_inside(e.target.__module__, module)}

    def names(self) -> tuple[str, ...]:
        """Every registered name, sorted."""
        importlib.import_module(self.home)
        return tuple(sorted(self._entries))

    def entry(self, name: str) -> Entry:
        """What is known of a name.

        Raises:
            RegistryError: nothing has that name; the nearest one is suggested.
        """
        if name not in self.names():
            raise RegistryError(f"no {self.kind} named {name!r}.{did_you_mean(name, self._entries)}")
        return self._entries[name]

    def spec(self, name: str, /, **params: Any) -> Spec:
        """A checked spec with every default written in.

        Raises:
            RegistryError: nothing has that name.
            SettingError: a setting is unknown, of the wrong type, or out of range.
        """
        entry = self.entry(name)
        settings = {setting.name: setting for setting in entry.settings}
        for key in params:
            if key not in settings:
                raise SettingError(f"{self.kind}.{name}.{key}", f"is no setting.{did_you_mean(key, settings)}")
        return Spec(
            self.kind,
            name,
            {
                key: fit(params[key], setting.annotation, f"{self.kind}.{name}.{key}")
                if key in params
                else setting.default
                for key, setting in settings.items()
            },
        )

    def build(self, spec: Spec, *context: object) -> Built:
        """The thing itself: `operator.build(operator.spec("roll"), site)`.

        Raises:
            SettingError: a setting cannot work in this context (say, a width that groups do not divide).
        """
        if spec.kind != self.kind:
            raise RegistryError(f"{spec} is of kind {spec.kind!r}, not {self.kind!r}.")
        try:
            target = self.entry(spec.name).target
            built: Built = target() if _is_bare(target) else target(*context, **spec.params)
            return built
        except SettingError as error:
            prefix = f"{self.kind}.{spec.name}."
            inside = error.setting in spec.params and not error.setting.startswith(prefix)
            raise SettingError(prefix + error.setting, error.message) if inside else error from None

    def _entry(self, name: str, target: Callable[..., Any], facts: dict[str, Any], where: str) -> Entry:
        asked = f"{self.kind} {name!r} ({where})"
        known = self._entries.get(name)
        if known and known.where != where:
            raise RegistryError(f"{asked} is already defined at {known.where}. Choose another name.")
        if not name.isidentifier() or name != name.lower():
            raise RegistryError(f"{asked} is no snake_case name. Use letters, digits and _.")
        if not (target.__doc__ or "").strip():
            raise RegistryError(f"{asked} has no docstring. Say in a sentence what it does.")
        for fact in facts:
            if fact not in self._facts:
                raise RegistryError(f"{asked} says {fact!r}, which is not known.{did_you_mean(fact, self._facts)}")
        missing = [fact for fact, default in self._facts.items() if default is self.REQUIRED and fact not in facts]
        if missing:
            raise RegistryError(f"{asked} does not say {missing[0]!r}. Write it in the decorator.")
        return Entry(self.kind, name, target, self._settings(asked, target), {**self._facts, **facts}, where)

    def _settings(self, asked: str, target: Callable[..., Any]) -> tuple[Setting, ...]:
        if _is_bare(target):
            return ()
        parameters = list(inspect.signature(target).parameters.values())
        constructor = target.__init__ if inspect.isclass(target) else target
        annotations = typing.get_type_hints(constructor, include_extras=True)
        positional = tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
        if positional != self.context:
            wanted = f"({', '.join((*self.context, '*', '...'))})"
            raise RegistryError(f"{asked} takes ({', '.join(positional)}) by position. It should take {wanted}.")
        settings = []
        for parameter in parameters[len(positional) :]:
            if parameter.kind is not parameter.KEYWORD_ONLY:
                raise RegistryError(f"{asked} takes {parameter}. Name every setting, so that a typo is noticed.")
            if parameter.name not in annotations:
                raise RegistryError(f"{asked} has a setting {parameter.name!r} without annotation. Say its type.")
            if parameter.default is parameter.empty:
                raise RegistryError(f"{asked} has a setting {parameter.name!r} without default. Choose one.")
            annotation = annotations[parameter.name]
            if (typing.get_origin(annotation) or annotation) in (list, set):
                raise RegistryError(
                    f"{asked} has a setting {parameter.name!r} that takes {describe(annotation)}, which could be "
                    "changed later. Say tuple[float, ...], or what is in it."
                )
            default = fit(parameter.default, annotation, f"the default of {parameter.name!r} in {asked}")
            settings.append(Setting(parameter.name, annotation, default))
        return tuple(settings)


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_plain(item) for item in value)}]"
    return str(value) if isinstance(value, Spec) else repr(value)


def is_inside(module: str, package: str) -> bool:
    """Whether a module is a package, or below it: `birds.calls` is inside `birds`."""
    return f"{module}.".startswith(f"{package}.")


def _is_bare(target: Callable[..., Any]) -> bool:
    """Whether a class has no constructor of its own, and is built of nothing: neither settings nor context."""
    if not inspect.isclass(target):
        return False
    owner = next(kind for kind in target.__mro__ if {"__init__", "__new__"} & vars(kind).keys())
    return f"{owner.__module__}.{owner.__name__}" in ("builtins.object", "torch.nn.modules.module.Module")
