"""What the name of a file, or a row of a table, says about a clip."""

import ast
import sys
from dataclasses import dataclass

from mixkit.errors import DataError
from mixkit.tasks.clip import nfc

SEPARATOR = ";"
"""Stands between the labels of a clip that has several."""

LONGEST_WORD = 1000
"""Characters of a label, group, fold or split."""

_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev"), "valid"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclass(frozen=True, slots=True)
class ClipEntry:
    """A clip as its name or row describes it.

    Args:
        path: below the root, with forward slashes.
        label: what is heard; in a multi-label set, all of it in words.
        group: speaker, source recording or device; the path where nothing says.
        fold: that it comes in; None where nothing says. A number is written without leading zeros.
        split: train, valid or test; None where nothing says.
        start: seconds, or None for the beginning.
        stop: seconds, or None for the end.
        tags: in a multi-label set, every label that is heard; None in any other set.
    """

    path: str
    label: str
    group: str
    fold: str | None = None
    split: str | None = None
    start: float | None = None
    stop: float | None = None
    tags: tuple[str, ...] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label: exactly one, unless the set is multi-label."""
        return (self.label,) if self.tags is None else self.tags


def is_split_word(word: str) -> bool:
    """Whether people call a split so: `train`, `val`, `dev`, `testing`, ..."""
    return word.strip().lower() in _SPLIT_WORDS


def make_entry(
    where: str, path: str, said: dict[str, str], start: float | None, stop: float | None, separator: str | None = None
) -> ClipEntry:
    """An entry from the words that a name or row gives, in Unicode's composed form.

    Args:
        where: the file, or table and line, for errors.
        path: below the root.
        said: words for any of label, group, fold and split.
        start: seconds, or None.
        stop: seconds, or None.
        separator: between labels where a clip may have several, or none; None where it has one.

    Raises:
        DataError: a word is empty, cannot be printed, or is no split; or of several labels one is empty or comes twice.
    """
    for what, word in said.items():
        if not word.strip() and not (separator and what == "label"):
            raise DataError(f"{where}: the {what} is empty. Every clip needs one.")
        if not word.isprintable():
            raise DataError(f"{where}: the {what} {word!r} cannot be printed. Use plain characters.")
        if len(word) > LONGEST_WORD:
            raise DataError(f"{where}: the {what} has {len(word):,} characters, at most {LONGEST_WORD:,}.")
    split = said.get("split")
    if split is not None and not is_split_word(split):
        raise DataError(f"{where}: the split is {split!r}. Use train, valid or test.")
    fold, label = said.get("fold"), nfc(said["label"].strip())
    tags = _tags(where, label, separator) if separator else None
    return ClipEntry(
        path=path,
        label=sys.intern(label if tags is None else SEPARATOR.join(tags)),  # millions of clips share a few
        group=nfc(said.get("group", path).strip()),
        fold=None if fold is None else fold_name(fold),
        split=_SPLIT_WORDS[split.strip().lower()] if split else None,
        start=start,
        stop=stop,
        tags=tags,
    )


def fold_name(fold: str) -> str:
    """The name of a fold as it is listed and chosen: a whole number without leading zeros, any other as it is."""
    fold = nfc(fold.strip())
    return str(int(fold)) if fold.isdecimal() else fold


def listed_in(text: str) -> list[str] | None:
    """The labels of a cell as Python or pandas writes a list, such as `['dog', 'rain']`; None of any other text."""
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return found if isinstance(found, list) and all(isinstance(label, str) for label in found) else None


def _tags(where: str, text: str, separator: str) -> tuple[str, ...]:
    """The labels of a clip that may have several; none of an empty text, where nothing is heard."""
    labels = listed_in(text)
    tags = tuple(tag.strip() for tag in (text.split(separator) if labels is None else labels)) if text else ()
    for tag in tags:
        if not tag:
            raise DataError(f"{where}: one of the labels {text!r} is empty. Write one on each side of a {separator!r}.")
        if tags.count(tag) > 1:
            raise DataError(f"{where}: the labels {text!r} name {tag!r} twice. Name each once.")
    return tags
