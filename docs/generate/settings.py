"""Every setting of a recipe's sections and of a study file, read off the sections themselves."""

from collections.abc import Iterator

from cards import heading

from mixkit.cli.views.settings import all_sections
from mixkit.recipe.reference import SectionCard, SettingCard


def pages() -> Iterator[tuple[str, str]]:
    """One page with every section."""
    parts = [
        "# Settings\n\nWhat a recipe can set, made from the sections when this site is built: a line is "
        "`train.balance = 'weights'` in a file, or `--set \"train.balance = 'weights'\"` over one. "
        "`mixkit show train` and `mixkit show train.balance` say the same. What a setting refers to, "
        "`@loss.cross_entropy()` say, has settings of its own: see [everything by name](names.md) and "
        "[operators](../operators/index.md).",
        *(_section(name, section) for name, section in all_sections().items()),
    ]
    yield "reference/settings.md", "\n\n".join(parts) + "\n"


def _section(name: str, section: SectionCard) -> str:
    rows = "\n".join(map(_row, section.settings))
    return f"## {name}\n\n{section.says}\n\n| setting | default | |\n| --- | --- | --- |\n{rows}"


def _row(card: SettingCard) -> str:
    cells = (
        _code(card.key) + f"{{ #{card.key} }}",
        _code(card.default),
        f"{heading(card.says)}<br>*{_cell(card.takes)}.*",
    )
    return f"| {' | '.join(cells)} |"


def _code(text: str) -> str:
    return f"`{_cell(text)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")
