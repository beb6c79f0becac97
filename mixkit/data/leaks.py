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
    firsts: dict[bytes, CheckedClip] = {}
    sketches = _Sketches()
    copies = []
    for one in clips:
        if isinstance(one.found, DataError) or one.found.peak == 0:
            continue
        same = firsts.get(one.found.digest)
        like = sketches.find(one, one.found) if same is None else None
        if first := same or like:
            copies.append(Copy(first, one, exact=same is not None))
        firsts.setdefault(one.found.digest, one)
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
    """Sketches by parts of their signs."""

    def __init__(self) -> None:
        self._kept: list[tuple[CheckedClip, float, NDArray[np.float32]]] = []
        self._by_part: dict[tuple[int, bytes], list[int]] = defaultdict(list)

    def find(self, one: CheckedClip, facts: AudioFacts) -> CheckedClip | None:
        """The clip that this one is likely a copy of; without one it is kept, to be found by others."""
        if not facts.sketch:
            return None
        values = np.frombuffer(facts.sketch, np.int8).astype(np.float32)
        values /= np.linalg.norm(values)
        signs = np.packbits(values > 0).tobytes()
        parts = [(part, signs[BYTES * part : BYTES * (part + 1)]) for part in range(PARTS)]
        for place in dict.fromkeys(place for part in parts for place in self._by_part.get(part, ())):
            other, seconds, others = self._kept[place]
            if abs(seconds - facts.seconds) <= SAME_LENGTH and float(values @ others) >= LIKELY:
                return other
        for part in parts:
            if len(self._by_part[part]) < MOST:
                self._by_part[part].append(len(self._kept))
        self._kept.append((one, facts.seconds, values))
        return None


def shown_pairs(copies: Sequence[Copy]) -> str:
    """The first of them, a line each."""
    return "\n".join(f"  {copy}" for copy in copies[:LISTED])


def _shown(one: CheckedClip) -> str:
    start = "" if one.clip.start is None else f" from {one.clip.start:g} s"
    return f"{printable(one.clip.path)}{start} ({one.split})"
