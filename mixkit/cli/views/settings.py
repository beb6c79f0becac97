"""What is known of a setting, and of all settings of a section: `mixkit show train.balance`, `mixkit show train`."""

from dataclasses import asdict
from pathlib import Path

from rich.table import Table
from rich.text import Text

from mixkit.cli.views.terminal import print_json, say, stdout
from mixkit.errors import MixkitError, did_you_mean, printable
from mixkit.recipe.reference import SectionCard, SettingCard, registered_card, section_cards
from mixkit.registry import REGISTRIES
from mixkit.study.keys import study_cards


def all_sections() -> dict[str, SectionCard]:
    """Those of recipes, and behind them those of study files."""
    return section_cards() | study_cards()


def is_setting(asked: str) -> bool:
    """Whether a section or SECTION.SETTING is asked for, or KIND.NAME.SETTING; a file of that name comes first."""
    section, _, name = asked.partition(".")
    sections = all_sections()
    if not (section in sections or section in REGISTRIES) or name == "gin" or Path(asked).is_file():
        return False
    if asked.count(".") == 1 and section in REGISTRIES:  # `task.pad` is of every task, `task.demo` a task
        return any(card.key == asked for card in sections[section].settings) if section in sections else False
    return section in sections or asked.count(".") == 2


def show_setting(asked: str, as_json: bool) -> None:
    """Prints it, or a table of the section.

    Raises:
        MixkitError: there is no such setting.
    """
    sections = all_sections()
    if asked in sections:
        _show_section(asked, sections[asked], as_json)
        return
    cards = {card.key: card for section in sections.values() for card in section.settings}
    card = cards.get(asked) or registered_card(asked)
    if card is None:
        of_section = [key for key in cards if key.partition(".")[0] == asked.partition(".")[0]]
        raise MixkitError(f"no setting named {printable(asked)!r}.{did_you_mean(asked, of_section)}")
    if as_json:
        print_json(asdict(card))
        return
    say(card.key, "bold")
    for text in ("", card.says, "", f"takes    {card.takes}", f"default  {card.default}"):
        say(text)


def _show_section(name: str, section: SectionCard, as_json: bool) -> None:
    if as_json:
        print_json({"section": name, **asdict(section)})
        return
    say(name, "bold")
    for paragraph in section.says.split("\n\n"):
        say("")
        say(" ".join(paragraph.split()))
    say("")
    stdout().print(settings_table(section.settings))


def settings_table(settings: tuple[SettingCard, ...]) -> Table:
    """A row a setting, by its last name."""
    table = Table(box=None, pad_edge=False)
    for column in ("setting", "default", "takes", ""):
        table.add_column(column, justify="left")
    for card in settings:
        cells = (card.key.rpartition(".")[2], card.default, card.takes, card.says)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table
