"""`mixkit export`."""

from pathlib import Path

from rich.console import Console
from rich.text import Text

from mixkit.checkpoints.weights import load
from mixkit.cli.views.training import say
from mixkit.export import Exported
from mixkit.export import export as write
from mixkit.export.package import SUFFIXES, TOLERANCE, Kind

ONNX = """\
import json
import numpy, onnxruntime, soundfile

session = onnxruntime.InferenceSession({path!r})
facts = session.get_modelmeta().custom_metadata_map
sound, rate = soundfile.read("clip.wav", dtype="float32", always_2d=True)
assert rate == int(facts["sample_rate"]), f"{{rate}} Hz: resample to {rate} Hz"
waveform = numpy.zeros((1, int(facts["samples"])), "float32")
piece = sound.mean(1)[: waveform.shape[1]]  # {seconds:g} s: longer sounds in pieces
waveform[0, : len(piece)] = piece
(probabilities,) = session.run(None, {{"waveform": waveform}})
best = probabilities[0].argmax()
print(json.loads(facts["labels"])[best], probabilities[0, best])
"""

TORCH = """\
import json
import soundfile, torch

extra = {{"mixkit.json": ""}}
# torch.export.load runs what is in the file: only load your own
program = torch.export.load({path!r}, extra_files=extra)
facts = json.loads(extra["mixkit.json"])
sound, rate = soundfile.read("clip.wav", dtype="float32", always_2d=True)
assert rate == int(facts["sample_rate"]), f"{{rate}} Hz: resample to {rate} Hz"
waveform = torch.zeros(1, int(facts["samples"]))
piece = torch.from_numpy(sound.mean(1))  # {seconds:g} s: longer sounds in pieces
piece = piece[: waveform.shape[1]]
waveform[0, : len(piece)] = piece
probabilities = program.module()(waveform).detach()
best = int(probabilities[0].argmax())
print(json.loads(facts["labels"])[best], float(probabilities[0, best]))
"""

SNIPPETS = {"onnx": ONNX, "torch": TORCH}
NEEDS = {"onnx": "onnxruntime, numpy and soundfile", "torch": "torch and soundfile"}


def export(run: Path, to: Kind, out: Path | None, plugins: tuple[str, ...] = ()) -> None:
    """Exports a run, says how it was checked, and how the file is run without mixkit.

    Args:
        run: a run folder, or its weights.
        to: kind of file.
        out: where; `model.onnx` or `model.pt2` in the working folder without.
        plugins: modules already loaded that the recipe may import.
    """
    model = load(run, plugins=plugins)
    exported = write(model, to, out or Path(f"model{SUFFIXES[to]}"))
    console = Console(highlight=False)
    say(console, f"Wrote {exported.path} ({exported.path.stat().st_size / 1e6:.1f} MB).")
    say(console, _verdict(exported))
    say(console, f"To run it without mixkit, in Python with {NEEDS[to]}:")
    console.print()
    console.print(Text(snippet(exported, to)), soft_wrap=True)


def snippet(exported: Exported, to: Kind) -> str:
    """A program that runs the file on `clip.wav`."""
    rate, samples = int(exported.facts["sample_rate"]), int(exported.facts["samples"])
    return SNIPPETS[to].format(path=str(exported.path), rate=rate, seconds=samples / rate)


def _verdict(exported: Exported) -> str:
    return (
        f"Checked on {exported.clips} {exported.sounds}, in a batch and one by one: probabilities differ from the "
        f"run's by at most {exported.difference:.1g} (allowed: {TOLERANCE:g})."
    )
