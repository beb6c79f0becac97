"""Decoded clips in memory, over the cache on disk, over the decoder."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from mixkit.audio.cache import AudioCache
from mixkit.audio.facts import AudioFacts
from mixkit.errors import DataError, MixkitError, ReadingFailed, printable
from mixkit.registry import Clip

MEMORY_BUDGET = 2**30
"""Bytes of decoded audio that a run keeps in memory, so that a small data set is decoded once."""


class Waveforms:
    """Reads clips, and keeps what fits into a budget of memory. Several threads may read at once.

    Args:
        sample_rate: Hz.
        cache: on disk; the user's without.
    """

    def __init__(self, sample_rate: int, cache: AudioCache | None = None):
        self.sample_rate = sample_rate
        self.cache = cache or AudioCache.of_user()
        self._kept: dict[Clip, Tensor] = {}
        self._room = MEMORY_BUDGET
        self._lock = Lock()

    def read(self, clip: Clip) -> Tensor:
        """The whole clip: `s`.

        Raises:
            DataError: it cannot be used; it is named.
            ReadingFailed: it cannot be read, for another reason than what is in the file.
        """
        if (kept := self._kept.get(clip)) is not None:
            return kept
        with _naming(clip):
            audio = self.cache.read(clip.path, self.sample_rate, clip.start, clip.stop)
        self._keep(clip, audio)
        return audio

    def examine(self, clip: Clip) -> AudioFacts:
        """What is known of a clip, decoded for it unless the cache on disk knows.

        Raises:
            DataError: it cannot be used; it is named.
            ReadingFailed: it cannot be read, for another reason than what is in the file.
        """
        with _naming(clip):
            facts, audio = self.cache.examine(clip.path, self.sample_rate, clip.start, clip.stop)
        if audio is not None:
            self._keep(clip, audio)
        return facts

    def share(self, workers: int) -> None:
        """In a data worker: what memory is left is for all of them together."""
        self._room //= workers

    def _keep(self, clip: Clip, audio: Tensor) -> None:
        if not isinstance(audio, Tensor) or audio.ndim != 1 or audio.dtype != torch.float32 or not len(audio):
            found = f"{audio.dtype} {list(audio.shape)}" if isinstance(audio, Tensor) else type(audio).__name__
            raise ReadingFailed(f"was read as {found}, and not as a row of samples.", clip.path)
        with self._lock:
            if audio.nbytes <= self._room and clip not in self._kept:
                self._room -= audio.nbytes
                self._kept[clip] = audio

    def __reduce__(self) -> tuple[Any, ...]:
        """For a worker that does not inherit this memory: the samples stay here, the budget is whole again."""
        return Waveforms, (self.sample_rate, self.cache)


@contextmanager
def _naming(clip: Clip) -> Iterator[None]:
    """Errors of any kind become one that names the clip, and that survives pickling."""
    try:
        yield
    except DataError:
        raise
    except MixkitError as error:
        raise DataError(str(error)) from None
    except Exception as error:
        raise ReadingFailed(f"reading it failed ({in_words(error)}).", clip.path) from None


def in_words(error: BaseException) -> str:
    """Kind and text of an exception, safe to print, whatever it is: some cannot say what they are."""
    try:
        text = str(error).rstrip(".")
    except Exception:
        text = ""
    kind = type(error).__name__
    return printable(f"{kind}: {text}"[:300] if text else kind)
