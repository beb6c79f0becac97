"""What every section of a recipe holds: fields that are checked when it is made."""

from collections.abc import Mapping
from dataclasses import fields
from typing import get_type_hints

from mixkit.errors import SettingError
from mixkit.registry import Spec, with_article
from mixkit.values import fit

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
