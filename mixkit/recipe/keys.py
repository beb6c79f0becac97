"""Which keys a recipe may write: sections and their fields, registered things and their settings."""

import functools
from collections.abc import Iterable
from dataclasses import fields
from typing import Any, get_type_hints

from mixkit.errors import ALIASES, SettingError, did_you_mean, nearest
from mixkit.recipe.faults import Kind
from mixkit.recipe.pretrain import Pretrain
from mixkit.recipe.schema import SECTIONS, Block, Branch, Model, Stage
from mixkit.recipe.section import HOMES
from mixkit.recipe.statements import Binding, Key, written
from mixkit.recipe.train import Train
from mixkit.registry import REGISTRIES, Spec
from mixkit.values import Misfit, as_text, converted, describe, show

STUDY, PAPER, SEARCH = "study", "paper", "search"

FOREIGN = {
    STUDY: ("a study", "mixkit ablate {}"),
    PAPER: ("a study", "mixkit ablate {}"),
    SEARCH: ("a space to search", "mixkit search RECIPE --space {}"),
}
"""Sections of files that are no recipes: what such a file is, and the command that takes it."""
BY_LOADER = frozenset({"plugins", "sources", "left_aside"})  # fields of the recipe that follow from how it is loaded

TWINS = {("train", "epochs"): "steps", ("train", "steps"): "epochs"}
"""Settings that say one thing in two ways: the one that is written last holds, unless it is None."""

WRITTEN = {"recipe": {"model": Model}}
"""What a recipe may write, where the section holds more: that there is no model is said by naming a network."""

KINDS = {"init": "weights"}  # settings that are not named as what they hold

COMPARED = 100


class UnknownName(Exception):
    """A key or reference to something that is not there; `untrusted` if it seems to name code outside mixkit."""

    def __init__(self, message: str, kind: Kind = "wrong"):
        super().__init__(message)
        self.message = message
        self.kind: Kind = kind


@functools.cache
def section_fields(name: str) -> dict[str, Any]:
    """The settable fields of a section and their annotations."""
    hints = get_type_hints(SECTIONS[name], include_extras=True) | WRITTEN.get(name, {})
    return {part.name: hints[part.name] for part in fields(SECTIONS[name]) if part.name not in BY_LOADER}  # type: ignore[arg-type]


def settings_of(selector: str) -> dict[str, Any]:
    """The settings of a section (`train`) or a registered thing (`operator.channel`), and what each takes.

    Raises:
        UnknownName: there is no such section, kind or name.
    """
    if selector in SECTIONS:
        return section_fields(selector)
    kind, _, name = selector.partition(".")
    if kind not in REGISTRIES or not name:
        raise _unknown_selector(selector)
    if name not in REGISTRIES[kind].names():
        raise UnknownName(f"no {kind} named {name!r}.{did_you_mean(name, REGISTRIES[kind].names())}")
    return {setting.name: setting.annotation for setting in REGISTRIES[kind].entry(name).settings}


def twin_of(binding: Binding) -> Key | None:
    """The key of the setting that says the same in another way, whose place this one takes; None for most."""
    twin = TWINS.get((binding.selector, binding.setting))
    return (binding.scope, binding.selector, twin) if twin and binding.value is not None else None


def annotation_of(key: Key) -> Any:
    """What a key takes.

    Raises:
        UnknownName: there is no such setting.
    """
    _, selector, setting = key
    home = HOMES.get(setting, selector)
    if selector == home and setting in HOMES:
        return section_fields("recipe")[setting]
    if selector in REGISTRIES:
        shared = [name for name, kind in HOMES.items() if kind == selector]
        if meant := near(setting, shared):
            raise UnknownName(f"{written(key)} is no setting. Did you mean {selector}.{meant}?")
        raise UnknownName(f"{written(key)} names the {selector} itself. Write {selector}.{setting}.SETTING = value.")
    known = settings_of(selector)
    if setting in BY_LOADER and selector == "recipe":
        raise UnknownName(f"recipe.{setting} is not set by hand. Write `import NAME` at the top for a plugin.")
    if selector == "recipe" and setting in HOMES:
        raise UnknownName(f"recipe.{setting} is no setting. Did you mean {home}.{setting}?")
    if setting not in known:
        if selector != home:
            raise UnknownName(f"{selector}.{setting} is no setting. Did you mean {home}.{setting}?")
        if held := held_setting(selector, setting):
            raise UnknownName(f"{selector}.{setting} is no setting. Did you mean {held}?")
        raise UnknownName(f"{selector}.{setting} is no setting.{did_you_mean(setting, known)}")
    return known[setting]


def held_setting(section: str, name: str) -> str | None:
    """The setting of that name of what a section holds, `optimizer.adamw.weight_decay`, as others call it, too."""
    if section not in SECTIONS:
        return None
    wanted = {name, ALIASES.get(name, name)}
    for part in fields(SECTIONS[section]):  # type: ignore[arg-type]
        kind = kind_of(part.name)
        first = part.default.name if isinstance(part.default, Spec) else ""
        if kind is None:
            continue
        for held in sorted(REGISTRIES[kind].names(), key=lambda held: (held != first, held)):
            if found := next((one.name for one in REGISTRIES[kind].entry(held).settings if one.name in wanted), None):
                return f"{kind}.{held}.{found}"
    return None


def fitted(value: Any, annotation: Any, binding: Binding, shown: Any) -> Any:
    """The value as the setting takes it.

    Args:
        value: as evaluated.
        annotation: what the setting takes.
        binding: sets it.
        shown: the value as the recipe writes it, for the error.

    Raises:
        SettingError: the value is of another type, out of range, or not finite.
    """
    try:
        found = converted(value, annotation)
        kind = kind_of(binding.setting)
        for item in found if isinstance(found, tuple) else (found,):
            of_section = binding.selector in SECTIONS or HOMES.get(binding.setting) == binding.selector
            if of_section and kind and isinstance(item, Spec) and item.kind != kind:
                raise Misfit
    except Misfit as misfit:
        message = (
            f"is {show(shown)}{misfit}. It takes {in_words(annotation, binding.setting)}.{as_text(shown, annotation)}"
        )
        raise SettingError(f"{binding.selector}.{binding.setting}", message) from None
    return found


def kind_of(setting: str) -> str | None:
    """The kind of registered things that a setting holds, by its name: `loss`, or `augmentations`."""
    setting = KINDS.get(setting, setting)
    kind = setting if setting in REGISTRIES else setting.removesuffix("s")
    return kind if kind in REGISTRIES else None


def in_words(annotation: Any, setting: str) -> str:
    """What a setting takes, with references as a recipe writes them: `a list, each @operator.NAME()`."""
    example = f"@{kind_of(setting) or 'operator'}.NAME()"
    words = {
        Spec: example,
        Branch: "@operator.NAME() or @branch()",
        Block: "@block()",
        Stage: "@stage()",
        Model: "@model()",
        Train: "@train()",
        Pretrain: "@pretrain()",
    }
    text = describe(annotation)
    for target, reference in words.items():
        text = text.replace(describe(target), reference)
    return text


def near(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that was probably meant."""
    names = sorted(known)
    if len(name) > COMPARED or len(names) > COMPARED:  # no recipe has so many; the search takes quadratic time
        return None
    return nearest(name, names, cutoff)


def _unknown_selector(selector: str) -> UnknownName:
    head, _, rest = selector.partition(".")
    if head in REGISTRIES:
        return UnknownName(f"{head} is a kind. Write {head}.NAME.{did_you_mean('', REGISTRIES[head].names())}")
    if rest in REGISTRIES and head in SECTIONS:
        return UnknownName(f"{selector} holds a reference. Write the settings of what it holds as {rest}.NAME.SETTING.")
    if head in SECTIONS:
        return UnknownName(
            f"{selector} has no settings. Write {head}.SETTING.{did_you_mean(rest, section_fields(head))}"
        )
    for kind, registry in REGISTRIES.items():
        if not rest and head in registry.names():
            return UnknownName(f"{selector} is not named in full. Write {kind}.{selector}.")
    meant = near(head, (*SECTIONS, *REGISTRIES), cutoff=0.7)  # closer than `print` to `train`
    if meant and (not rest if meant in SECTIONS else near(rest, REGISTRIES[meant].names())):
        return UnknownName(f"no section or kind named {head!r}.{did_you_mean(head, (*SECTIONS, *REGISTRIES))}")
    return UnknownName(
        f"{selector} is nothing that mixkit knows, and a recipe does not reach other code. "
        "Write a plugin for it, and name that with --plugin.",
        "untrusted",
    )
