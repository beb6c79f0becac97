"""What a search for recordings leaves out: counted by reason and suffix, with what would be right."""

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Protocol, runtime_checkable

from mixkit.errors import printable
from mixkit.tasks.clip import some, suffixes

UNREAD = (
    *(".3gp", ".aac", ".ac3", ".amr", ".ape", ".au", ".avi", ".caf", ".dsf", ".flv", ".gsm", ".m4a", ".m4b", ".mka"),
    *(".mkv", ".mov", ".mp2", ".mp4", ".mpc", ".mpeg", ".mpg", ".ra", ".sd2", ".snd", ".sph", ".tta", ".voc", ".w64"),
    *(".weba", ".webm", ".wma", ".wmv", ".wv"),
)
"""Suffixes of recordings that mixkit does not read."""

MISNAMED = {
    **dict.fromkeys((".wave", ".bwf", ".rf64", ".wavex"), ".wav"),
    **dict.fromkeys((".aifc", ".aiffc"), ".aiff"),
    **dict.fromkeys((".oga", ".spx"), ".ogg"),
    **dict.fromkeys((".fla",), ".flac"),
    **dict.fromkeys((".mpga", ".mpa"), ".mp3"),
}
"""Other suffixes of the kinds that mixkit reads, and the one by which it knows them."""

REASONS: Mapping[str, tuple[str, str]] = {
    "unread": ("file", "of a kind that mixkit does not read"),
    "misnamed": ("file", "of a kind that mixkit reads, by a suffix that it does not know"),
    "leads_out": ("link", "out of the folder"),
    "leads_nowhere": ("link", "to nothing"),
    "linked_folder": ("link", "to a folder, which is not entered"),
    "empty": ("folder", "without a recording"),
    "twice": ("link", "to what is listed itself"),
    "skipped": ("file", "named by the setting skip"),
    "hidden": ("file", "hidden by a dot in front of the name"),
    "other": ("file", "without the suffix of a recording"),
}
"""Why something is left out: what it is, and the reason in words."""

LOSSES = ("unread", "misnamed", "leads_out", "leads_nowhere", "linked_folder")
"""Reasons that take a recording away from somebody who may want it."""

ODD = (*LOSSES, "empty")
EXAMPLES = 3
_SUFFIX = re.compile(r"\.(?=\d*[a-z])[a-z0-9]{1,8}")


@dataclass(frozen=True)
class LeftOut:
    """Files, links or folders that are left out for one reason.

    Args:
        kind: one of `REASONS`.
        suffixes: how many there are of each suffix, in small letters; empty for none.
        examples: the first few paths, below the folder that was searched.
        fix: what would be right, a sentence; empty where nothing is wrong.
    """

    kind: str
    suffixes: Mapping[str, int]
    examples: tuple[str, ...]
    fix: str

    @property
    def count(self) -> int:
        """How many are left out."""
        return sum(self.suffixes.values())

    @property
    def odd(self) -> bool:
        """Whether somebody should look at it."""
        return self.kind in ODD

    def __str__(self) -> str:
        thing, reason = REASONS[self.kind]
        by_suffix = [f"{count:,} {suffix}" for suffix, count in self.suffixes.items() if suffix]
        detail = f" ({some(by_suffix, 5)})" if by_suffix else ""
        things = thing if self.count == 1 else f"{thing}s"
        more = f" and {self.count - len(self.examples):,} more" if self.count > len(self.examples) else ""
        shown = ", ".join(map(printable, self.examples))
        return f"left out {self.count:,} {things} {reason}{detail}: {shown}{more}. {self.fix}".rstrip()

    def to_json(self) -> dict[str, Any]:
        """As plain data, with nothing in it that cannot be printed."""
        return {
            "kind": self.kind,
            "reason": REASONS[self.kind][1],
            "count": self.count,
            "suffixes": dict(self.suffixes),
            "examples": [printable(path) for path in self.examples],
            "fix": self.fix,
        }


@runtime_checkable
class Selective(Protocol):
    """A task that searches for its recordings, and counts what it leaves out."""

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What it leaves out, by reason."""


class Tally:
    """Paths that are left out.

    Args:
        follow: how links are followed, a sentence.
    """

    def __init__(self, follow: str):
        self._follow = follow
        self._paths: dict[str, list[str]] = defaultdict(list)

    def add(self, kind: str, path: str) -> None:
        """Counts a path; that of a folder, or of a link to one, ends in a slash."""
        self._paths[kind].append(path)

    def losses(self) -> list[str]:
        """What may be wanted, sorted."""
        return sorted(path for kind in LOSSES for path in self._paths[kind])

    def seen(self) -> list[str]:
        """What is a recording or a link, and so makes no empty folder of the one in which it lies."""
        return [path for kind in (*LOSSES, "twice", "skipped") for path in self._paths[kind]]

    def only(self, paths: Iterable[str]) -> "Tally":
        """Of all this, some paths."""
        wanted, part = set(paths), Tally(self._follow)
        for kind, found in self._paths.items():
            part._paths[kind] = [path for path in found if path in wanted]
        return part

    def listed(self) -> tuple[LeftOut, ...]:
        """What is left out by reason, the worst first."""
        found = ((kind, sorted(self._paths[kind])) for kind in REASONS)
        return tuple(
            LeftOut(
                kind,
                dict(Counter(map(suffix_of, paths)).most_common()),
                tuple(path.rstrip("/") for path in paths[:EXAMPLES]),
                self._fix(kind, paths[0]),
            )
            for kind, paths in found
            if paths
        )

    def _fix(self, kind: str, path: str) -> str:
        if kind in ("leads_out", "linked_folder"):
            return self._follow
        return {
            "unread": how_to_convert(path),
            "misnamed": how_to_rename(path),
            "leads_nowhere": "Mend or remove them.",
            "empty": "Give them recordings, or remove them.",
        }.get(kind, "")


def why_unread(path: str) -> str:
    """Of a file that mixkit does not take for a recording, what is wrong and what would be right; two sentences."""
    kind = left_out_kind(path)
    if kind == "other":
        return f"no audio by its name. Use {', '.join(suffixes())}."
    return f"{REASONS[kind][1]}. {how_to_convert(path) if kind == 'unread' else how_to_rename(path)}"


def left_out_kind(path: str) -> str:
    """Why a file that mixkit does not take for a recording is left out."""
    suffix = suffix_of(path)
    return "unread" if suffix in UNREAD else "misnamed" if suffix in MISNAMED else "other"


def how_to_convert(path: str) -> str:
    """What to do with a recording of a kind that mixkit does not read."""
    to = PurePosixPath(path).with_suffix(".wav")
    return f"Convert them, as in: ffmpeg -i {shlex.quote(printable(path))} {shlex.quote(printable(to))}"


def how_to_rename(path: str) -> str:
    """What to do with a recording whose suffix mixkit does not know."""
    to = PurePosixPath(path).with_suffix(MISNAMED.get(suffix_of(path), ""))
    return f"Rename them, as in: mv {shlex.quote(printable(path))} {shlex.quote(printable(to))}"


def suffix_of(path: str) -> str:
    """The suffix of a file name in small letters; empty where there is none that tells a kind."""
    name = path.rpartition("/")[2].lower()
    suffix = name[name.rfind(".") :] if "." in name[1:] else ""
    return suffix if _SUFFIX.fullmatch(suffix) else ""
