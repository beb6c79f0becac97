"""File names that say what is in the file, read by a regular expression."""

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from mixkit.errors import DataError, SettingError, did_you_mean, printable
from mixkit.tasks.bounded import BoundedPattern
from mixkit.tasks.clip import some, suffixes
from mixkit.tasks.entry import ClipEntry, is_split_word, make_entry
from mixkit.tasks.left_out import Tally, suffix_of

NAMES = ("label", "group", "fold", "split", "valid", "test")


def compile_pattern(text: str) -> BoundedPattern:
    """The pattern of the setting, ready for use.

    Raises:
        SettingError: it is no regular expression, has no `(?P<label>...)`, or names a group that means nothing here.
    """
    pattern = BoundedPattern(text)
    for name in sorted(pattern.groups):
        if name not in NAMES:
            raise SettingError("pattern", f"has (?P<{name}>...), which means nothing.{did_you_mean(name, NAMES)}")
    if "label" not in pattern.groups:
        raise SettingError(
            "pattern", f"is {text!r}, without a label. Write (?P<label>...) around what names the class."
        )
    if "split" in pattern.groups and {"valid", "test"} & pattern.groups:
        raise SettingError("pattern", "has (?P<split>...) beside (?P<valid>...) or (?P<test>...). Use one way.")
    return pattern


def read_names(
    root: Path, paths: Sequence[str], pattern: BoundedPattern | None, separator: str | None = None
) -> list[ClipEntry]:
    """Entries from file names; without a pattern, the topmost folder is the label.

    Args:
        root: the folder of the recordings.
        paths: below it.
        pattern: with the group `label`, or None.
        separator: between several labels; None where a label is one.

    Raises:
        DataError: files do not match, or a name says something that cannot be.
    """
    read = {path: _words(path, pattern) for path in paths}
    odd = [path for path, words in read.items() if words is None]
    if odd and pattern:
        how_many = "none" if len(odd) == len(paths) else f"only {len(paths) - len(odd)}"
        raise DataError(
            f"{printable(root)}: {how_many} of {len(paths)} audio files match "
            f"task.folder.pattern = {pattern.text!r}; not, for example, {some(odd)}. Mend "
            f"the pattern, which has to match the whole path below the root, or list the files in task.folder.skip."
        )
    if odd:
        raise DataError(
            f"{printable(root)}: {len(odd)} of {len(paths)} audio files lie in no folder that could be their label: "
            f"{some(odd)}. Put each in a folder named like its class, set task.folder.pattern to read the label "
            f"from the name, or list the files in task.folder.skip."
        )
    above = os.path.join(printable(root), "")  # noqa: PTH118 - a path for each file takes longer than all else
    entries = [
        make_entry(above + printable(path), path, words, None, None, separator)
        for path, words in read.items()
        if words is not None
    ]
    labels = sorted({entry.label for entry in entries})
    if not pattern and all(is_split_word(label) for label in labels):
        raise DataError(
            f"{printable(root)}: the folders are named {some(labels)}, like splits and not like classes. "
            f"For folders of classes in folders of splits "
            f"set task.folder.pattern = r'(?P<split>[^/]+)/(?P<label>[^/]+)/.+'."
        )
    return entries


def expect_classes(
    root: Path, entries: Sequence[ClipEntry], left_out: Tally, pattern: BoundedPattern | None, separator: str | None
) -> None:
    """Refuse to go on without a class of which every recording was left out.

    Raises:
        DataError: there is one; it is named, with the reason.
    """
    known = {label for entry in entries for label in entry.labels}
    lost: dict[str, list[str]] = defaultdict(list)
    for path in left_out.losses():
        for label in _labels(path, pattern, separator):
            if label not in known:
                lost[label].append(path)
    if lost:
        paths = [path for label in lost for path in lost[label]]
        why = "\n  ".join(map(str, left_out.only(paths).listed()))
        raise DataError(
            f"{printable(root)}: no recording of {some(lost, 5)} is left:\n  {why}\n"
            f"To go on without, list them in task.folder.skip."
        )


def _labels(path: str, pattern: BoundedPattern | None, separator: str | None) -> tuple[str, ...]:
    """The labels that something would have if it were a recording; it may be a link to a folder, with a slash."""
    stem = f"{path}0" if path.endswith("/") else path.removesuffix(suffix_of(path))
    for name in (path, *(stem + suffix for suffix in suffixes())):
        if words := _words(name, pattern):
            try:
                return make_entry(path, path, words, None, None, separator).labels
            except DataError:
                return ()
    return ()


def _words(path: str, pattern: BoundedPattern | None) -> dict[str, str] | None:
    """What a path says; None if it does not match. Without a pattern, the topmost folder is the label."""
    if pattern is None:
        label, slash, rest = path.partition("/")
        return {"label": label} if slash and rest else None
    said = pattern.fullmatch(path)
    if said is None:
        return None
    words = {name: word for name in ("label", "group", "fold", "split") if (word := said.get(name)) is not None}
    if "valid" in said or "test" in said:
        words["split"] = next((mark for mark in ("test", "valid") if said.get(mark) is not None), "train")
    words.setdefault("label", "")
    return words
