"""Recordings that cannot be used: found before training by decoding all once, and left out if the recipe says so."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from mixkit.audio.facts import AudioFacts
from mixkit.data.waveforms import ReadingFailed, Waveforms
from mixkit.errors import DataError, printable
from mixkit.registry import Clip
from mixkit.tasks.clip import some

MOST = 0.01
"""Share of the clips of a task that may be left out."""

LISTED = 10  # of bad files in an error
AT_ONCE = 1000  # clips that wait for a reader
MANY = 5000  # clips whose first decoding takes long enough to be announced

Splits = Mapping[str, Sequence[Clip]]
Facts = Mapping[Clip, AudioFacts]


@dataclass(frozen=True)
class Skipped:
    """A clip that was left out.

    Args:
        split: where it would stand.
        path: its file, safe to print.
        reason: what is wrong with it.
    """

    split: str
    path: str
    reason: str

    def to_json(self) -> dict[str, str]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Survey:
    """Lengths of clips against what the network takes.

    Args:
        clips: how many.
        shorter: of them shorter.
        longer: of them longer.
        seconds: in all.
    """

    clips: int
    shorter: int
    longer: int
    seconds: float


def usable(
    splits: Splits, on_bad_file: str, waveforms: Waveforms, say: Callable[[str], None]
) -> tuple[dict[str, tuple[Clip, ...]], list[Skipped], Facts]:
    """The clips that can be decoded, by split, what was left out, and what is known of the others.

    Every clip is decoded once, whatever the size of the set: this fills the cache, and of a good clip is not done
    again as long as its file does not change. Without a cache it costs as much as reading for one epoch.

    Args:
        splits: all clips of the task.
        on_bad_file: `stop` refuses any bad clip, `skip` more than one in a hundred.
        waveforms: reads them, and keeps what it has room for.
        say: is told of each clip that is left out.

    Raises:
        DataError: there are bad clips, and too many, or a split or class has no others.
        ReadingFailed: a clip cannot be read for another reason than what is in it, which leaves nothing out.
    """
    clips = [clip for split in splits.values() for clip in split]
    if len(clips) > MANY:
        say(f"Decoding {len(clips):,} clips once, to find those that cannot be used.")
    facts, faults = _examined(clips, waveforms)
    bad = [
        Skipped(split, printable(str(clip.path)), faults[clip].without_path)
        for split, listed in splits.items()
        for clip in listed
        if clip in faults
    ]
    if bad and on_bad_file == "stop":
        raise DataError(f"{_listed(bad, splits)}\nMend or remove them, or go on without: task.on_bad_file = 'skip'.")
    if len(bad) > MOST * len(clips):
        most = f"more than the {MOST:.0%} that task.on_bad_file = 'skip' leaves out"
        raise DataError(f"{_listed(bad, splits, most)}\nMend or remove them.")
    good = {split: tuple(clip for clip in listed if clip not in faults) for split, listed in splits.items()}
    _expect_all(splits, good)
    for one in bad:
        say(f"left out of {one.split}: {one.path}: {one.reason}")
    return good, bad, facts


def survey(facts: Iterable[AudioFacts], seconds: float) -> Survey:
    """Lengths of all clips."""
    lengths = [one.seconds for one in facts]
    tolerance = 1e-3
    return Survey(
        clips=len(lengths),
        shorter=sum(length < seconds - tolerance for length in lengths),
        longer=sum(length > seconds + tolerance for length in lengths),
        seconds=sum(lengths),
    )


def _examined(clips: Sequence[Clip], waveforms: Waveforms) -> tuple[dict[Clip, AudioFacts], dict[Clip, DataError]]:
    def examine(clip: Clip) -> AudioFacts | DataError:
        try:
            return waveforms.examine(clip)
        except ReadingFailed:
            raise
        except DataError as error:
            return error

    facts: dict[Clip, AudioFacts] = {}
    faults: dict[Clip, DataError] = {}
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 4)) as pool:  # decoder and resampler leave Python alone
        for start in range(0, len(clips), AT_ONCE):
            some_clips = clips[start : start + AT_ONCE]
            for clip, found in zip(some_clips, pool.map(examine, some_clips), strict=True):
                if isinstance(found, AudioFacts):
                    facts[clip] = found
                else:
                    faults[clip] = found
    return facts, faults


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
