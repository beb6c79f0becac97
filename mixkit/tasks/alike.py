"""Labels that are classes of their own and perhaps should not be: they look alike, or like several at once."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator

from mixkit.tasks.clip import some
from mixkit.tasks.entry import SEPARATOR, listed_in

_NUMBER = re.compile(r"0*(\d*)(?:\.(\d*))?")

SEPARATORS = (SEPARATOR, ",", "|")


def label_notes(labels: Iterable[str], separator: str | None) -> Iterator[str]:
    """What is to be said of labels.

    Args:
        labels: every label, each once, in order.
        separator: between the labels of a clip that may have several; None where it has one.
    """
    labels = tuple(labels)
    yield from _several_in_one(labels, separator)
    alike: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        alike[_look(label)].append(label)
    pairs = [" and ".join(map(repr, found)) for found in alike.values() if len(found) > 1]
    if pairs:
        yield f"labels that look alike, each a class of its own: {some(pairs)}. If they are one, write them alike."


def _several_in_one(labels: tuple[str, ...], separator: str | None) -> Iterator[str]:
    lists = [] if separator else [label for label in labels if listed_in(label) is not None]
    if lists:
        yield (
            f"labels that are lists, each taken for one: {some(lists)}. If that is several labels a clip, "
            "set task.folder.multi_label = True."
        )
    for sign in SEPARATORS:
        joined = [label for label in labels if sign in label and sign != separator and label not in lists]
        if joined:
            settings = ["multi_label = True"] * (not separator)
            settings += [f"separator = {sign!r}"] * (sign != (separator or SEPARATOR))
            advice = " and ".join(f"task.folder.{setting}" for setting in settings)
            yield (
                f"labels with {sign!r} in them, each taken for one: {some(joined)}. "
                f"If that is several labels a clip, set {advice}."
            )


def _look(label: str) -> str:
    """What of a label is seen at a glance: case, width and spaces are not, and 1.0 is 1."""
    text = " ".join(unicodedata.normalize("NFKC", label).casefold().split())
    number = _NUMBER.fullmatch(text)
    return f"{number[1] or 0}.{(number[2] or '').rstrip('0')}" if number else text
