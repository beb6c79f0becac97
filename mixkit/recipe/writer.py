"""A recipe written out: as gin text that loads equal, every default in it, and as plain JSON data."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from mixkit.errors import SettingError, printable
from mixkit.recipe.keys import section_fields
from mixkit.recipe.schema import OF_STAGES, PLAIN, Block, Branch, Model, Recipe
from mixkit.recipe.section import Section, home_of
from mixkit.registry import Spec


def to_gin(recipe: Recipe) -> str:
    """The complete recipe as gin text: `recipe_from_text(to_gin(recipe), ...)` equals the recipe.

    Raises:
        SettingError: a setting holds what gin text cannot say (a number that is not finite, an object).
    """
    return _Writer(recipe).text()


def to_json(recipe: Recipe) -> dict[str, Any]:
    """The complete recipe as plain data: sections are objects, specs are objects with kind, name and params."""
    data: dict[str, Any] = _plain(recipe)
    return data


def specs_of(value: Any) -> Iterator[Spec]:
    """Every spec in a section or spec, those inside others as well."""
    return (part for part in _parts(value) if isinstance(part, Spec))


def _parts(value: Any) -> Iterator[Section | Spec]:
    """The sections and specs in a value, each before those that it holds."""
    if isinstance(value, Section | Spec):
        yield value
        value = _values(value)
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item)


class _Writer:
    """Gives every distinct section and spec a place in the text, and a scope where a name has several."""

    def __init__(self, recipe: Recipe):
        self._recipe = recipe
        self._known: dict[str, list[Section | Spec]] = {}
        self._usual = _most_common(recipe)
        for part in _parts(recipe):
            if isinstance(part, Branch) and self._is_plain(part):
                continue
            variants = self._known.setdefault(_selector(part), [])
            if part not in variants:
                variants.append(part)

    def text(self) -> str:
        """The whole text."""
        head = [f"# {printable(self._recipe.name)}, resolved: every setting of the run, none left to a default."]
        head += [f"import {plugin}" for plugin in self._recipe.plugins]
        paragraphs = ["\n".join(head)]
        for selector in sorted(self._known, key=_order):
            paragraphs += [self._settings(part) for part in self._known[selector] if _values(part)]
            if selector == "block" and self._usual:
                paragraphs.append("\n".join(f"branch.{name} = {value!r}" for name, value in self._usual.items()))
        return "\n\n".join(paragraphs) + "\n"

    def _settings(self, part: Section | Spec) -> str:
        scope, selector = self._scope(part), _selector(part)
        lines = []
        for name, value in _values(part).items():
            if isinstance(part, Block) and name == "branches":
                written = f"[{', '.join(self._branch(branch) for branch in part.branches)}]"
            else:
                written = self._value(value, f"{selector}.{name}")
            lines.append(f"{scope}{home_of(selector, name)}.{name} = {written}")
        return "\n".join(lines)

    def _value(self, value: Any, setting: str) -> str:
        if isinstance(value, Section | Spec):
            return f"@{self._scope(value)}{_selector(value)}()"
        if isinstance(value, list | tuple):
            return f"[{', '.join(self._value(item, setting) for item in value)}]"
        if isinstance(value, Mapping):
            items = (f"{self._value(key, setting)}: {self._value(item, setting)}" for key, item in value.items())
            return f"{{{', '.join(items)}}}"
        if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
            return repr(value)
        raise SettingError(setting, f"is {value!r}, which a recipe cannot say. Use text, finite numbers and lists.")

    def _branch(self, branch: Branch) -> str:
        if not self._is_plain(branch):
            return self._value(branch, "block.branches")
        return self._value(branch.operators if len(branch.operators) > 1 else branch.operators[0], "block.branches")

    def _scope(self, part: Section | Spec) -> str:
        """A scope of its own where several have one name: keys without a scope would hold for all of them."""
        variants = self._known[_selector(part)]
        if len(variants) == 1 and not isinstance(part, Branch):
            return ""
        name = _selector(part).rpartition(".")[2]
        return f"{name}_{variants.index(part) + 1}/"

    def _is_plain(self, branch: Branch) -> bool:
        return branch.around == self._usual


def _most_common(recipe: Recipe) -> Mapping[str, Any]:
    """What most branches have around their operators, written once, the operators without a reference; {} of none."""
    stages = () if recipe.model is None else recipe.model.pyramid
    blocks = [block for stage in stages for block in stage.pattern]
    kinds = [branch.around for block in blocks for branch in block.branches]
    return max(kinds, key=lambda kind: (kinds.count(kind), kind == PLAIN), default={})


def _selector(part: Section | Spec) -> str:
    return type(part).__name__.lower() if isinstance(part, Section) else f"{part.kind}.{part.name}"


def _order(selector: str) -> tuple[int, str]:
    kinds = [
        *("recipe", "model", "stem", "stage", "downsample", "block", "branch", "operator", "pool", "head", "network"),
        *("features", "task", "augmentation", "train", "pretrain"),
    ]
    kind = selector.partition(".")[0]
    return (kinds.index(kind) if kind in kinds else len(kinds), selector)


def _values(part: Section | Spec) -> Mapping[str, Any]:
    if isinstance(part, Spec):
        return part.params
    values = {name: getattr(part, name) for name in section_fields(_selector(part))}
    if isinstance(part, Model):  # one form or the other
        left_out = OF_STAGES if part.stages else ("stages",)
        values = {name: value for name, value in values.items() if name not in left_out}
    if isinstance(part, Recipe):
        one = "model" if part.network is None else "network"
        values = {one: values[one], **{name: values[name] for name in values if name not in ("model", "network")}}
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return {part.name: _plain(getattr(value, part.name)) for part in fields(value) if part.compare}  # type: ignore[arg-type]
    if isinstance(value, Spec):
        return {"kind": value.kind, "name": value.name, "params": _plain(value.params)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
