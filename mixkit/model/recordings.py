"""Recordings of any length on their way through a network: windows of many in one batch, never all of one in memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import torch
from torch import Tensor

from mixkit.audio.length import Length, window_starts
from mixkit.audio.waveform import OpenSound
from mixkit.errors import DataError, MixkitError

HELD = 2**24
"""Samples, 64 MiB, that are kept of a sound that does not say its length; a longer one is heard twice."""


@dataclass(eq=False)
class HeardRecording:
    """What comes of a recording.

    Attributes:
        samples: of all of it.
        starts: where its windows begin, in samples.
        rows: a row for each window; or one, their sum in float64.
        error: why it cannot be used; all else means nothing then.
    """

    samples: int = 0
    starts: Sequence[int] = ()
    rows: Tensor = field(default_factory=lambda: torch.empty(0))
    error: MixkitError | None = None
    _done: int = 0

    def windows(self, open_sound: OpenSound, length: Length, overlap: float) -> Iterator[Tensor]:
        """Its windows, one by one."""
        held, self.samples = _measured(open_sound)
        self.starts = window_starts(self.samples, length.samples, overlap)
        if held is not None:
            yield from _cut(held, self.starts, length, self.samples)
            return
        with open_sound() as waveform:
            yield from _cut(waveform.blocks, self.starts, length, self.samples)

    def add(self, rows: Tensor, summed: bool) -> None:
        """Takes what was computed of its next windows, into memory that is asked for once: parts would fragment it."""
        if not self._done:
            dtype = torch.float64 if summed else rows.dtype
            self.rows = torch.zeros(1 if summed else len(self.starts), rows.shape[1], dtype=dtype)
        if summed:
            self.rows += rows.double().sum(0)
        else:
            self.rows[self._done : self._done + len(rows)] = rows
        self._done += len(rows)

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self.error is not None or 0 < len(self.starts) == self._done


def heard(
    compute: Callable[[Tensor], Tensor],
    sounds: Iterable[OpenSound],
    length: Length,
    overlap: float,
    batch_size: int,
    summed: bool = False,
) -> Iterator[HeardRecording]:
    """Each recording with what is computed of its windows, in order. No more than one batch of windows waits at a time.

    Args:
        compute: `b s -> b c`, on the CPU.
        sounds: to be opened one after the other.
        length: of a window.
        overlap: share of a window that the next one repeats, at least.
        batch_size: windows in a batch.
        summed: whether only the sum of the rows is kept, which does not grow with the recording.
    """
    if batch_size < 1:
        raise MixkitError(f"batch_size is {batch_size}. Use 1 or more.")
    window_starts(0, length.samples, overlap)  # which refuses an overlap that cannot be, ahead of all recordings
    waiting: deque[HeardRecording] = deque()
    batch: list[tuple[HeardRecording, Tensor]] = []

    def flush() -> None:
        rows = compute(torch.stack([window for _, window in batch]))
        place = 0
        for recording, own in groupby(recording for recording, _ in batch):
            count = sum(1 for _ in own)
            recording.add(rows[place : place + count], summed)
            place += count
        batch.clear()

    for open_sound in sounds:
        recording = HeardRecording()
        waiting.append(recording)
        for window in _until_fault(recording, recording.windows(open_sound, length, overlap)):
            batch.append((recording, window))
            if len(batch) == batch_size:
                flush()
        while waiting and waiting[0].done:
            yield waiting.popleft()
    if batch:
        flush()
    yield from waiting


def _until_fault(recording: HeardRecording, windows: Iterator[Tensor]) -> Iterator[Tensor]:
    try:
        yield from windows
    except MixkitError as error:
        recording.error = error


def _measured(open_sound: OpenSound) -> tuple[list[Tensor] | None, int]:
    """The samples of a sound; and its blocks, if they had to be heard for that and are few."""
    with open_sound() as waveform:
        if waveform.samples is not None:
            return None, waveform.samples
        held: list[Tensor] = []
        count = 0
        for block in waveform.blocks:
            count += len(block)
            held = [*held, block] if count <= HELD else []
        return held or None, count


def _cut(blocks: Iterable[Tensor], starts: Sequence[int], length: Length, samples: int) -> Iterator[Tensor]:
    """Windows of blocks that come one behind the other; the only window of a short sound is filled up."""
    size = length.samples
    kept: list[Tensor] = []
    begin = end = 0
    ahead = deque(starts)
    for block in blocks:
        kept.append(block)
        end += len(block)
        if ahead and ahead[0] + size <= end:
            whole = torch.cat(kept)
            while ahead and ahead[0] + size <= end:
                yield whole[ahead.popleft() - begin :][:size]
            kept, begin = ([whole[ahead[0] - begin :]], ahead[0]) if ahead else ([], end)
        elif not ahead:
            kept, begin = [], end
    if end != samples:
        raise DataError(f"had {samples} samples, and {end} when it was heard: it changes. Wait until it is whole.")
    if ahead:
        yield length.padded(torch.cat(kept))
