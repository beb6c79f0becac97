"""What every section of a recipe holds: fields that are checked when it is made."""

from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields
from typing import get_type_hints

from mixkit.errors import SettingError
from mixkit.markup import folded, table
from mixkit.registry import Spec, with_article
from mixkit.values import fit, show

OF_TASKS = ("augmentations", "pad", "crop", "training_crop", "windows", "on_bad_file")
HOMES: Mapping[str, str] = dict.fromkeys(OF_TASKS, "task")
"""Fields of the recipe that are written as settings of every task: `task.on_bad_file`."""


class Section:
    """A part of a recipe. Its name is the class name in lower case; every field is checked when it is made."""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self), include_extras=True)
        for part in fields(self):  # type: ignore[arg-type]
            key = f"{home_of(type(self).__name__.lower(), part.name)}.{part.name}"
            object.__setattr__(self, part.name, fit(getattr(self, part.name), hints[part.name], key))

    def _repr_html_(self) -> str:
        """Every setting, for notebooks; sections within are folded."""
        name, rows, inner = type(self).__name__.lower(), [], []
        for part in fields(self):  # type: ignore[arg-type]
            value = getattr(self, part.name)
            if isinstance(value, Section):
                inner.append(folded(part.name, value._repr_html_()))
            elif part.repr:
                rows.append((f"{home_of(name, part.name)}.{part.name}", _written(value)))
        return table((name, ""), rows) + "".join(inner)


class FrozenSetting(SettingError, FrozenInstanceError):
    """A setting of a section was assigned to, which is for good."""


def refuse_assignment(section: Section, setting: str, value: object) -> None:
    """What `section.setting = value` does, in the place of an error that names no other way.

    Raises:
        FrozenSetting: always.
    """
    key = f"{home_of(type(section).__name__.lower(), setting)}.{setting}"
    way = f"mixkit.load_recipe(..., settings=[{f'{key} = {show(value)}'!r}])"
    raise FrozenSetting(key, f"cannot be assigned: a recipe does not change. Load it with the line: {way}")


def _written(value: object) -> str:
    """A value as a recipe writes it; sections and operators in a list by what they are."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_written, value))}]"
    return str(value) if isinstance(value, Section | Spec) else show(value)


def home_of(section: str, setting: str) -> str:
    """What stands ahead of a section's setting where a recipe writes it."""
    return HOMES.get(setting, section) if section == "recipe" else section


def expect_kind(spec: Spec, kind: str, setting: str) -> None:
    """Refuses what is registered as something else.

    Args:
        spec: of a setting.
        kind: what it has to be.
        setting: the key, for the error.

    Raises:
        SettingError: it is of another kind.
    """
    if spec.kind != kind:
        raise SettingError(
            setting, f"is the {spec.kind} {spec.name!r}. It takes {with_article(kind)}, such as @{kind}.NAME()."
        )
