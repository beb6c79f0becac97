"""Recordings that cannot be used: found before training by decoding all once, and left out if the recipe says so."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mixkit.audio.facts import AudioFacts
from mixkit.data.inspect import CheckedClip, inspect_clips
from mixkit.data.waveforms import Waveforms
from mixkit.errors import DataError, printable
from mixkit.registry import Clip
from mixkit.tasks.clip import some

MOST = 0.01
"""Share of the clips of a task that may be left out."""

LISTED = 10  # of bad files in an error, and of odd ones
MANY = 5000  # clips whose first decoding takes long enough to be announced

Splits = Mapping[str, Sequence[Clip]]


@dataclass(frozen=True)
class Skipped:
    """A clip that was left out.

    Args:
        split: where it would stand.
        clip: as listed.
        reason: what is wrong with it.
    """

    split: str
    clip: Clip
    reason: str

    @property
    def path(self) -> str:
        """Its file, safe to print."""
        return printable(self.clip.path)

    def __str__(self) -> str:
        return f"left out of {self.split}: {self.path}: {self.reason}"

    def to_json(self) -> dict[str, str]:
        """As plain data."""
        return {"split": self.split, "path": self.path, "reason": self.reason}


def usable(
    splits: Splits, on_bad_file: str, waveforms: Waveforms, say: Callable[[str], None]
) -> tuple[dict[str, tuple[Clip, ...]], list[Skipped], list[CheckedClip]]:
    """The clips that can be decoded, by split, what was left out, and what all of them turned out to be.

    Every clip is decoded once, whatever the size of the set: this fills the cache, and of a good clip is not done
    again as long as its file does not change. Without a cache it costs as much as reading for one epoch.

    Args:
        splits: all clips of the task.
        on_bad_file: `stop` refuses any bad clip, `skip` more than one in a hundred.
        waveforms: reads them, and keeps what it has room for.
        say: is told of each clip that is left out, and of files whose headers say less than they hold.

    Raises:
        DataError: there are bad clips, and too many, or a split or class has no others.
        ReadingFailed: a clip cannot be read for another reason than what is in it, which leaves nothing out.
    """
    total = sum(map(len, splits.values()))
    if total > MANY:
        say(f"Decoding {total:,} clips once, to find those that cannot be used.")
    clips = list(inspect_clips(splits, waveforms.examine))
    bad = [Skipped(one.split, one.clip, one.found.without_path) for one in clips if isinstance(one.found, DataError)]
    if bad and on_bad_file == "stop":
        raise DataError(f"{_listed(bad, splits)}\nMend or remove them, or go on without: task.on_bad_file = 'skip'.")
    if len(bad) > MOST * total:
        most = f"more than the {MOST:.0%} that task.on_bad_file = 'skip' leaves out"
        raise DataError(f"{_listed(bad, splits, most)}\nMend or remove them.")
    kept = [one for one in clips if isinstance(one.found, AudioFacts)]
    good = {split: tuple(one.clip for one in kept if one.split == split) for split in splits}
    _expect_all(splits, good)
    for line in _mended(clips):
        say(line)
    for one in bad:
        say(str(one))
    return good, bad, clips


def _mended(clips: Sequence[CheckedClip]) -> list[str]:
    """What is odd about files that are heard all the same."""
    found = {one.clip.path: one.found.note for one in clips if isinstance(one.found, AudioFacts) and one.found.note}
    lines = [f"{printable(path)}: {note}" for path, note in found.items()]
    more = [f"... and {len(lines) - LISTED} more such files; `mixkit data check` lists them."]
    return lines[:LISTED] + (more if len(lines) > LISTED else [])


def _listed(bad: Sequence[Skipped], splits: Splits, verdict: str = "") -> str:
    counts = Counter(one.split for one in bad)
    total = sum(len(clips) for clips in splits.values())
    where = ", ".join(f"{counts[split]} of {len(clips)} {split}" for split, clips in splits.items() if counts[split])
    lines = [f"{len(bad)} of {total} clips cannot be used{', ' * bool(verdict)}{verdict} ({where}):"]
    lines += [f"  {one.path}: {one.reason}" for one in bad[:LISTED]]
    if len(bad) > LISTED:
        lines.append(f"  ... and {len(bad) - LISTED} more.")
    return "\n".join(lines)


def _expect_all(before: Splits, after: Splits) -> None:
    for split, clips in before.items():
        left = {label for clip in after[split] for label in clip.labels}
        lost = sorted({label for clip in clips for label in clip.labels} - left)
        if clips and not after[split]:
            raise DataError(f"{split} has no clip left: all of them cannot be used. Mend them.")
        if lost:
            raise DataError(f"{split} has no clip of {some(lost)} left that can be used. Mend them, or add others.")
