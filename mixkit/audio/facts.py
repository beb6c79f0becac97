"""What is known of a recording once it has been decoded."""

import hashlib
import os
import struct
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from mixkit.audio.read import decode
from mixkit.audio.sketch import sketch

SILENT = 0.001  # of full scale, -60 dB: below it is the noise of converters
CLIPPED, IN_A_ROW = 0.99, 3  # of full scale, and so many samples: a wave that only touches the top has one or two
_HEAD = struct.Struct("<qiif?32s")


@dataclass(frozen=True)
class AudioFacts:
    """What is known of a recording, or a section of one.

    Args:
        frames: samples of one channel.
        sample_rate: of the file, Hz.
        channels: of the file.
        peak: the largest sample of the mean over the channels, as a share of full scale.
        clipped: whether it stays at full scale for three samples or more.
        digest: SHA-256 of the decoded samples and their rate: equal for equal audio, whatever file it is in.
        sketch: see `mixkit.audio.sketch`.
    """

    frames: int
    sample_rate: int
    channels: int
    peak: float
    clipped: bool
    digest: bytes
    sketch: bytes

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
        *head, sketch = astuple(self)
        return _HEAD.pack(*head) + bytes(sketch)

    @classmethod
    def from_bytes(cls, content: bytes | bytearray) -> "AudioFacts":
        """What `to_bytes` gave."""
        parts = *_HEAD.unpack_from(content), bytes(content[_HEAD.size :])
        return cls(*parts)


def examine(
    path: str | os.PathLike[str], start: float | None = None, stop: float | None = None
) -> tuple[AudioFacts, NDArray[np.float32]]:
    """Decodes a recording to its end: what is known of it then, and its samples at its own rate, in mono.

    Raises:
        DataError: it cannot be used.
    """
    samples, header = decode(path, start, stop)
    level = np.abs(samples)
    return AudioFacts(
        frames=len(samples),
        sample_rate=header.sample_rate,
        channels=header.channels,
        peak=float(level.max()),
        clipped=_is_clipped(level),
        digest=hashlib.sha256(header.sample_rate.to_bytes(4) + samples.tobytes()).digest(),
        sketch=sketch(samples, header.sample_rate),
    ), samples


def _is_clipped(level: NDArray[np.float32]) -> bool:
    high = level >= CLIPPED
    for _ in range(IN_A_ROW - 1):
        high = high[1:] & high[:-1]
    return bool(high.any())
