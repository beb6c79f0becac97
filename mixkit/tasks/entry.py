"""What the name of a file, or a row of a table, says about a clip."""

from dataclasses import dataclass

from mixkit.errors import DataError

_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev"), "valid"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclass(frozen=True)
class Entry:
    """A clip as its name or row describes it.

    Args:
        path: below the root, with forward slashes.
        label: what is heard.
        group: speaker, source recording or device; the path where nothing says.
        fold: that it comes in; None where nothing says. A number is written without leading zeros.
        split: train, valid or test; None where nothing says.
        start: seconds, or None for the beginning.
        stop: seconds, or None for the end.
    """

    path: str
    label: str
    group: str
    fold: str | None = None
    split: str | None = None
    start: float | None = None
    stop: float | None = None


def is_split_word(word: str) -> bool:
    """Whether people call a split so: `train`, `val`, `dev`, `testing`, ..."""
    return word.lower() in _SPLIT_WORDS


def make_entry(where: str, path: str, said: dict[str, str], start: float | None, stop: float | None) -> Entry:
    """An entry from the words that a name or row gives.

    Args:
        where: the file, or table and line, for errors.
        path: below the root.
        said: words for any of label, group, fold and split.
        start: seconds, or None.
        stop: seconds, or None.

    Raises:
        DataError: a word is empty, cannot be printed, or is no split.
    """
    for what, word in said.items():
        if not word.strip():
            raise DataError(f"{where}: the {what} is empty. Every clip needs one.")
        if not word.isprintable():
            raise DataError(f"{where}: the {what} {word!r} cannot be printed. Use plain characters.")
    split = said.get("split")
    if split is not None and not is_split_word(split):
        raise DataError(f"{where}: the split is {split!r}. Use train, valid or test.")
    fold = said.get("fold")
    return Entry(
        path=path,
        label=said["label"].strip(),
        group=said.get("group", path).strip(),
        fold=str(int(fold)) if fold and fold.isdecimal() else fold,
        split=_SPLIT_WORDS[split.lower()] if split else None,
        start=start,
        stop=stop,
    )
