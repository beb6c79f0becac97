"""`mixkit doctor`: what it finds on machines of several kinds, and a line of advice on each."""

import importlib.metadata
import importlib.util
import json
import pwd
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile
import torch

from mixkit.doctor import Finding, examine
from tests.conftest import Said

Command = Callable[..., Said]
TOPICS = ["python", "libraries", "devices", "precision", "codecs", "data", "audio cache", "extras"]


def finding(topic: str) -> Finding:
    (found,) = (one for one in examine() if one.topic == topic)
    return found


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: "nvidia" not in str(path) and exists(path))


def test_each_topic_has_a_line_of_advice(mixkit_command: Command) -> None:
    said = mixkit_command("doctor")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert [line[4:].split(": ")[0] for line in lines[::2]] == TOPICS
    assert all(line.startswith("    ") and line.endswith(".") for line in lines[1::2])
    assert f"torch {torch.__version__}".split("+")[0] in said.out


def test_one_json_document(mixkit_command: Command) -> None:
    said = mixkit_command("doctor", "--json")
    assert (said.code, said.err) == (0, "")
    document = json.loads(said.out)
    assert list(document) == [topic.replace(" ", "_") for topic in TOPICS]
    assert all({"good", "advice"} <= part.keys() for part in document.values())
    assert document["libraries"]["torch"] == importlib.metadata.version("torch")
    assert document["codecs"]["FLAC"] is True


@pytest.mark.usefixtures("no_gpu")
def test_no_gpu() -> None:
    found = finding("devices")
    assert found.good
    assert found.advice == "No GPU: size/tiny trains in minutes on the CPU, size/base wants a GPU."
    assert found.facts["cuda"] == []
    assert found.facts["chosen"] == "cpu"


@pytest.mark.usefixtures("no_gpu")
def test_a_driver_that_torch_cannot_use(monkeypatch: pytest.MonkeyPatch) -> None:
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: "nvidia" in str(path) or exists(path))
    monkeypatch.setattr(torch.version, "cuda", None)
    found = finding("devices")
    assert not found.good
    assert found.advice == (
        "There is an NVIDIA driver, but torch cannot use it; it is built without CUDA. "
        "Compare with what nvidia-smi says."
    )


def test_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    gpu = SimpleNamespace(name="Some GPU", total_memory=24 * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: gpu)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **kwargs: True)
    found = finding("devices")
    assert found.found.startswith("cuda:0 Some GPU (24 GiB), cpu with ")
    assert found.advice == "--device auto takes cuda."
    assert finding("precision").found.startswith("bf16 on cuda; ")


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(
    ("instructions", "chosen", "advice"),
    [
        ("AMX", "bf16", "bf16 is faster here; train.precision = 'float32' for full precision."),
        ("AVX512_BF16", "bf16", "bf16 is faster here; train.precision = 'float32' for full precision."),
        ("", "float32", "bf16 would not be faster here: leave train.precision = 'auto'."),
    ],
)
def test_bf16_on_a_cpu(monkeypatch: pytest.MonkeyPatch, instructions: str, chosen: str, advice: str) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: instructions == "AMX")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bool(instructions))
    found = finding("precision")
    assert (found.facts["chosen"], found.facts["bf16"], found.advice) == (chosen, instructions, advice)


def test_missing_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    for name in ("onnx", "onnxruntime", "timm"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in ("onnx", "onnxruntime", "timm") else find(name)
    )
    found = finding("extras")
    assert found.found == "onnx: no onnx, onnxruntime; parity: no timm"
    assert found.advice == "For mixkit export --to onnx: pip install 'mixkit[onnx]'."
    assert found.facts == {"onnx": False, "parity": False}


def test_a_library_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.9" if name == "torch" else version(name))
    found = finding("libraries")
    assert not found.good
    assert found.advice == "Install what mixkit is made for: torch<2.15,>=2.11."


def test_a_codec_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    formats = soundfile.available_formats()
    del formats["MP3"]
    monkeypatch.setattr(soundfile, "available_formats", lambda: formats)
    monkeypatch.setattr(soundfile, "available_subtypes", lambda kind: {"VORBIS": ""})
    found = finding("codecs")
    assert not found.good
    assert found.advice == "It lacks MP3, OGG Opus: pip install --upgrade soundfile."


def test_data_and_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path))
    (tmp_path / "ravdess" / "Actor_01").mkdir(parents=True)
    (tmp_path / "ravdess" / "Actor_01" / "a.wav").write_bytes(bytes(2_000_000))
    (tmp_path / "ravdess" / "loop").symlink_to(tmp_path)
    found = finding("data")
    assert found.found.startswith(f"{tmp_path} ($MIXKIT_DATA): ravdess 2.0 MB; ")
    assert found.advice == "To fetch more: mixkit data get speech_commands (or urbansound8k, esc50)."
    assert found.facts["sets"].keys() == {"ravdess"}
    assert finding("audio cache").facts["files"] == 0
    monkeypatch.setenv("MIXKIT_AUDIO_CACHE", "much")
    found = finding("audio cache")
    assert (found.good, found.found) == (False, "cannot be told")
    assert found.advice == "MIXKIT_AUDIO_CACHE is 'much'. Give GiB for the audio cache, such as 20, or 0 for none."


def test_no_home(mixkit_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: int) -> None:
        raise KeyError("a user of a container, whom the system does not know")

    monkeypatch.delenv("MIXKIT_DATA")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    said = mixkit_command("doctor")
    assert said.code == 0
    assert "see data: cannot be told\n    no home folder to keep data in. " in said.out
