"""What an exported file is run with elsewhere: it says what `mixkit predict` says, without mixkit and torch."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import torch
from torch import nn

import mixkit
from mixkit.audio.length import Length, window_starts
from mixkit.audio.resample import resample as ours
from mixkit.data.run_split import run_split
from mixkit.errors import MixkitError
from mixkit.export import runtime
from mixkit.export.int8 import rounded
from mixkit.export.onnx import onnx_program, onnx_runner
from mixkit.export.package import facts_of
from tests.conftest import Said

Command = Callable[..., Said]
SOUND = 0.3 * np.random.default_rng(0).standard_normal((146_000, 2)).astype(np.float32)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_it_says_what_predict_says_without_mixkit_and_torch(
    mixkit_command: Command, small_run: Path, tmp_path: Path
) -> None:
    soundfile.write("clip.wav", SOUND, 44_100, subtype="PCM_24")  # 3.3 s in stereo: thirteen windows
    said = mixkit_command("export", small_run, "--to", "onnx", "--runtime")
    assert (said.code, said.err) == (0, "")
    _, shown = said.out.split("Wrote mixkit_runtime.py. It takes any sample rate and length, ")
    _, command, snippet = shown.split("\n\n", 2)
    assert command.split("\n")[0] == "python mixkit_runtime.py model.onnx clip.wav"
    snippet = snippet.partition("beside it:\n\n")[2] or snippet
    program = f"""
import json, runpy, sys
sys.modules |= dict.fromkeys(("mixkit", "torch", "torchaudio", "soundfile", "scipy"))
sys.path.insert(0, "")
from mixkit_runtime import ExportedModel, read_wav
print(json.dumps(ExportedModel("model.onnx").scores(*read_wav("clip.wav"))))
exec({snippet!r})
sys.argv = {command.split()[1:]!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""
    alone = [sys.executable, "-I", "-c", program]
    ended = subprocess.run(alone, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    scores, best, printed = ended.stdout.splitlines()
    found = mixkit.load(small_run).predict("clip.wav")
    assert len(found.windows) == 13
    assert dict(found.top(10)) == pytest.approx(json.loads(scores), abs=1e-5)
    label, score = best.split()
    assert (label, float(score)) == (found.label, pytest.approx(found.probability, abs=1e-5))
    assert printed.startswith(f"clip.wav {found.label} {found.probability:.1%}, ")
    one = mixkit.load(small_run).predict(SOUND[:20_000].T, 44_100)
    assert max(abs(found.probabilities - one.probabilities)) > 1e-4, "the control: another sound has other scores"


@pytest.mark.parametrize(("rate", "wanted"), [(44_100, 16_000), (8_000, 16_000), (48_000, 22_050), (16_000, 44_100)])
def test_it_resamples_as_training_did(rate: int, wanted: int) -> None:
    sound = SOUND[:70_001, 0]
    found, right = runtime.resample(sound, rate, wanted), ours(torch.from_numpy(sound), rate, wanted).numpy()
    assert found.shape == right.shape
    assert np.abs(found - right).max() <= 1e-6
    drawn = np.interp(np.arange(len(right)) * rate / wanted, np.arange(len(sound)), sound)
    assert np.abs(drawn - right).max() > 0.01, "the control: straight lines between samples are something else"


@pytest.mark.parametrize("pad", ["silence", "repeat", "centre"])
def test_it_fills_up_as_training_did(pad: str) -> None:
    model = runtime.ExportedModel.__new__(runtime.ExportedModel)
    model.samples, model.pad = 800, pad
    for size in (1, 333, 800):
        right = Length(800, pad).padded(torch.from_numpy(SOUND[:size, 0]))  # type: ignore[arg-type]
        assert np.array_equal(model.filled(SOUND[:size, 0]), right.numpy())


def test_its_windows_are_those_of_predict() -> None:
    class Session:
        def run(self, _: None, given: dict[str, np.ndarray]) -> list[np.ndarray]:
            heard.extend(given["waveform"][:, 0].astype(int).tolist())
            return [given["waveform"][:, :1]]

    model = runtime.ExportedModel.__new__(runtime.ExportedModel)
    model.samples, model.pad, model.sample_rate, model.labels = 100, "silence", 16_000, ["a"]
    model.session = Session()
    for size, overlap in ((100, 0.5), (101, 0.5), (5_001, 0.5), (777, 0.0), (777, 0.9)):
        heard: list[int] = []
        model.scores(np.arange(size, dtype=np.float32), 16_000, overlap)
        assert heard == window_starts(size, 100, overlap)
    with pytest.raises(ValueError, match="there are no samples"):
        model.scores(SOUND[:0], 16_000)


@pytest.mark.parametrize("kind", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
def test_it_reads_wav(kind: str, form: str) -> None:
    soundfile.write("clip.wav", SOUND[:1001], 22_050, subtype=kind, format=form)
    found, rate = runtime.read_wav("clip.wav")
    assert rate == 22_050
    assert np.array_equal(found, soundfile.read("clip.wav", dtype="float32", always_2d=True)[0])


def test_what_is_no_wav_is_named() -> None:
    soundfile.write("clip.flac", SOUND[:100], 22_050)
    with pytest.raises(ValueError, match=r"^clip.flac is no WAV file. Read it with soundfile, and give its samples"):
        runtime.read_wav("clip.flac")
    soundfile.write("clip.wav", SOUND[:100], 22_050, subtype="ALAW")
    with pytest.raises(ValueError, match=r"^clip.wav holds no samples as integers or floats. Write it anew as 16-bit"):
        runtime.read_wav("clip.wav")


def test_eight_bits_are_measured_on_validation(mixkit_command: Command, small_run: Path) -> None:
    said = mixkit_command("export", small_run, "--to", "onnx", "--int8")
    assert (said.code, said.err) == (0, "")
    before = mixkit.evaluate(small_run, "valid").values["accuracy"]
    model = mixkit.load(small_run)
    audio = run_split(model, "valid").audio("valid")
    sounds = torch.stack([audio.cut(item) for item in range(len(audio))])
    scores = torch.cat([onnx_runner(Path("model.onnx").read_bytes())(one[None]) for one in sounds])
    after = (scores.argmax(1) == audio.targets.argmax(1)).double().mean()
    assert f"accuracy on {len(audio)} validation clips is {before:.1%} before and {after:.1%} after." in said.out
    assert " weights are int8 now." in said.out
    assert "one by one, before it was rounded: probabilities" in said.out

    small = onnx.load("model.onnx")
    assert {fact.key: fact.value for fact in small.metadata_props} == facts_of(model)
    rounds = {node.input[0] for node in small.graph.node if node.op_type == "QuantizeLinear"}
    spectrum = [node for node in small.graph.node if node.op_type == "DFT"]
    assert spectrum
    assert not rounds & {name for node in spectrum for name in (*node.input, *node.output)}


def test_a_rounded_network_says_nearly_the_same() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(100, 16), nn.GELU(), nn.Linear(16, 4), nn.Softmax(-1)).eval()
        sounds = 3 * torch.randn(64, 100)
    small, weights = rounded(onnx_program(network, torch.zeros(2, 100), {"a": "b"}), iter(sounds.split(16)))
    assert weights == 100 * 16 + 16 * 4
    with torch.no_grad():
        right = network(sounds)
    far = (onnx_runner(small)(sounds) - right).abs()
    assert 0 < 3 * far.mean() < (right - right.roll(1, 0)).abs().mean()


def test_a_network_without_weights_is_not_rounded() -> None:
    class Loudness(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([x.square().mean(1), x.amax(1)], 1).softmax(-1)

    content = onnx_program(Loudness(), torch.zeros(2, 100), {})
    with pytest.raises(MixkitError, match=r"^--int8 found nothing to round: the network has no convolution and no"):
        rounded(content, iter([torch.randn(2, 100)]))


@pytest.mark.parametrize("option", ["--int8", "--runtime"])
def test_options_of_the_other_kind_of_file(mixkit_command: Command, small_run: Path, option: str) -> None:
    said = mixkit_command("export", small_run, "--to", "torch", option)
    assert said.err == f"error: {option} is for --to onnx, and this is --to torch. Leave one of them out.\n"
    assert (said.code, said.out, [*Path().iterdir()]) == (2, "", [])
