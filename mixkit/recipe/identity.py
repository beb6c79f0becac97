"""What a run is, apart from where its data lie and how it is carried out: settings that say so are marked `Aside`."""

import re
from collections.abc import Iterable

from mixkit.errors import SettingError
from mixkit.recipe.keys import UnknownName, settings_of
from mixkit.values import Aside, aside

_LINE = re.compile(r"(?:\w+/)*([\w.]+) *=")


def what(text: str, where: bool = False) -> str:
    """The lines of a resolved recipe that say what a run is: two runs are the same if these are.

    Args:
        text: as `to_gin` gives it.
        where: keep the lines that say where data lie, for those who do not compare the data themselves.
    """
    apart = {Aside.HOW} if where else {*Aside}
    return "\n".join(line for line in text.splitlines() if line and line[0] != "#" and _of_line(line) not in apart)


def expect_aside(settings: Iterable[str], text: str) -> None:
    """Refuse `--set` lines over the recipe of a run that would make another run of it.

    Args:
        settings: the lines.
        text: the recipe.

    Raises:
        SettingError: one says what the run is.
    """
    for line in settings:
        key = _LINE.match(line)
        if key and _is_known(key[1]) and _of_line(line) is None:
            known = [found[1] for own in text.splitlines() if _of_line(own) and (found := _LINE.match(own))]
            raise SettingError(
                key[1],
                f"says what the run is, and is kept with it. Of a run, --set takes {', '.join(known)}; "
                "for another value, train another run.",
            )


def _of_line(line: str) -> Aside | None:
    key = _LINE.match(line)
    return aside(_annotation(key[1])) if key else None


def _is_known(key: str) -> bool:
    return _annotation(key) is not None


def _annotation(key: str) -> object:
    selector, _, setting = key.rpartition(".")
    try:
        return settings_of(selector).get(setting)
    except UnknownName:
        return None
