"""File names that say what is in the file, read by a regular expression."""

import re
from collections.abc import Sequence
from pathlib import Path

from mixkit.errors import DataError, SettingError, did_you_mean, printable
from mixkit.tasks.clip import some
from mixkit.tasks.entry import ClipEntry, is_split_word, make_entry

FOLDER_PER_CLASS = r"(?P<label>[^/]+)/.+"
NAMES = ("label", "group", "fold", "split", "valid", "test")


def compile_pattern(text: str) -> re.Pattern[str]:
    """The pattern of the setting, ready for use.

    Raises:
        SettingError: it is no regular expression, has no `(?P<label>...)`, or names a group that means nothing here.
    """
    try:
        pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise SettingError("pattern", f"is {text!r}, no regular expression: {error}. Mend it.") from None
    for name in pattern.groupindex:
        if name not in NAMES:
            raise SettingError("pattern", f"has (?P<{name}>...), which means nothing.{did_you_mean(name, NAMES)}")
    if "label" not in pattern.groupindex:
        raise SettingError(
            "pattern", f"is {text!r}, without a label. Write (?P<label>...) around what names the class."
        )
    if "split" in pattern.groupindex and {"valid", "test"} & set(pattern.groupindex):
        raise SettingError("pattern", "has (?P<split>...) beside (?P<valid>...) or (?P<test>...). Use one way.")
    return pattern


def read_names(
    root: Path, paths: Sequence[str], pattern: re.Pattern[str] | None, multi_label: bool = False
) -> list[ClipEntry]:
    """Entries from file names; without a pattern, the topmost folder is the label.

    Args:
        root: the folder of the recordings.
        paths: below it.
        pattern: with the group `label`, or None.
        multi_label: whether a label is several, `dog;rain`, or none.

    Raises:
        DataError: files do not match, or a name says something that cannot be.
    """
    matches = {path: (pattern or re.compile(FOLDER_PER_CLASS, re.DOTALL)).fullmatch(path) for path in paths}
    odd = [path for path, match in matches.items() if not match]
    if odd and pattern:
        how_many = "none" if len(odd) == len(paths) else f"only {len(paths) - len(odd)}"
        raise DataError(
            f"{printable(root)}: {how_many} of {len(paths)} audio files match "
            f"task.folder.pattern = {pattern.pattern!r}; not, for example, {some(odd)}. Mend "
            f"the pattern, which has to match the whole path below the root, or list the files in task.folder.skip."
        )
    if odd:
        raise DataError(
            f"{printable(root)}: {len(odd)} of {len(paths)} audio files lie in no folder that could be their label: "
            f"{some(odd)}. Put each in a folder named like its class, set task.folder.pattern to read the label "
            f"from the name, or list the files in task.folder.skip."
        )
    entries = [
        make_entry(printable(root / path), path, _words(match), None, None, multi_label)
        for path, match in matches.items()
        if match
    ]
    labels = sorted({entry.label for entry in entries})
    if not pattern and all(is_split_word(label) for label in labels):
        raise DataError(
            f"{printable(root)}: the folders are named {some(labels)}, like splits and not like classes. "
            f"For folders of classes in folders of splits "
            f"set task.folder.pattern = r'(?P<split>[^/]+)/(?P<label>[^/]+)/.+'."
        )
    return entries


def _words(match: re.Match[str]) -> dict[str, str]:
    said = match.groupdict()
    words = {name: said[name] for name in ("label", "group", "fold", "split") if said.get(name) is not None}
    if "valid" in said or "test" in said:
        words["split"] = next((mark for mark in ("test", "valid") if said.get(mark) is not None), "train")
    words.setdefault("label", "")
    return words
