"""A look at every recording of a task before hours are spent on it: what is damaged, what leaks, what is odd."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mixkit.audio.facts import AudioFacts, examine
from mixkit.data.cut import Cut, find_cut
from mixkit.data.inspect import TOLERANCE, CheckedClip, inspect_clips
from mixkit.data.leaks import find_copies
from mixkit.data.run_split import faults_of, list_splits
from mixkit.data.waveforms import in_words
from mixkit.errors import DataError, printable
from mixkit.registry import Clip, Task
from mixkit.tasks.clip import SPLITS
from mixkit.tasks.left_out import LeftOut, Selective
from mixkit.tasks.published import PAPER_RANDOM

FAULTS: Mapping[str, str] = {
    "refused": "in all clips together, which training refuses",
    "unreadable": "cannot be read",
    "empty": "no audio in it",
    "leaked_audio": "same audio in two splits",
    "leaked_group": "group in two splits",
    "leaked_file": "file in two splits",
}
"""What has to be mended before training."""

REMARKS: Mapping[str, str] = {
    "mixed_group": "group in two splits, as the protocol paper-random has it",
    "mixed_audio": "same audio in two splits, which the protocol paper-random lets through",
    "duplicate": "same audio twice in a split",
    "likely_copy": "likely the same recording at another sample rate or with other channels",
    "mended": "a header that says less than the file holds",
    "silent": "never above -60 dB",
    "clipped": "cut off at full scale",
    "shorter": "shorter than the model hears",
    "longer": "longer than the model hears",
    "odd_rate": "another sample rate than most",
    "odd_channels": "another number of channels than most",
}
"""What is good to know."""


@dataclass(frozen=True)
class ClipFinding:
    """Something about a clip.

    Args:
        kind: one of `FAULTS` or `REMARKS`.
        split: where the clip stands.
        path: its file; None of what is wrong with all clips together.
        detail: the rest of the sentence.
    """

    kind: str
    split: str
    path: Path | None
    detail: str

    def to_json(self) -> dict[str, str]:
        """As plain data, with nothing in it that cannot be printed."""
        file = "" if self.path is None else printable(self.path)
        return {"split": self.split, "file": file, "detail": printable(self.detail)}

    def __str__(self) -> str:
        return self.detail if self.path is None else f"{self.split}: {self.path} ({self.detail})"


@dataclass(frozen=True)
class Report:
    """What was found in the recordings of a task.

    Args:
        task: its name.
        settings: of the task, in words.
        notes: what the task itself has to say.
        protocol: by which it is split; `paper-random` mixes groups on purpose.
        labels: of the task, in its order.
        seconds: that the network takes.
        clips: every clip.
        left_out: what the task found and left out, by reason.
        refused: what keeps all of them together from being trained on.
    """

    task: str
    settings: str
    notes: tuple[str, ...]
    protocol: str
    labels: tuple[str, ...]
    seconds: float
    clips: tuple[CheckedClip, ...]
    left_out: tuple[LeftOut, ...] = ()
    refused: tuple[str, ...] = ()

    @cached_property
    def good(self) -> tuple[tuple[str, Clip, AudioFacts], ...]:
        """The clips that can be read, with their splits and what is known of them."""
        return tuple((one.split, one.clip, one.found) for one in self.clips if isinstance(one.found, AudioFacts))

    @cached_property
    def findings(self) -> Mapping[str, tuple[ClipFinding, ...]]:
        """What was found, by kind; every kind is there."""
        found: dict[str, list[ClipFinding]] = {kind: [] for kind in (*FAULTS, *REMARKS)}
        together = (ClipFinding("refused", "", None, fault) for fault in self.refused)
        for finding in (*together, *self._alone(), *self._same_audio(), *self._apart()):
            found[finding.kind].append(finding)
        return {kind: tuple(findings) for kind, findings in found.items()}

    @property
    def clean(self) -> bool:
        """Whether nothing has to be mended."""
        return not any(self.findings[kind] for kind in FAULTS)

    @cached_property
    def cut(self) -> Cut | None:
        """The clips that are longer than the network takes."""
        return find_cut((facts for _, _, facts in self.good), self.seconds)

    @property
    def rates(self) -> Counter[int]:
        """How many clips have which sample rate."""
        return Counter(facts.sample_rate for _, _, facts in self.good)

    @property
    def channels(self) -> Counter[int]:
        """How many clips have how many channels."""
        return Counter(facts.channels for _, _, facts in self.good)

    def balance(self, split: str) -> dict[str, int]:
        """Clips of each label in a split; in a multi-label set, a clip counts for each of its labels."""
        counts = Counter(label for one in self.clips if one.split == split for label in one.clip.labels)
        return {label: counts[label] for label in dict.fromkeys((*self.labels, *counts))}

    @property
    def multi_label(self) -> bool:
        """Whether clips may have several labels, or none."""
        return any(one.clip.tags is not None for one in self.clips)

    def unlabelled(self, split: str) -> int:
        """Clips of a split without any label."""
        return sum(one.split == split and not one.clip.labels for one in self.clips)

    def lengths(self, split: str) -> list[float]:
        """Seconds of each clip of a split that can be read."""
        return [facts.seconds for its, _, facts in self.good if its == split]

    def groups(self, split: str) -> int:
        """Groups in a split."""
        return len({one.clip.group for one in self.clips if one.split == split})

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "task": printable(self.task),
            "settings": printable(self.settings),
            "protocol": printable(self.protocol),
            "notes": [printable(note) for note in self.notes],
            "left_out": [found.to_json() for found in self.left_out],
            "clean": self.clean,
            "duplicates_by": "SHA-256 of the decoded samples",
            "seconds_heard": self.seconds,
            "cut": self.cut and self.cut.to_json(),
            "sample_rates": {str(rate): count for rate, count in self.rates.most_common()},
            "channels": {str(number): count for number, count in self.channels.most_common()},
            "splits": {
                split: {
                    "clips": sum(one.split == split for one in self.clips),
                    "groups": self.groups(split),
                    "seconds": round(sum(self.lengths(split)), 3),
                    "labels": {printable(label): count for label, count in self.balance(split).items()},
                    **({"unlabelled": self.unlabelled(split)} if self.multi_label else {}),
                }
                for split in SPLITS
            },
            "findings": {kind: [finding.to_json() for finding in found] for kind, found in self.findings.items()},
        }

    def _alone(self) -> Iterator[ClipFinding]:
        """What is seen of one clip at a time."""
        rate = self.rates.most_common(1)[0][0] if self.good else 0
        channels = self.channels.most_common(1)[0][0] if self.good else 0
        for one in self.clips:
            if isinstance(one.found, DataError):
                kind = "empty" if one.found.kind == "empty" else "unreadable"
                yield ClipFinding(kind, one.split, one.clip.path, one.found.without_path)
        for split, clip, facts in self.good:
            for kind, applies, detail in (
                ("mended", bool(facts.note), facts.note),
                ("silent", facts.silent, f"highest sample {facts.peak:.5f}"),
                ("clipped", facts.clipped, f"highest sample {facts.peak:.3f}"),
                ("shorter", facts.seconds < self.seconds - TOLERANCE, f"{facts.seconds:.3f} s"),
                ("longer", facts.seconds > self.seconds + TOLERANCE, f"{facts.seconds:.3f} s"),
                ("odd_rate", facts.sample_rate != rate, f"{facts.sample_rate} Hz"),
                ("odd_channels", facts.channels != channels, f"{facts.channels}"),
            ):
                if applies:
                    yield ClipFinding(kind, split, clip.path, detail)

    def _same_audio(self) -> Iterator[ClipFinding]:
        """Clips with the same samples, or likely with the same recording."""
        leak = "mixed_audio" if self.protocol == PAPER_RANDOM else "leaked_audio"
        for copy in find_copies(self.clips):
            kind = "likely_copy" if not copy.exact else leak if copy.leaks else "duplicate"
            detail = f"same as {copy.first.clip.path} in {copy.first.split}"
            yield ClipFinding(kind, copy.second.split, copy.second.clip.path, detail)

    def _apart(self) -> Iterator[ClipFinding]:
        """Groups and files that stand in more than one split."""
        mixed = "mixed_group" if self.protocol == PAPER_RANDOM else "leaked_group"
        for kind, name in ((mixed, "group"), ("leaked_file", "path")):
            places: dict[Any, dict[str, CheckedClip]] = defaultdict(dict)
            for one in self.clips:
                places[getattr(one.clip, name)].setdefault(one.split, one)
            for shared, splits in places.items():
                first, *others = splits.values()
                for other in others:
                    detail = f"{name} {shared} is in {first.split} too, such as {first.clip.path}"
                    yield ClipFinding(kind, other.split, other.clip.path, detail)


def check(task: Task, name: str, progress: Callable[[str, int, int], None], settings: str = "") -> Report:
    """Decode every clip of a task.

    Args:
        task: what lists the clips.
        name: of the task, for the report.
        progress: is told how many of how many are done.
        settings: of the task, for the report.

    Raises:
        MixkitError: the task cannot list its clips.
    """
    splits = list_splits(task, progress)
    # Of files and groups in two splits it is said clip by clip.
    refused = tuple(str(fault) for fault in faults_of(name, task, splits) if fault.kind not in ("file", "group"))
    total = sum(map(len, splits.values()))
    clips: list[CheckedClip] = []
    for one in inspect_clips(splits, _examine):
        clips.append(one)
        progress("listening", len(clips), total)
    notes, protocol = getattr(task, "notes", ()), getattr(task, "protocol", "")
    left_out = task.left_out if isinstance(task, Selective) else ()
    said = (tuple(notes), protocol, tuple(task.labels), task.seconds)
    return Report(name, settings, *said, tuple(clips), left_out, refused)


def _examine(clip: Clip) -> AudioFacts:
    try:
        return examine(clip.path, clip.start, clip.stop)
    except DataError:
        raise
    except Exception as error:  # whatever a decoder makes of a damaged file, the others are still to be looked at
        raise DataError(in_words(error), clip.path) from None
