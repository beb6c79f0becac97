"""Every clip decoded to its end, several side by side: what is known of it, or what is wrong with it."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mixkit.audio.facts import AudioFacts
from mixkit.errors import DataError, ReadingFailed
from mixkit.registry import Clip

AT_ONCE = 1000  # clips that wait for a reader
TOLERANCE = 1e-3  # seconds that a clip may be shorter or longer than others and counts as equally long


@dataclass(frozen=True, slots=True)
class CheckedClip:
    """A clip that was decoded.

    Args:
        split: where it stands.
        clip: as listed.
        found: what is known of it, or what is wrong with a clip that cannot be read.
    """

    split: str
    clip: Clip
    found: AudioFacts | DataError


def inspect_clips(splits: Mapping[str, Sequence[Clip]], examine: Callable[[Clip], AudioFacts]) -> Iterator[CheckedClip]:
    """Examines all clips of the splits, and yields them in their order.

    Raises:
        ReadingFailed: `examine` says that a clip could not be read for another reason than what is in it.
    """

    def checked(split: str, clip: Clip) -> CheckedClip:
        try:
            return CheckedClip(split, clip, examine(clip))
        except ReadingFailed:
            raise
        except DataError as error:
            return CheckedClip(split, clip, error)

    with ThreadPoolExecutor(min(os.cpu_count() or 1, 4)) as pool:  # decoder and resampler leave Python alone
        for split, clips in splits.items():
            for start in range(0, len(clips), AT_ONCE):
                some_clips = clips[start : start + AT_ONCE]
                yield from pool.map(checked, [split] * len(some_clips), some_clips)
