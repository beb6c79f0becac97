"""The clips of a run found again among those that its task lists now: what is missing, new, exchanged."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from itertools import chain
from pathlib import Path

from mixkit.audio.cache import AudioCache
from mixkit.download.archive import is_file
from mixkit.errors import DataError
from mixkit.registry import Clip
from mixkit.runs.clips import RunClip
from mixkit.tasks.clip import some

ASKED = 200  # names by which the folder of all clips is found
AT_ONCE = 4  # files that are read for their digests
TOGETHER = 100  # files that a reader gets at a time


@dataclass(frozen=True)
class Differences:
    """How the clips of a run differ from those that its task lists now.

    Args:
        missing: their files are not there.
        new: they are not the run's.
        exchanged: their files have another content.
        relabelled: they have another label now.
        divided: they would stand in another split now.
    """

    missing: tuple[RunClip, ...] = ()
    new: tuple[RunClip, ...] = ()
    exchanged: tuple[RunClip, ...] = ()
    relabelled: tuple[RunClip, ...] = ()
    divided: tuple[RunClip, ...] = ()

    def to_json(self) -> dict[str, list[str]]:
        """Their names, by what is the matter."""
        return {part.name: list(map(str, getattr(self, part.name))) for part in fields(self)}

    def __str__(self) -> str:
        words = {"relabelled": "labelled otherwise", "divided": "divided otherwise"}
        found = {words.get(part.name, part.name): getattr(self, part.name) for part in fields(self)}
        return ", ".join(f"{len(clips):,} {kind} ({some(map(str, clips))})" for kind, clips in found.items() if clips)


@dataclass(frozen=True)
class FoundClips:
    """The clips of a run, where they lie now.

    Args:
        there: those whose files are there, as the run divided and labelled them.
        differ: what is otherwise.
    """

    there: tuple[tuple[RunClip, Clip], ...]
    differ: Differences

    def of(self, split: str) -> "FoundClips":
        """Those of one split; what is new belongs to none."""
        parts = {part.name: getattr(self.differ, part.name) for part in fields(Differences)}
        own = {name: clips if name == "new" else _of(split, clips) for name, clips in parts.items()}
        return FoundClips(tuple(pair for pair in self.there if pair[0].split == split), Differences(**own))


def find_clips(kept: Sequence[RunClip], listed: Mapping[str, Sequence[Clip]]) -> FoundClips:
    """Finds the clips of a run, wherever their folder lies now; what is in them is not looked at.

    Args:
        kept: of the run.
        listed: what its task lists now.
    """
    base = _base(kept, [clip.path for clips in listed.values() for clip in clips])
    now = {one.key: (one, clip) for one, clip in _named(listed, base)}
    there, missing, relabelled, divided = [], [], [], []
    for one in kept:
        other, clip = now.pop(one.key, (None, None))
        path = clip.path if clip else base / one.path
        if not is_file(path):
            missing += [one] if one.skipped is None else []
            continue
        there.append((one, one.at(path)))
        relabelled += [one] if other and (other.label, other.tags) != (one.label, one.tags) else []
        divided += [one] if other and other.split != one.split else []
    new = tuple(one for one, _ in now.values())
    differ = Differences(tuple(missing), new, relabelled=tuple(relabelled), divided=tuple(divided))
    return FoundClips(tuple(there), differ)


def compare_content(found: FoundClips, cache: AudioCache) -> FoundClips:
    """Tells apart the clips whose files have another content than they had; they count as not there.

    Args:
        found: without a look into the files.
        cache: that knows the digests of files.
    """
    digests = digests_of((clip.path for _, clip in found.there), cache)
    same = tuple(pair for pair in found.there if digests[pair[1].path] == pair[0].sha256)
    exchanged = tuple(kept for kept, clip in found.there if digests[clip.path] != kept.sha256)
    return FoundClips(same, replace(found.differ, exchanged=exchanged))


def name_clips(
    splits: Mapping[str, Sequence[Clip]], skipped: Mapping[Clip, str], cache: AudioCache
) -> tuple[RunClip, ...]:
    """The clips of a run as its folder keeps them.

    Args:
        splits: all of them.
        skipped: those that could not be used, and why.
        cache: that knows the digests of files.
    """
    folders = {os.path.dirname(clip.path) for clips in splits.values() for clip in clips}  # noqa: PTH120 (many)
    digests = digests_of((clip.path for clips in splits.values() for clip in clips), cache)
    return tuple(
        RunClip(one.split, one.path, one.label, one.start, one.stop, one.tags, skipped.get(clip), digests[clip.path])
        for one, clip in _named(splits, Path(os.path.commonpath(folders)))
    )


def digests_of(paths: Iterable[Path], cache: AudioCache) -> dict[Path, str]:
    """SHA-256 of files, empty of one that cannot be read."""

    def digest(path: Path) -> str:
        try:
            return cache.digest(path)
        except DataError:
            return ""

    files = list(dict.fromkeys(paths))
    parts = (files[start : start + TOGETHER] for start in range(0, len(files), TOGETHER))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda part: list(map(digest, part)), parts)
        return dict(zip(files, chain.from_iterable(found), strict=True))


def _of(split: str, clips: Iterable[RunClip]) -> tuple[RunClip, ...]:
    return tuple(clip for clip in clips if clip.split == split)


def _named(splits: Mapping[str, Sequence[Clip]], base: Path) -> Iterator[tuple[RunClip, Clip]]:
    for split, clips in splits.items():
        for clip in clips:
            yield RunClip(split, os.path.relpath(clip.path, base), clip.label, clip.start, clip.stop, clip.tags), clip


def _base(kept: Sequence[RunClip], paths: Sequence[Path]) -> Path:
    """The folder that the names of the run's clips begin at: the one below which most of them are listed."""
    by_name: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        by_name[path.name].append(path)
    votes: Counter[Path] = Counter()
    for one in kept[:: max(1, len(kept) // ASKED)]:
        name = Path(one.path)
        for path in by_name[name.name]:
            if path.parts[-len(name.parts) :] == name.parts:
                votes[Path(*path.parts[: -len(name.parts)])] += 1
    if not votes:
        return Path(os.path.commonpath(paths)) if paths else Path()
    return min(votes, key=lambda base: (-votes[base], len(base.parts)))
