"""The interface of the HEAR benchmark: `hear-validator mixkit.hear -m runs/asm_rh/001`, and `heareval` alike."""

import math
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from mixkit.audio.arrays import samples_of
from mixkit.audio.length import OVERLAP, window_starts
from mixkit.checkpoints.weights import load
from mixkit.defaults import torch_defaults
from mixkit.errors import MixkitError
from mixkit.model.classifier import Classifier

SAMPLE_RATES = (16_000, 22_050, 32_000, 44_100, 48_000)
"""Hz, of the recordings that HEAR has; its validator knows no 32,000."""

HOP_MS = 50.0
"""Longest time from one timestamp to the next, for HEAR scores onsets to within 50 ms."""

WINDOWS = 32


@runtime_checkable
class Framed(Protocol):
    """Features that say when a frame is, in samples."""

    hop: int
    """From one frame to the next."""
    window: int
    """Length of a frame."""


class Hearer(nn.Module):
    """A trained network with the attributes that HEAR asks for.

    Args:
        classifier: trained.

    Attributes:
        sample_rate: Hz, of the audio that it takes.
        scene_embedding_size: channels of a vector for a whole recording.
        timestamp_embedding_size: channels of a vector for a moment.
    """

    def __init__(self, classifier: Classifier):
        super().__init__()
        self.classifier = classifier
        self.sample_rate: int = classifier.sample_rate
        self.scene_embedding_size: int = classifier.width
        self.timestamp_embedding_size: int = classifier.width

    def scene(self, windows: Tensor) -> Tensor:
        """The pooled vector of each window: `b s -> b c`."""
        return self.classifier.pooled(self.classifier.features(windows))

    def moments(self, windows: Tensor) -> Tensor:
        """The mean over frequency of the tokens at each place along time: `b s -> b t c`."""
        mixer = self.classifier.mixer
        tokens: Tensor = mixer.tokens(self.classifier.features(windows))
        grid = mixer.sites[-1].grid
        return tokens.unflatten(1, (grid.frequency, grid.time)).mean(1)


def load_model(model_file_path: str = "") -> Hearer:
    """A run as HEAR wants it.

    Args:
        model_file_path: a run folder, or its `best.safetensors`.

    Raises:
        MixkitError: no run is named, it cannot be loaded, or it hears at a sample rate that HEAR does not have.
    """
    if not model_file_path:
        raise MixkitError("mixkit.hear has no weights of its own. Name a run: load_model('runs/asm_rh/001').")
    model = load(model_file_path)
    if model.sample_rate not in SAMPLE_RATES:
        rates = ", ".join(map(str, SAMPLE_RATES))
        raise MixkitError(f"{model_file_path} hears at {model.sample_rate} Hz. HEAR has recordings at {rates} Hz.")
    return Hearer(model).eval()


@torch_defaults()
@torch.no_grad()
def get_scene_embeddings(audio: Tensor, model: Hearer) -> Tensor:
    """A vector for each recording: the mean over windows that overlap by half.

    Shape: `n s -> n c`, float32.

    Args:
        audio: mono, from -1 to 1, at the model's sample rate, on its device; any length.
        model: as `load_model` returns it.
    """
    audio = _batch(audio, model)
    length = model.classifier.length
    starts = window_starts(audio.shape[1], length.samples, OVERLAP)
    found = _of_windows(length.padded(audio), starts, length.samples, model.scene)
    return found.double().mean(1).float()


@torch_defaults()
@torch.no_grad()
def get_timestamp_embeddings(audio: Tensor, model: Hearer, hop_ms: float = HOP_MS) -> tuple[Tensor, Tensor]:
    """A vector for every moment, and when that is.

    A moment is a column of the grid of patches: the mean over frequency of its tokens, behind the last block. Columns
    are further apart than HEAR likes, so each stretch is computed several times, each time a bit later. Times are
    multiples of the true hop, rounded to a sample one by one, so that nothing drifts.

    Args:
        audio: mono, from -1 to 1, at the model's sample rate, on its device: `n s`; any length.
        model: as `load_model` returns it.
        hop_ms: longest time from one moment to the next, in milliseconds.

    Returns:
        The vectors, float32, `n t c`, and the times of their middles in milliseconds from the beginning, `n t`.
    """
    audio = _batch(audio, model)
    if not hop_ms > 0:
        raise MixkitError(f"hop_ms is {hop_ms:g}. Use more than 0, such as {HOP_MS:g}.")
    column, middle = _columns(model.classifier)
    rate, size = model.sample_rate, model.classifier.features.samples
    times = model.classifier.mixer.sites[-1].grid.time
    phases = math.ceil(1000 * column / rate / hop_ms)
    hop = column / phases
    count = int((audio.shape[1] - 1) / hop) + 1
    stretches = math.ceil(count / (times * phases))
    starts = [stretch * times * column + round(phase * hop) for stretch in range(stretches) for phase in range(phases)]
    # The middle of the first column is the first sample.
    padded = nn.functional.pad(audio, (middle, max(starts[-1] + size - middle - audio.shape[1], 0)))
    found = _of_windows(padded, starts, size, model.moments)
    found = found.unflatten(1, (stretches, phases)).transpose(2, 3).flatten(1, 3)[:, :count]
    stamps = torch.arange(count, dtype=torch.float64, device=audio.device) * (1000 * hop / rate)
    return found.contiguous(), stamps.float().expand(len(audio), -1).contiguous()


def _of_windows(audio: Tensor, starts: list[int], size: int, compute: Callable[[Tensor], Tensor]) -> Tensor:
    """What is computed of each window, `n w ...`, a few windows at a time."""
    rows = [audio[:, start : start + size] for start in starts]
    windows = [window for of_one in zip(*(row.unbind() for row in rows), strict=True) for window in of_one]
    parts = [
        compute(torch.stack(windows[place : place + WINDOWS])).float() for place in range(0, len(windows), WINDOWS)
    ]
    return torch.cat(parts).unflatten(0, (len(audio), len(starts)))


def _columns(classifier: Classifier) -> tuple[int, int]:
    """Samples from one column of the grid to the next, and from the start of a window to the middle of the first."""
    mixer = classifier.expect_mixer("a moment is a column of tokens behind the last operator")
    (_, step), (_, first) = mixer.places
    features = classifier.features
    if not isinstance(features, Framed):
        name = classifier.recipe.features.name
        raise MixkitError(f"features {name!r} do not say when a frame is. Give them `hop` and `window`, in samples.")
    return step * features.hop, int(first * features.hop + features.window / 2)


def _batch(audio: Tensor, model: Hearer) -> Tensor:
    if audio.ndim != 2 or not audio.shape[1]:
        shape = " x ".join(map(str, audio.shape))
        raise MixkitError(f"the audio is {shape}. HEAR gives sounds x samples, mono.")
    return samples_of(audio).to(next(model.parameters()).device)
