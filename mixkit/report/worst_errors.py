"""The clips that a run got most wrong: what they are, how they look to the network, and how they sound."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
import soundfile
import torch
from matplotlib import image
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

from mixkit.audio.resample import resample
from mixkit.checkpoints.weights import load
from mixkit.data.run_split import run_split
from mixkit.errors import MixkitError
from mixkit.model.classifier import Classifier
from mixkit.registry import Clip
from mixkit.runs.results import text
from mixkit.training.evaluate import score_split
from mixkit.training.metrics import THRESHOLD

SECONDS = 5.0  # of sound that a player gets
SAMPLE_RATE = 16_000  # Hz, at most
COLUMNS = 400  # of a spectrogram

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mistake:
    """A clip and the wrong answer to it.

    Args:
        name: file and folder of the recording.
        right: its label and the score of it; several, or none, in a multi-label set.
        answered: what the network said, likewise.
        seconds: of sound that is kept.
        cut: whether the network was given more than that.
        sound: what the network was given, as a WAV file.
        picture: its log-mel spectrogram, as a PNG file.
    """

    name: str
    right: tuple[tuple[str, float], ...]
    answered: tuple[tuple[str, float], ...]
    seconds: float
    cut: bool
    sound: bytes = field(repr=False)
    picture: bytes = field(repr=False)


@dataclass(frozen=True)
class WorstErrors:
    """The worst errors of a run on its test clips.

    Args:
        mistakes: the worst first.
        wrong: how many clips were answered wrongly.
        clips: how many there are.
        fault: why none could be found, or None.
        notes: which clips are not there any more, or are not counted.
    """

    mistakes: tuple[Mistake, ...] = ()
    wrong: int = 0
    clips: int = 0
    fault: str | None = None
    notes: tuple[str, ...] = ()


def worst(
    run: Path,
    count: int,
    device: torch.device,
    plugins: tuple[str, ...] = (),
    settings: tuple[str, ...] = (),
) -> WorstErrors:
    """The wrong answers of a run on its test split that gave the right class the lowest score: those of highest loss.

    In a multi-label set, the clips with a label too few or too many, by their cross-entropy over all labels.

    Args:
        run: complete.
        count: mistakes that are kept.
        device: where to compute.
        plugins: modules already loaded that the recipe may import.
        settings: lines that say where the data of the run lie now.

    Returns:
        What was found; with `fault` where the recordings or the weights are not there, which is no error of a report.
    """
    try:
        return _find(load(run, device, plugins, settings), count, device)
    except MixkitError as error:
        return WorstErrors(fault=text(str(error), 600))
    except Exception as error:  # weights, recipe and recordings may be anything
        return WorstErrors(fault=text(f"{type(error).__name__}: {error}", 600))


def _find(model: Classifier, count: int, device: torch.device) -> WorstErrors:
    notes: list[str] = []

    def say(line: str) -> None:
        notes.append(text(line, 600))
        _log.warning(line)

    splits = run_split(model, "test", say, allow_missing=True)
    found = score_split(model, splits, "test", device)
    scores, right = found.scores, found.targets
    if model.multi_label:
        wrong = ((scores > THRESHOLD) != right.bool()).any(1)
        badness = binary_cross_entropy(scores, right, reduction="none").mean(1)
    else:
        wrong = scores.argmax(1) != right.argmax(1)
        badness = -(scores * right).sum(1)  # the lower the score of the right class, the worse
    ranked = sorted(torch.nonzero(wrong).flatten().tolist(), key=lambda item: (-float(badness[item]), item))
    audio = splits.audio("test")
    mistakes = [_mistake(model, audio.clips[item], audio.cut(item), scores[item]) for item in ranked[:count]]
    return WorstErrors(tuple(mistakes), int(wrong.sum()), len(scores), notes=tuple(notes))


def _mistake(model: Classifier, clip: Clip, waveform: Tensor, scores: Tensor) -> Mistake:
    with torch.inference_mode():
        seen = model.features(waveform[None].to(next(model.parameters()).device))[0].float().cpu()
    answered = [scores.argmax()] if not model.multi_label else torch.nonzero(scores > THRESHOLD).flatten()
    kept = waveform[: round(SECONDS * model.sample_rate)]
    section = "" if clip.start is None else f" from {clip.start:g} s"
    return Mistake(
        name=text("/".join(clip.path.parts[-2:]), 120) + section,
        right=_scored(model, scores, [model.labels.index(label) for label in clip.labels]),
        answered=_scored(model, scores, [int(index) for index in answered]),
        seconds=len(kept) / model.sample_rate,
        cut=len(kept) < len(waveform),
        sound=_wav(kept, model.sample_rate),
        picture=_png(seen),
    )


def _scored(model: Classifier, scores: Tensor, indices: Sequence[int]) -> tuple[tuple[str, float], ...]:
    return tuple((text(model.labels[index], 80), float(scores[index])) for index in indices)


def _wav(waveform: Tensor, sample_rate: int) -> bytes:
    rate = min(sample_rate, SAMPLE_RATE)
    written = BytesIO()
    soundfile.write(written, resample(waveform, sample_rate, rate).numpy(), rate, format="WAV", subtype="PCM_16")
    return written.getvalue()


def _png(seen: Tensor) -> bytes:
    bins = seen[:, :: -(-seen.shape[1] // COLUMNS)]
    written = BytesIO()
    options: dict[str, Any] = {"cmap": matplotlib.colormaps["magma"], "origin": "lower", "format": "png"}
    image.imsave(written, bins.numpy(), **options)
    return written.getvalue()
