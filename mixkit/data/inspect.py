"""What a clip turns out to be when somebody listens to it."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixkit.audio.read import inspect, read
from mixkit.errors import DataError, printable
from mixkit.registry import Clip

SILENT = 0.001  # of full scale, -60 dB: below it is the noise of converters
CLIPPED, IN_A_ROW = 0.99, 3  # of full scale, and so many samples: a wave that only touches the top has one or two


@dataclass(frozen=True)
class Heard:
    """A clip that was listened to.

    Args:
        split: where it stands.
        clip: as listed.
        fault: what is wrong with a clip that cannot be read, or None.
        seconds: its length.
        sample_rate: of the file, Hz.
        channels: of the file.
        peak: the largest sample, as a share of full scale; of the mean of all channels, as the model hears it.
        clipped: whether it stays at full scale for three samples or more.
        digest: of the decoded samples and their rate: equal for equal audio, whatever file it is in.
    """

    split: str
    clip: Clip
    fault: DataError | None = None
    seconds: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    peak: float = 0.0
    clipped: bool = False
    digest: bytes = b""

    @property
    def silent(self) -> bool:
        """Whether there is nothing to hear."""
        return self.peak < SILENT


def listen(split: str, clip: Clip) -> Heard:
    """Read a clip to its end; what is wrong with it is in the result."""
    try:
        header = inspect(clip.path)
        samples = read(clip.path, header.sample_rate, clip.start, clip.stop).numpy()
    except DataError as error:
        return Heard(split, clip, error)
    except Exception as error:  # whatever a decoder makes of a damaged file, the others are still to be heard
        return Heard(split, clip, DataError(f"{type(error).__name__}: {printable(str(error))}", clip.path))
    level = np.abs(samples)
    return Heard(
        split,
        clip,
        seconds=len(samples) / header.sample_rate,
        sample_rate=header.sample_rate,
        channels=header.channels,
        peak=float(level.max()),
        clipped=_is_clipped(level),
        digest=hashlib.sha256(header.sample_rate.to_bytes(4) + samples.tobytes()).digest(),
    )


def _is_clipped(level: NDArray[np.float32]) -> bool:
    high = level >= CLIPPED
    for _ in range(IN_A_ROW - 1):
        high = high[1:] & high[:-1]
    return bool(high.any())
