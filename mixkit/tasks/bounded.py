"""A regular expression of the user's, matched within bounds: `re` knows none, and some patterns take it for ever."""

import re
import time
from typing import Any

import regex

from mixkit.errors import DataError, SettingError, printable
from mixkit.tasks.clip import nfc
from mixkit.values import LONGEST, show

NAME_SECONDS = 1.0
"""That a name may take."""

FIRST_SECONDS = 10.0
EACH_SECONDS = 0.001
"""That all names may take together: so much, and so much for each."""

PARTS = 50_000
"""To which a pattern may unfold: `a{3}` is compiled as `aaa`."""

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(\d{1,10})(?:,\d*)?\}|.", re.DOTALL)


class BoundedPattern:
    """A pattern as `re` has them, in Unicode's composed form.

    Args:
        text: the pattern.

    Raises:
        SettingError: it is no regular expression, or unfolds to too much.
    """

    def __init__(self, text: str):
        self.text = nfc(text)
        self._seconds = FIRST_SECONDS
        try:
            groups = re.compile(self.text).groupindex
            if _unfolded(self.text) > PARTS:
                raise SettingError(
                    "pattern", f"is {show(text)}, which repeats too much: over {PARTS:,} parts. Mend it."
                )
            self._compiled: Any = regex.compile(self.text, regex.VERSION0)
        except (re.error, regex.error, OverflowError, RecursionError) as error:
            raise SettingError("pattern", f"is {show(text)}, no regular expression: {error}. Mend it.") from None
        self.groups = frozenset(groups)

    def fullmatch(self, name: str) -> dict[str, str | None] | None:
        """What the named groups match, if the pattern matches the whole name.

        Raises:
            SettingError: it takes too long.
            DataError: the name is longer than any path can be.
        """
        if len(name) > LONGEST:
            raise DataError(f"{len(name):,} characters in a path, at most {LONGEST:,}.", name[:100])
        began = time.monotonic()
        try:
            found = self._compiled.fullmatch(nfc(name), timeout=NAME_SECONDS)
        except TimeoutError:
            raise self._too_slow(f"over {NAME_SECONDS:g} s for the name {printable(name[:100])}") from None
        self._seconds += EACH_SECONDS - (time.monotonic() - began)
        if self._seconds < 0:
            raise self._too_slow(f"over {1000 * EACH_SECONDS:g} ms for each name")
        return None if found is None else found.groupdict()

    def _too_slow(self, what: str) -> SettingError:
        fix = "Write it so that a text matches in one way only: (a|a)* and (a+)* match in many."
        return SettingError("task.folder.pattern", f"is {show(self.text)}, which takes {what}. {fix}")


def _unfolded(pattern: str) -> int:
    """How many parts a pattern has when each counted repeat is written out, or a little more."""
    sizes, last = [0], 0
    for token in _TOKEN.finditer(pattern):
        if token[0] == "(":
            sizes.append(0)
            continue
        if token[0] == ")" and len(sizes) > 1:
            last = sizes.pop()
        elif token[1] is not None:
            last *= max(int(token[1]) - 1, 0)
        else:
            last = 1
        sizes[-1] += last
    return sum(sizes)
