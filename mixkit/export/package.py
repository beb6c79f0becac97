"""A network with all around it, as one file, checked against the network before it gets its name."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from mixkit.audio.length import PADDED
from mixkit.data.batches import ClipAudio
from mixkit.data.run_split import run_split
from mixkit.data.waveforms import Waveforms
from mixkit.errors import MixkitError, printable
from mixkit.export.fuse import fuse
from mixkit.export.int8 import Int8, to_int8
from mixkit.export.onnx import onnx_program, onnx_runner
from mixkit.export.torch import torch_program, torch_runner
from mixkit.model.classifier import Classifier, expect_labels
from mixkit.recipe.writer import to_gin
from mixkit.registry import loss, task
from mixkit.storage.atomic import write_whole
from mixkit.version import __version__

Kind = Literal["onnx", "torch"]
Runner = Callable[[Tensor], Tensor]

TOLERANCE = 1e-4
"""Largest difference of a probability between the file and the network."""

CLIPS = 16
FIX = "Name another file with --out."
SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}
RUNTIME = "mixkit_runtime.py"
_PROGRAMS: dict[str, tuple[Callable[[nn.Module, Tensor, dict[str, str]], bytes], Callable[[bytes], Runner]]] = {
    "onnx": (onnx_program, onnx_runner),
    "torch": (torch_program, torch_runner),
}


@dataclass(frozen=True)
class Exported:
    """What was written, and how it was checked.

    Args:
        path: the file.
        facts: its metadata.
        clips: on how many the check was made.
        sounds: which clips, in words.
        difference: the largest of a probability, between the file, before it was rounded, and the network.
        int8: what rounding did; None of a file in float32.
        runtime: the module beside it that runs it; None where none was asked for.
    """

    path: Path
    facts: dict[str, str]
    clips: int
    sounds: str
    difference: float
    int8: Int8 | None = None
    runtime: Path | None = None


class Whole(nn.Module):
    """From waveforms to probabilities.

    Shape: `b s -> b k`.

    Args:
        model: trained.
    """

    def __init__(self, model: Classifier):
        super().__init__()
        self.model = model
        self.objective = loss.build(model.recipe.train.loss, None)

    def forward(self, waveform: Tensor) -> Tensor:
        """A probability for each class."""
        return self.objective.scores(self.model(waveform))


def export(model: Classifier, to: Kind, path: Path, *, int8: bool = False, runtime: bool = False) -> Exported:
    """Writes a trained network with its features in front as one file, if it computes the same on real clips.

    Args:
        model: with its labels, on the CPU.
        to: `onnx`, or `torch` for torch.export's `.pt2`.
        path: where; what is there is replaced.
        int8: round it to 8 bits; ONNX only.
        runtime: write `mixkit_runtime.py` beside it, which runs it on any recording; ONNX only.

    Raises:
        MixkitError: something that is needed is not installed, the network cannot be exported, the file computes
            otherwise, or it cannot be written. Nothing is left behind.
    """
    for option, given in (("--int8", int8), ("--runtime", runtime)):
        if given and to != "onnx":
            raise MixkitError(f"{option} is for --to onnx, and this is --to {to}. Leave one of them out.")
    if path.suffix != SUFFIXES[to]:
        raise MixkitError(f"--out {printable(str(path))} is for --to {to}. Name a file that ends in {SUFFIXES[to]}.")
    expect_labels(model)
    write, run = _PROGRAMS[to]
    whole = Whole(model).cpu().eval()
    waveforms, sounds = _clips(model)
    facts = facts_of(model)
    content = write(fuse(whole), torch.zeros(2, waveforms.shape[1]), facts)
    difference = _difference(whole, run(content), waveforms)
    if not difference <= TOLERANCE:
        raise MixkitError(
            f"the exported network differs from its run by {difference:.2g} on {sounds}, more than {TOLERANCE:g}. "
            "Nothing was written. Look for an operator that exports wrongly: `mixkit check` tests it."
        )
    content, rounded = to_int8(content, model) if int8 else (content, None)
    write_whole(path, content, FIX)
    beside = path.with_name(RUNTIME) if runtime else None
    if beside:
        write_whole(beside, resources.files("mixkit.export").joinpath("runtime.py").read_bytes(), FIX)
    return Exported(path, facts, len(waveforms), sounds, difference, rounded, beside)


def facts_of(model: Classifier) -> dict[str, str]:
    """The metadata of an exported file: all that a program needs to know, as text."""
    return {
        "format": "mixkit export 1",
        "labels": json.dumps(list(model.labels)),
        "sample_rate": str(model.sample_rate),
        "samples": str(model.features.samples),
        "pad": model.length.pad,
        "input": f"waveform: float32, batch x samples, mono, -1 to 1; shorter sounds are {PADDED[model.length.pad]}",
        "output": "probabilities: float32, batch x classes",
        "name": model.recipe.name,
        "trained_on": "training and validation clips" if model.refit else "training clips",
        "recipe": to_gin(model.recipe),
        "mixkit": __version__,
        "torch": str(torch.__version__),
    }


def _clips(model: Classifier) -> tuple[Tensor, str]:
    """Real sound to check with: of the run's own test clips, or of the demo's where those are not here."""
    try:
        splits = run_split(model, "test", allow_missing=True)
        return _some(splits.audio("test")), "test clips of the run"
    except MixkitError:
        demo = task.build(task.spec("demo", clips=3))
        audio = ClipAudio(demo.clips("test"), demo.labels, Waveforms(model.sample_rate), model.length)
        return _some(audio), "clips of the demo, since the run's own are not here"


def _some(audio: ClipAudio) -> Tensor:
    items = range(0, len(audio), max(len(audio) // CLIPS, 1))[:CLIPS]
    return torch.stack([audio.cut(item) for item in items])


@torch.no_grad()
def _difference(whole: nn.Module, run: Runner, waveforms: Tensor) -> float:
    """In a batch, and one by one: the size of a batch must not be baked in."""
    wanted = whole(waveforms)
    found = [run(waveforms), torch.cat([run(one[None]) for one in waveforms])]
    if any(one.shape != wanted.shape for one in found):
        return float("inf")
    return max(float((one - wanted).abs().max()) for one in found)
