"""`mixkit export`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from mixkit.cli.options import Patch, Plugins, RunFolder, RunSettings, Trust, load_model
from mixkit.cli.views.terminal import say, stdout

if TYPE_CHECKING:
    from mixkit.export.int8 import Int8

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

RUNTIME = """\
from mixkit_runtime import ExportedModel, read_wav

model = ExportedModel({path!r})
# any sample rate and length; soundfile.read() gives the samples of other files
scores = model.scores(*read_wav("clip.wav"))
best = max(scores, key=scores.get)
print(best, scores[best])
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
    runtime: Annotated[
        bool,
        typer.Option(
            "--runtime", help="Write mixkit_runtime.py beside it: any rate and length, without mixkit and torch."
        ),
    ] = False,
    int8: Annotated[
        bool, typer.Option("--int8", help="Round it to 8 bits, and tell the accuracy on validation before and after.")
    ] = False,
    settings: RunSettings = None,
    plugins: Plugins = None,
    trust: Trust = None,
) -> None:
    """Write a run as one file that needs no mixkit: waveform in, probabilities out."""
    from mixkit.export import export as write
    from mixkit.export.package import SUFFIXES, TOLERANCE

    model = load_model(run, plugins, trust, settings=settings, patch=patch)
    path = out or Path(f"model{SUFFIXES[to]}")
    exported = write(model, to, path, int8=int8, runtime=runtime)
    say(f"Wrote {exported.path} ({exported.path.stat().st_size / 1e6:.1f} MB).")
    before = ", before it was rounded" if exported.int8 else ""
    say(
        f"Checked on {exported.clips} {exported.sounds}, in a batch and one by one{before}: probabilities differ from "
        f"the run's by at most {exported.difference:.1g} (allowed: {TOLERANCE:g}).",
    )
    if exported.int8:
        say(_rounded(exported.int8, model.refit))
    if exported.runtime:
        say(f"Wrote {exported.runtime}. It takes any sample rate and length, with onnxruntime and numpy alone:")
        words = ("python", str(exported.runtime), str(exported.path), "clip.wav")
        stdout().print(Text(f"\n{shlex.join(words)}"), soft_wrap=True)
        say("")
        say("Or in Python, beside it:")
        snippet = RUNTIME.format(path=exported.path.name)
    else:
        say(f"To run it without mixkit, in Python with {NEEDS[to]}:")
        rate, samples = int(exported.facts["sample_rate"]), int(exported.facts["samples"])
        snippet = SNIPPETS[to].format(path=str(exported.path), rate=rate, seconds=samples / rate)
    stdout().print(Text(f"\n{snippet}"), soft_wrap=True)


def _rounded(found: "Int8", refit: bool) -> str:
    heard = ", trained on," if refit else ""
    before, after = found.figure.show(found.before), found.figure.show(found.after)
    return (
        f"{found.weights:,} of {found.of:,} weights are int8 now. {found.figure.title} on {found.clips:,} validation "
        f"clips{heard} is {before} before and {after} after."
    )
