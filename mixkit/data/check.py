"""A look at every recording of a task before hours are spent on it: what is damaged, what leaks, what is odd."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mixkit.data.inspect import Heard, listen
from mixkit.errors import printable
from mixkit.registry import Task
from mixkit.tasks.clip import SPLITS
from mixkit.tasks.published import PAPER_RANDOM

WORKERS = 4
AT_ONCE = 500  # clips that wait for a reader
TOLERANCE = 1e-3  # seconds

FAULTS: Mapping[str, str] = {
    "unreadable": "cannot be read",
    "empty": "no audio in it",
    "leaked_audio": "same audio in two splits",
    "leaked_group": "group in two splits",
    "leaked_file": "file in two splits",
}
"""What has to be mended before training."""

REMARKS: Mapping[str, str] = {
    "mixed_group": "group in two splits, as the protocol paper-random has it",
    "duplicate": "same audio twice in a split",
    "silent": "never above -60 dB",
    "clipped": "cut off at full scale",
    "shorter": "shorter than the model hears",
    "longer": "longer than the model hears",
    "odd_rate": "another sample rate than most",
    "odd_channels": "another number of channels than most",
}
"""What is good to know."""


@dataclass(frozen=True)
class Finding:
    """Something about a clip.

    Args:
        kind: one of `FAULTS` or `REMARKS`.
        split: where the clip stands.
        path: its file.
        detail: the rest of the sentence.
    """

    kind: str
    split: str
    path: Path
    detail: str

    def to_json(self) -> dict[str, str]:
        """As plain data, with nothing in it that cannot be printed."""
        return {"split": self.split, "file": printable(str(self.path)), "detail": printable(self.detail)}


@dataclass(frozen=True)
class Report:
    """What was found in the recordings of a task.

    Args:
        task: its name.
        settings: of the task, in words.
        notes: what the task itself has to say.
        protocol: by which it is split; `paper-random` mixes groups on purpose.
        labels: of the task, in its order.
        seconds: that the model hears.
        heard: every clip.
    """

    task: str
    settings: str
    notes: tuple[str, ...]
    protocol: str
    labels: tuple[str, ...]
    seconds: float
    heard: tuple[Heard, ...]

    @cached_property
    def good(self) -> tuple[Heard, ...]:
        """The clips that can be read."""
        return tuple(heard for heard in self.heard if heard.fault is None)

    @cached_property
    def findings(self) -> Mapping[str, tuple[Finding, ...]]:
        """What was found, by kind; every kind is there."""
        found: dict[str, list[Finding]] = {kind: [] for kind in (*FAULTS, *REMARKS)}
        for finding in (*self._alone(), *self._same_audio(), *self._apart()):
            found[finding.kind].append(finding)
        return {kind: tuple(findings) for kind, findings in found.items()}

    @property
    def clean(self) -> bool:
        """Whether nothing has to be mended."""
        return not any(self.findings[kind] for kind in FAULTS)

    @property
    def rates(self) -> Counter[int]:
        """How many clips have which sample rate."""
        return Counter(heard.sample_rate for heard in self.good)

    @property
    def channels(self) -> Counter[int]:
        """How many clips have how many channels."""
        return Counter(heard.channels for heard in self.good)

    def balance(self, split: str) -> dict[str, int]:
        """Clips of each label in a split; in a multi-label set, a clip counts for each of its labels."""
        counts = Counter(label for heard in self.heard if heard.split == split for label in heard.clip.labels)
        return {label: counts[label] for label in dict.fromkeys((*self.labels, *counts))}

    @property
    def multi_label(self) -> bool:
        """Whether clips may have several labels, or none."""
        return any(heard.clip.tags is not None for heard in self.heard)

    def unlabelled(self, split: str) -> int:
        """Clips of a split without any label."""
        return sum(heard.split == split and not heard.clip.labels for heard in self.heard)

    def groups(self, split: str) -> int:
        """Groups in a split."""
        return len({heard.clip.group for heard in self.heard if heard.split == split})

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "task": printable(self.task),
            "settings": printable(self.settings),
            "protocol": printable(self.protocol),
            "notes": [printable(note) for note in self.notes],
            "clean": self.clean,
            "duplicates_by": "SHA-256 of the decoded samples",
            "seconds_heard": self.seconds,
            "sample_rates": {str(rate): count for rate, count in self.rates.most_common()},
            "channels": {str(number): count for number, count in self.channels.most_common()},
            "splits": {
                split: {
                    "clips": sum(heard.split == split for heard in self.heard),
                    "groups": self.groups(split),
                    "seconds": round(sum(heard.seconds for heard in self.good if heard.split == split), 3),
                    "labels": {printable(label): count for label, count in self.balance(split).items()},
                    **({"unlabelled": self.unlabelled(split)} if self.multi_label else {}),
                }
                for split in SPLITS
            },
            "findings": {kind: [finding.to_json() for finding in found] for kind, found in self.findings.items()},
        }

    def _alone(self) -> Iterator[Finding]:
        """What is seen of one clip at a time."""
        rate = self.rates.most_common(1)[0][0] if self.good else 0
        channels = self.channels.most_common(1)[0][0] if self.good else 0
        for heard in self.heard:
            split, path = heard.split, heard.clip.path
            if heard.fault is not None:
                kind = "empty" if heard.fault.kind == "empty" else "unreadable"
                yield Finding(kind, split, path, heard.fault.without_path)
                continue
            for kind, applies, detail in (
                ("silent", heard.silent, f"highest sample {heard.peak:.5f}"),
                ("clipped", heard.clipped, f"highest sample {heard.peak:.3f}"),
                ("shorter", heard.seconds < self.seconds - TOLERANCE, f"{heard.seconds:.3f} s"),
                ("longer", heard.seconds > self.seconds + TOLERANCE, f"{heard.seconds:.3f} s"),
                ("odd_rate", heard.sample_rate != rate, f"{heard.sample_rate} Hz"),
                ("odd_channels", heard.channels != channels, f"{heard.channels}"),
            ):
                if applies:
                    yield Finding(kind, split, path, detail)

    def _same_audio(self) -> Iterator[Finding]:
        """Clips with the same samples; each is compared with the first of them."""
        first: dict[bytes, Heard] = {}
        for heard in self.good:
            if heard.peak > 0:  # digital silence of one length is all the same, and said to be silent already
                known = first.setdefault(heard.digest, heard)
                if known is not heard:
                    kind = "duplicate" if known.split == heard.split else "leaked_audio"
                    yield Finding(kind, heard.split, heard.clip.path, f"same as {known.clip.path} in {known.split}")

    def _apart(self) -> Iterator[Finding]:
        """Groups and files that stand in more than one split."""
        mixed = "mixed_group" if self.protocol == PAPER_RANDOM else "leaked_group"
        for kind, name in ((mixed, "group"), ("leaked_file", "path")):
            places: dict[Any, dict[str, Heard]] = defaultdict(dict)
            for heard in self.heard:
                places[getattr(heard.clip, name)].setdefault(heard.split, heard)
            for shared, splits in places.items():
                first, *others = splits.values()
                for other in others:
                    detail = f"{name} {shared} is in {first.split} too, such as {first.clip.path}"
                    yield Finding(kind, other.split, other.clip.path, detail)


def check(task: Task, name: str, progress: Callable[[str, int, int], None], settings: str = "") -> Report:
    """Listen to every clip of a task.

    Args:
        task: what lists the clips.
        name: of the task, for the report.
        progress: is told how many of how many are done.
        settings: of the task, for the report.

    Raises:
        MixkitError: the task cannot list its clips.
    """
    clips = [(split, clip) for split in SPLITS for clip in task.clips(split)]
    heard: list[Heard] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for start in range(0, len(clips), AT_ONCE):
            for one in pool.map(_listen, clips[start : start + AT_ONCE]):
                heard.append(one)
                progress("listening", len(heard), len(clips))
    notes, protocol = getattr(task, "notes", ()), getattr(task, "protocol", "")
    return Report(name, settings, tuple(notes), protocol, tuple(task.labels), task.seconds, tuple(heard))


def _listen(entry: Sequence[Any]) -> Heard:
    split, clip = entry
    return listen(split, clip)
