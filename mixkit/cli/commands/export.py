"""`mixkit export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.text import Text

from mixkit.cli.options import Patch, Plugins, RunFolder, RunSettings, Trust, load_model
from mixkit.cli.views.terminal import say, stdout

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


def export(
    run: RunFolder,
    to: Annotated[Literal["onnx", "torch"], typer.Option(help="Kind of file: .onnx, or torch.export's .pt2.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where; model.onnx or model.pt2 here without.")
    ] = None,
    patch: Patch = None,
    settings: RunSettings = None,
    plugins: Plugins = None,
    trust: Trust = None,
) -> None:
    """Write a run as one file that needs no mixkit: waveform in, probabilities out."""
    from mixkit.export import export as write
    from mixkit.export.package import SUFFIXES, TOLERANCE

    model = load_model(run, plugins, trust, settings=settings, patch=patch)
    exported = write(model, to, out or Path(f"model{SUFFIXES[to]}"))
    say(f"Wrote {exported.path} ({exported.path.stat().st_size / 1e6:.1f} MB).")
    say(
        f"Checked on {exported.clips} {exported.sounds}, in a batch and one by one: probabilities differ from the "
        f"run's by at most {exported.difference:.1g} (allowed: {TOLERANCE:g}).",
    )
    say(f"To run it without mixkit, in Python with {NEEDS[to]}:")
    rate, samples = int(exported.facts["sample_rate"]), int(exported.facts["samples"])
    program = SNIPPETS[to].format(path=str(exported.path), rate=rate, seconds=samples / rate)
    stdout().print(Text(f"\n{program}"), soft_wrap=True)
