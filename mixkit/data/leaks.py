"""The same audio twice, in one split or in two: the one rule of training and `mixkit data check`."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixkit.audio.facts import AudioFacts
from mixkit.data.inspect import CheckedClip
from mixkit.errors import DataError, printable
from mixkit.tasks.published import PAPER_RANDOM

LIKELY = 0.99  # cosine of two sketches: copies at 8 to 48 kHz have 0.997 and more, distinct recordings less than 0.5
SAME_LENGTH = 0.01  # seconds
BYTES = 3  # of signs, by which a sketch is looked up: ten such parts, of which one at least is the same in copies
PARTS = 10
AT_ONCE = 10_000  # sketches whose signs are taken
MOST = 16  # sketches that a sketch is compared with in each part, so that many clips of one kind cost no more
LISTED = 10  # pairs in an error or a note


@dataclass(frozen=True)
class Copy:
    """Two clips with one content.

    Args:
        first: the one that comes first in the splits.
        second: the other.
        exact: whether the decoded samples are the same; else it is likely the same recording at another sample rate
            or with other channels.
    """

    first: CheckedClip
    second: CheckedClip
    exact: bool

    @property
    def leaks(self) -> bool:
        """Whether they stand in two splits."""
        return self.first.split != self.second.split

    def __str__(self) -> str:
        return f"{_shown(self.first)} = {_shown(self.second)}"


def find_copies(clips: Iterable[CheckedClip]) -> list[Copy]:
    """Finds clips with the same audio, in time and memory linear in their number.

    Two clips are the same if their decoded samples (the mean over the channels) and sample rates are, whatever files
    they stand in; of several, each is paired with the first. Two others are likely the same if their sketches point
    the same way and they are of one length. Silence to the last bit is nobody's in particular, and never a copy.

    Args:
        clips: in the order of the splits; those that cannot be read are left out.
    """
    heard = [(one, one.found) for one in clips if isinstance(one.found, AudioFacts) and one.found.peak > 0]
    sketches = _Sketches([facts.sketch for _, facts in heard])
    firsts: dict[bytes, CheckedClip] = {}
    copies = []
    for number, (one, facts) in enumerate(heard):
        same = firsts.get(facts.digest)
        like = sketches.find(number, one, facts) if same is None else None
        if first := same or like:
            copies.append(Copy(first, one, exact=same is not None))
        firsts.setdefault(facts.digest, one)
    return copies


def refuse_leaks(clips: Iterable[CheckedClip], protocol: str) -> tuple[str, ...]:
    """See that no audio stands in two splits.

    Args:
        clips: as for `find_copies`.
        protocol: of the task; `paper-random` lets copies through.

    Returns:
        What is likely a leak and cannot be proven, in a sentence.

    Raises:
        DataError: there is a leak; the clips are named.
    """
    if protocol == PAPER_RANDOM:
        return ()
    copies = [copy for copy in find_copies(clips) if copy.leaks]
    exact = [copy for copy in copies if copy.exact]
    if exact:
        raise DataError(
            f"the same recording, sample for sample, stands in two splits ({len(exact)} times). "
            f"Leave one of each pair out:\n{shown_pairs(exact)}"
        )
    if not copies:
        return ()
    return (
        f"Likely the same recording in two splits, at another sample rate or with other channels ({len(copies)} "
        f"times). Listen to them, and leave one of each pair out if they are:\n{shown_pairs(copies)}",
    )


class _Sketches:
    """Sketches by parts of their signs; a part that no two sketches share is not kept, and most are such.

    Args:
        sketches: all of them; empty where there is none.
    """

    def __init__(self, sketches: Sequence[bytes]) -> None:
        self._kept: dict[int, tuple[CheckedClip, AudioFacts]] = {}
        self._by_part: dict[int, list[int]] = defaultdict(list)
        self._parts = _parts(sketches)
        self._shared = np.stack([_shared(column) for column in self._parts.T], 1)

    def find(self, number: int, one: CheckedClip, facts: AudioFacts) -> CheckedClip | None:
        """The clip that this one is likely a copy of; without one it is kept, to be found by others."""
        if not facts.sketch:
            return None
        parts = self._parts[number, self._shared[number]].tolist()
        for place in dict.fromkeys(place for part in parts for place in self._by_part.get(part, ())):
            other, others = self._kept[place]
            if abs(others.seconds - facts.seconds) <= SAME_LENGTH and _cosine(facts, others) >= LIKELY:
                return other
        for part in parts:
            if len(self._by_part[part]) < MOST:
                self._by_part[part].append(number)
                self._kept[number] = one, facts
        return None


def _parts(sketches: Sequence[bytes]) -> NDArray[np.int64]:
    """Signs of all sketches as numbers, each with the place of its part in it: `n 10`; -1 where there is no sketch."""
    parts = np.full((len(sketches), PARTS), -1, np.int64)
    for start in range(0, len(sketches), AT_ONCE):
        there = [number for number in range(start, min(start + AT_ONCE, len(sketches))) if sketches[number]]
        if not there:
            continue
        values = np.frombuffer(b"".join(sketches[number] for number in there), np.int8).reshape(len(there), -1)
        signs = np.packbits(values > 0, axis=1)[:, : BYTES * PARTS].reshape(-1, PARTS, BYTES).astype(np.int64)
        parts[there] = signs @ 256 ** np.arange(BYTES)
    return np.where(parts < 0, parts, parts + 256**BYTES * np.arange(PARTS))


def _shared(column: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which numbers come more than once: `n`."""
    _, which, counts = np.unique(column, return_inverse=True, return_counts=True)
    return np.asarray(counts[which] > 1)


def _cosine(one: AudioFacts, other: AudioFacts) -> float:
    a, b = (np.frombuffer(facts.sketch, np.int8).astype(np.float32) for facts in (one, other))
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def shown_pairs(copies: Sequence[Copy]) -> str:
    """The first of them, a line each."""
    return "\n".join(f"  {copy}" for copy in copies[:LISTED])


def _shown(one: CheckedClip) -> str:
    start = "" if one.clip.start is None else f" from {one.clip.start:g} s"
    return f"{printable(one.clip.path)}{start} ({one.split})"
