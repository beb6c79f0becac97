"""The HEAR interface: the same assertions as hear-validator's, and moments that lie where they say."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import mixkit
import mixkit.export.hear
import mixkit.hear
from mixkit.errors import MixkitError


def validate(module: Any, model_file_path: str) -> None:
    """What hear-validator asserts of a torch model (hearbenchmark/hear-validator, validate.py), as it words it."""
    model = module.load_model(model_file_path)
    assert isinstance(model, nn.Module)
    assert model.sample_rate in (16_000, 22_050, 44_100, 48_000)
    assert type(model.scene_embedding_size) is int
    assert type(model.timestamp_embedding_size) is int
    for length in (1.07, 1.98, 4.0):
        audio = torch.rand(2, int(length * model.sample_rate)) * 2 - 1
        embeddings, timestamps = module.get_timestamp_embeddings(audio, model)
        assert embeddings.dtype == torch.float32
        assert embeddings.ndim == 3
        assert timestamps.ndim == 2
        assert embeddings.shape[0] == 2
        assert embeddings.shape[:2] == timestamps.shape
        assert embeddings.shape[2] == model.timestamp_embedding_size
        steps = timestamps.diff()
        step = float(steps.mean())
        assert float(steps.max()) <= 50.0  # a warning there
        assert float((steps - step).abs().max()) <= 1
        assert float(timestamps.min()) <= step  # a warning there
        assert float(timestamps.max()) >= 1000 * length - step  # twice that there; this is its warning
        assert float(timestamps.max()) >= 1000 * length - 50  # a warning there
        assert float(timestamps.max()) <= 1000 * length
    scenes = module.get_scene_embeddings(torch.rand(4, int(2.74 * model.sample_rate)) * 2 - 1, model)
    assert scenes.dtype == torch.float32
    assert scenes.shape == (4, model.scene_embedding_size)


def broken(change: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> SimpleNamespace:
    def get_timestamp_embeddings(audio: Tensor, model: mixkit.export.hear.Hearer) -> tuple[Tensor, Tensor]:
        return change(*mixkit.export.hear.get_timestamp_embeddings(audio, model))

    return SimpleNamespace(
        load_model=mixkit.export.hear.load_model,
        get_scene_embeddings=mixkit.export.hear.get_scene_embeddings,
        get_timestamp_embeddings=get_timestamp_embeddings,
    )


def test_the_validator_would_take_it(small_run: Path) -> None:
    validate(mixkit.hear, str(small_run))
    validate(mixkit.hear, str(small_run / "best.safetensors"))
    validate(broken(lambda found, stamps: (found, stamps)), str(small_run))


@pytest.mark.parametrize(
    "change",
    [
        lambda found, stamps: (found.double(), stamps),
        lambda found, stamps: (found[:, 1:], stamps),
        lambda found, stamps: (found, stamps[0]),
        lambda found, stamps: (found, stamps + 60),
        lambda found, stamps: (found, stamps / 1000),
        lambda found, stamps: (found[:, :-2], stamps[:, :-2]),
        lambda found, stamps: (found[:, ::2], stamps[:, ::2]),
        lambda found, stamps: (found[..., 1:], stamps),
        lambda found, stamps: (found, stamps + 2 * (torch.arange(stamps.shape[1]) % 2)),
    ],
)
def test_the_validator_sees_what_is_wrong(small_run: Path, change: Callable[[Tensor, Tensor], Any]) -> None:
    with pytest.raises(AssertionError):
        validate(broken(change), str(small_run))


def test_moments_lie_where_they_say(small_run: Path) -> None:
    model = mixkit.export.hear.load_model(str(small_run))
    model.classifier.mixer.blocks = nn.Sequential()  # which may carry a sound to any place in their window
    for event in (0.7, 1.9, 2.33):
        audio = torch.zeros(1, 48_000)
        place = int(event * 16_000)
        audio[0, place - 200 : place + 200] = 0.5 * torch.randn(400, generator=torch.Generator().manual_seed(0))
        found, stamps = mixkit.export.hear.get_timestamp_embeddings(audio, model)
        loudest = float(stamps[0, (found[0] - found[0].median(0).values).norm(dim=-1).argmax()])
        assert abs(loudest - 1000 * event) <= 50


@pytest.mark.parametrize(("hop_ms", "hop"), [(50.0, 40.0), (30.0, 160 / 6), (160.0, 160.0), (7.0, 160 / 23)])
def test_hops_divide_the_grid_and_do_not_drift(small_run: Path, hop_ms: float, hop: float) -> None:
    model = mixkit.export.hear.load_model(str(small_run))
    found, stamps = mixkit.export.hear.get_timestamp_embeddings(torch.zeros(1, 160_000), model, hop_ms)
    wanted = torch.arange(found.shape[1]) * hop
    torch.testing.assert_close(stamps[0], wanted.float(), atol=1e-2, rtol=0)
    assert 10_000 - hop - 1e-2 <= float(stamps.max()) < 10_000


def test_a_moment_is_the_mean_over_frequency(small_run: Path) -> None:
    model = mixkit.export.hear.load_model(str(small_run))
    classifier = model.classifier
    middle = 640 // 2  # of the first column: the stem's filters are as wide as the edge, about its first frame
    audio = 0.1 * torch.randn(2, 8000 - middle, generator=torch.Generator().manual_seed(0))
    found, _ = mixkit.export.hear.get_timestamp_embeddings(audio, model)
    with torch.no_grad():
        tokens = classifier.mixer.tokens(classifier.features(torch.nn.functional.pad(audio, (middle, 0))))
    grid = classifier.mixer.stem.grid
    wanted = tokens.reshape(2, grid.frequency, grid.time, 16).mean(1)
    torch.testing.assert_close(found[:, : 4 * grid.time : 4], wanted, atol=1e-5, rtol=1e-5)


def test_a_scene_is_the_embedding_of_the_recording(small_run: Path) -> None:
    model = mixkit.export.hear.load_model(str(small_run))
    audio = 0.1 * torch.randn(3, 20_000, generator=torch.Generator().manual_seed(0))
    scenes = mixkit.export.hear.get_scene_embeddings(audio, model)
    for scene, sound in zip(scenes, audio, strict=True):
        torch.testing.assert_close(scene, model.classifier.embed(sound, 16_000), atol=1e-5, rtol=1e-5)


def test_a_very_short_sound_has_a_moment(small_run: Path) -> None:
    model = mixkit.export.hear.load_model(str(small_run))
    found, stamps = mixkit.export.hear.get_timestamp_embeddings(torch.zeros(1, 1), model)
    assert (found.shape, stamps.tolist()) == ((1, 1, 16), [[0.0]])
    assert mixkit.export.hear.get_scene_embeddings(torch.zeros(1, 1), model).shape == (1, 16)


def test_refusals(small_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = mixkit.export.hear.load_model(str(small_run))
    asks: list[tuple[Callable[[], object], str]] = [
        (
            mixkit.export.hear.load_model,
            "mixkit.hear has no weights of its own. Name a run: load_model('runs/asm_rh/001').",
        ),
        (
            lambda: mixkit.export.hear.get_scene_embeddings(torch.zeros(9), model),
            "the audio is 9. HEAR gives sounds x samples, mono.",
        ),
        (
            lambda: mixkit.export.hear.get_timestamp_embeddings(torch.zeros(2, 0), model),
            "the audio is 2 x 0. HEAR gives sounds x samples, mono.",
        ),
        (
            lambda: mixkit.export.hear.get_timestamp_embeddings(torch.zeros(2, 9), model, 0.0),
            "hop_ms is 0. Use more than 0, such as 50.",
        ),
    ]
    for ask, message in asks:
        with pytest.raises(MixkitError) as caught:
            ask()
        assert str(caught.value) == message
    model.classifier.sample_rate = 8000
    monkeypatch.setattr(mixkit.export.hear, "load", lambda path: model.classifier)
    with pytest.raises(MixkitError) as caught:
        mixkit.export.hear.load_model("runs/x")
    assert str(caught.value) == (
        "runs/x hears at 8000 Hz. HEAR has recordings at 16000, 22050, 32000, 44100, 48000 Hz."
    )
