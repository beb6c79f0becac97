"""Every setting of every section: what it takes, its default and what it means, read off the sections themselves."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any

from mixkit.recipe.keys import in_words, section_fields
from mixkit.recipe.schema import SECTIONS
from mixkit.recipe.section import HOMES, Section, home_of
from mixkit.registry import REGISTRIES, Entry, Spec
from mixkit.registry.docstring import arguments, meanings, opening
from mixkit.values import describe

SHARED = {"task": "Settings that every task has, whichever one it is. Those of one are written with its name."}
"""Words for what is no section, and has settings all the same."""

NEEDED = "none: it has to be set"


@dataclass(frozen=True)
class SettingCard:
    """What is known of a setting.

    Args:
        key: as a recipe writes it, `train.balance`.
        takes: in words.
        default: as a recipe would write it, or why there is none.
        says: what it means.
    """

    key: str
    takes: str
    default: str
    says: str


@dataclass(frozen=True)
class SectionCard:
    """What is known of a section.

    Args:
        says: what it is.
        settings: in the order in which it has them.
    """

    says: str
    settings: tuple[SettingCard, ...]


def section_cards() -> dict[str, SectionCard]:
    """Every section of a recipe by its name, and `task`, whose settings here are those of every task."""
    said, cards = dict(SHARED), list[SettingCard]()
    for name, section in SECTIONS.items():
        said[name] = opening(section)
        cards += _settings(name, section)
    return {
        name: SectionCard(said[name], tuple(card for card in cards if card.key.rpartition(".")[0] == name))
        for name in (*SECTIONS, *dict.fromkeys(HOMES.values()))
    }


def registered_card(key: str) -> SettingCard | None:
    """What is known of `operator.roll_time.groups`, a setting of something registered; None where there is no such.

    Raises:
        RegistryError: the kind has nothing of that name.
    """
    kind, _, rest = key.partition(".")
    if kind not in REGISTRIES:
        return None
    entry = REGISTRIES[kind].entry(rest.partition(".")[0])
    return next((card for card in entry_cards(entry) if card.key == key), None)


def entry_cards(entry: Entry) -> tuple[SettingCard, ...]:
    """What is known of each setting of something registered."""
    said, stem = meanings(entry), f"{entry.kind}.{entry.name}"
    return tuple(
        SettingCard(f"{stem}.{one.name}", describe(one.annotation), _written(one.default), said.get(one.name, ""))
        for one in entry.settings
    )


def _settings(name: str, section: type[Section]) -> list[SettingCard]:
    takes, meanings = section_fields(name), arguments(section)
    return [
        SettingCard(
            f"{home_of(name, part.name)}.{part.name}",
            in_words(takes[part.name], part.name),
            _default(part, takes[part.name]),
            meanings[part.name],
        )
        for part in fields(section)  # type: ignore[arg-type]
        if part.name in takes
    ]


def _default(part: Field[Any], annotation: Any) -> str:
    if part.name == "pattern":
        return "[@block()]"
    if part.default is not MISSING:
        return _written(part.default)
    is_section = isinstance(annotation, type) and issubclass(annotation, Section)
    return f"@{part.name}()" if is_section else NEEDED


def _written(value: Any) -> str:
    if isinstance(value, Spec):
        return f"@{value.kind}.{value.name}()"
    if isinstance(value, tuple | Mapping):
        return f"[{', '.join(map(_written, value))}]"
    return repr(value)
