"""What is known of a recording once it has been decoded."""

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mixkit.audio.header import Header
from mixkit.audio.recording import open_recording, peak_of
from mixkit.audio.sketch import Sketch

SILENT = 0.001  # of full scale, -60 dB: below it is the noise of converters
CLIPPED, IN_A_ROW = 0.99, 3  # of full scale, and so many samples: a wave that only touches the top has one or two
PARTS = 20  # of a second, whose energies tell where in a recording the sound is
_HEAD = struct.Struct("<qiif?3f32sH")


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """What is known of a recording, or a section of one.

    Args:
        frames: samples of one channel.
        sample_rate: of the file, Hz.
        channels: of the file.
        peak: the largest sample of the mean over the channels, as a share of full scale.
        clipped: whether it stays at full scale for three samples or more.
        thirds: share of its energy in the first, middle and last third; all 0 in digital silence.
        digest: SHA-256 of the decoded samples and their rate: equal for equal audio, whatever file it is in.
        sketch: see `mixkit.audio.sketch`.
        note: what is odd about the file, and was mended.
    """

    frames: int
    sample_rate: int
    channels: int
    peak: float
    clipped: bool
    thirds: tuple[float, float, float]
    digest: bytes
    sketch: bytes
    note: str = ""

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.frames / self.sample_rate

    @property
    def silent(self) -> bool:
        """Whether it stays below -60 dB."""
        return self.peak < SILENT

    def to_bytes(self) -> bytes:
        """All of it, for `from_bytes`."""
        *head, thirds, digest, sketch, note = astuple(self)
        return _HEAD.pack(*head, *thirds, digest, len(sketch)) + sketch + note.encode()

    @classmethod
    def from_bytes(cls, content: bytes | bytearray) -> "AudioFacts":
        """What `to_bytes` gave."""
        *head, first, middle, last, digest, size = _HEAD.unpack_from(content)
        rest = bytes(content[_HEAD.size :])
        parts = *head, (first, middle, last), digest, rest[:size], rest[size:].decode()
        return cls(*parts)


class Examination:
    """Gathers what is known of a recording while its blocks go by.

    Args:
        header: of the recording.
    """

    def __init__(self, header: Header):
        self._header = header
        self._frames, self._peak, self._clipped = 0, 0.0, False
        self._last = np.zeros(0, np.float32)
        self._energy = np.zeros(0)  # of each part
        self._digest = hashlib.sha256(header.sample_rate.to_bytes(4))
        self._sketch = Sketch(header.sample_rate)

    def follow(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """The same blocks, of which each is looked at."""
        for block in blocks:
            self._add(block)
            yield block

    def facts(self) -> AudioFacts:
        """What is known after the last block."""
        return AudioFacts(
            frames=self._frames,
            sample_rate=self._header.sample_rate,
            channels=self._header.channels,
            peak=self._peak,
            clipped=self._clipped,
            thirds=self._thirds(),
            digest=self._digest.digest(),
            sketch=self._sketch.finish(),
            note=self._header.note,
        )

    def _add(self, block: NDArray[np.float32]) -> None:
        size = max(self._header.sample_rate // PARTS, 1)
        first, last = self._frames // size, (self._frames + len(block) - 1) // size
        begins = np.maximum(np.arange(first, last + 1) * size - self._frames, 0)
        self._energy = np.pad(self._energy, (0, last + 1 - len(self._energy)))
        self._energy[first:] += np.add.reduceat(np.square(block, dtype=np.float64), begins)
        self._frames += len(block)
        self._digest.update(block.data)
        self._sketch.add(block)
        peak = peak_of(block)
        self._peak = max(self._peak, peak)
        if not self._clipped and peak >= CLIPPED:
            self._clipped = _is_clipped(np.abs(np.concatenate((self._last, block))))
        self._last = np.concatenate((self._last, block[1 - IN_A_ROW :]))[1 - IN_A_ROW :]

    def _thirds(self) -> tuple[float, float, float]:
        """As float32, which is how they are kept."""
        bounds = np.round(np.linspace(0, len(self._energy), 4)).astype(int)
        sums = np.array([self._energy[start:stop].sum() for start, stop in pairwise(bounds)])
        first, middle, last = (float(np.float32(part / (sums.sum() or 1.0))) for part in sums)
        return first, middle, last


def examine(path: str | os.PathLike[str], start: float | None = None, stop: float | None = None) -> AudioFacts:
    """Decodes a recording to its end, in little memory: what is known of it then.

    Raises:
        DataError: it cannot be used.
    """
    with open_recording(path, start, stop) as recording:
        examination = Examination(recording.header)
        for _ in examination.follow(recording.blocks()):
            pass
        return examination.facts()


def _is_clipped(level: NDArray[np.float32]) -> bool:
    high = level >= CLIPPED
    for _ in range(IN_A_ROW - 1):
        high = high[1:] & high[:-1]
    return bool(high.any())
