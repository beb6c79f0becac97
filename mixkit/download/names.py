"""Names of archive members that may become names of files."""

import re
import unicodedata

from mixkit.download.members import Refusal

LONGEST_NAME, LONGEST_PATH = 255, 1000  # bytes; what file systems and systems take
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # control, direction of writing, not UTF-8, line and paragraph ends


def parts_of(name: str, depth: int) -> tuple[str, ...]:
    """The folders and the file that a member's name consists of; none for the archive's own folder.

    Args:
        name: as the archive has it.
        depth: the most parts that there may be.

    Raises:
        Refusal: it leads elsewhere, or is a name that some systems take for another one.
    """
    if not name:
        raise Refusal(name, "has no name")
    for character in name:
        if unicodedata.category(character) in HIDDEN:
            raise Refusal(name, "has a character in its name that cannot be seen")
    if "\\" in name:
        raise Refusal(name, "has a backslash in its name")
    if name.startswith("/") or re.match("[A-Za-z]:", name):
        raise Refusal(name, "says where it wants to lie on the disk")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise Refusal(name, "leads out of its folder")
    if len(parts) > depth:
        raise Refusal(name, f"is {len(parts)} names deep, and {depth} are the most")
    if len(name.encode()) > LONGEST_PATH or any(len(part.encode()) > LONGEST_NAME for part in parts):
        raise Refusal(name, "has a name that is too long")
    return parts


class Taken:
    """Names given out so far; two that differ in case or in how accents are written count as one."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], tuple[tuple[str, ...], bool]] = {}

    def folder(self, parts: tuple[str, ...], name: str) -> list[tuple[str, ...]]:
        """The folders that are yet to be made for that one, outermost first.

        Raises:
            Refusal: one of them is a file, or was spelt otherwise before.
        """
        fresh = []
        for count in range(1, len(parts) + 1):
            part = parts[:count]
            known, is_file = self._known.setdefault(_folded(part), (part, False))
            if is_file or known != part:
                raise Refusal(name, f"has the name of '{'/'.join(known)}'")
            if known is part:
                fresh.append(part)
        return fresh

    def file(self, parts: tuple[str, ...], name: str) -> None:
        """Notes a file.

        Raises:
            Refusal: there is one of that name, or a folder.
        """
        known = self._known.setdefault(_folded(parts), (parts, True))
        if known[0] is not parts:
            raise Refusal(name, f"has the name of '{'/'.join(known[0])}'")


def _folded(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFC", unicodedata.normalize("NFC", part).casefold()) for part in parts)
