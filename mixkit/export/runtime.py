"""Scores of recordings from a file that `mixkit export --to onnx` wrote. Needs numpy and onnxruntime, and nothing else.

On the command line: python mixkit_runtime.py model.onnx clip.wav
In a program:        ExportedModel("model.onnx").scores(*read_wav("clip.wav"))
"""

import json
import math
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

WINDOWS = 32  # in a batch
TOP = 5  # that the command line prints
NUMBERS = {(1, 8): "u1", (1, 16): "<i2", (1, 24): "u1", (1, 32): "<i4", (3, 32): "<f4", (3, 64): "<f8"}


class ExportedModel:
    """An exported network, for recordings of any length and sample rate.

    Args:
        path: the `.onnx` file.
    """

    def __init__(self, path: str | Path):
        self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        facts = self.session.get_modelmeta().custom_metadata_map
        self.labels: list[str] = json.loads(facts["labels"])
        self.sample_rate, self.samples, self.pad = int(facts["sample_rate"]), int(facts["samples"]), facts["pad"]

    def scores(self, sound: NDArray[np.float32], sample_rate: int, overlap: float = 0.5) -> dict[str, float]:
        """A score for each label: the mean over windows that cover the recording evenly.

        Args:
            sound: from -1 to 1, `samples` or `samples x channels`.
            sample_rate: of the sound, in Hz.
            overlap: share of a window that the next one repeats, at least; below 1.
        """
        sound = np.asarray(sound, np.float32)
        mono = resample(sound.mean(1, dtype=np.float32) if sound.ndim == 2 else sound, sample_rate, self.sample_rate)
        if not len(mono):
            raise ValueError("there are no samples")
        spare = max(len(mono) - self.samples, 0)
        steps = math.ceil(spare / max(self.samples * (1 - overlap), 1))
        starts = [spare * step // max(steps, 1) for step in range(steps + 1)]
        total = np.zeros(len(self.labels))
        for begin in range(0, len(starts), WINDOWS):
            windows = [self.filled(mono[start : start + self.samples]) for start in starts[begin : begin + WINDOWS]]
            total += self.session.run(None, {"waveform": np.stack(windows)})[0].astype(np.float64).sum(0)
        return dict(zip(self.labels, (total / len(starts)).tolist(), strict=True))

    def filled(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """A window at its full length, filled up as in training where it is shorter."""
        missing = self.samples - len(window)
        if self.pad == "repeat":
            return np.resize(window, self.samples)
        before = missing // 2 if self.pad == "centre" else 0
        return np.pad(window, (before, missing - before))


def resample(sound: NDArray[np.float32], sample_rate: int, wanted: int) -> NDArray[np.float32]:
    """The same sound at another sample rate, by a sinc of 6 zero crossings under a Hann window, as torchaudio does.

    Shape: s -> s
    """
    common = math.gcd(sample_rate, wanted)
    old, new = sample_rate // common, wanted // common
    if old == new:
        return sound
    cutoff = 0.99 * min(old, new)
    reach = math.ceil(6 * old / cutoff)
    taps, number = np.arange(-reach, reach + 2), np.arange(new)[:, None]
    # In float32, as torchaudio rounds: exact kernels would differ from those that the network was trained behind.
    place = ((number * old // new + taps) / old).astype(np.float32) - (number / new).astype(np.float32)
    place = np.clip(place * np.float32(cutoff), -6, 6)
    kernels = np.sinc(place) * np.cos(place * np.float32(np.pi / 12)) ** 2 * np.float32(cutoff / old)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(sound, (reach, reach + 2)), len(taps))
    result = np.empty(-(-len(sound) * new // old), np.float32)
    for begin in range(0, len(result), 2**16):  # a part at a time, for its windows take memory
        own = np.arange(begin, min(begin + 2**16, len(result)))
        result[own] = np.einsum("nt,nt->n", around[own * old // new], kernels[own % new])
    return result


def read_wav(path: str | Path) -> tuple[NDArray[np.float32], int]:
    """The samples of a WAV file, `samples x channels` from -1 to 1, and its sample rate in Hz."""
    content, place, layout = Path(path).read_bytes(), 12, None
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise ValueError(f"{path} is no WAV file. Read it with soundfile, and give its samples to scores().")
    while place + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, place)
        body = content[place + 8 : place + 8 + size]
        if name == b"fmt ":
            layout = struct.unpack_from("<HHIIHH", body)
            kind = layout[0] if layout[0] != 0xFFFE else struct.unpack_from("<H", body, 24)[0]
        if name == b"data" and layout is not None and (kind, layout[5]) in NUMBERS:
            return _samples(body, kind, channels=layout[1], bits=layout[5]), layout[2]
        place += 8 + size + size % 2
    raise ValueError(f"{path} holds no samples as integers or floats. Write it anew as 16-bit WAV.")


def _samples(body: bytes, kind: int, channels: int, bits: int) -> NDArray[np.float32]:
    body = body[: len(body) - len(body) % (channels * bits // 8)]
    numbers: NDArray[Any] = np.frombuffer(body, NUMBERS[kind, bits])
    if bits == 24:  # the upper three bytes of four
        numbers = np.pad(numbers.reshape(-1, 3), ((0, 0), (1, 0))).reshape(-1).view("<i4")
    whole: NDArray[Any] = numbers.astype(np.float32 if kind == 3 else np.float64)
    if kind == 1:
        whole = (whole - 128) / 128 if bits == 8 else whole / 2.0 ** (31 if bits == 24 else bits - 1)
    return whole.astype(np.float32).reshape(-1, channels)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: python mixkit_runtime.py MODEL.onnx CLIP.wav...")
    model = ExportedModel(sys.argv[1])
    for clip in sys.argv[2:]:
        found = sorted(model.scores(*read_wav(clip)).items(), key=lambda item: -item[1])[:TOP]
        print(clip, ", ".join(f"{label} {score:.1%}" for label, score in found))
