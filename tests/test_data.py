"""Batches: the same for any number of workers, cut and padded as said, and a bad file is named."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import mixkit
from mixkit.audio import cache
from mixkit.audio.length import Length
from mixkit.data import waveforms
from mixkit.data.batches import Batch, Batches, ClipAudio, Order
from mixkit.data.inspect import inspect_clips
from mixkit.data.run_split import RunSplits
from mixkit.data.waveforms import Waveforms
from mixkit.errors import DataError
from mixkit.registry import Clip
from mixkit.training.prepare import _lengths

CPU = torch.device("cpu")
LABELS = ("a", "b")


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    """Ten recordings of 0.1 to 0.55 s whose samples count up, so that a cut can be told from its values."""
    made = []
    for number in range(10):
        path = tmp_path / f"{number}.wav"
        ramp = np.arange(800 * (number + 1) // 2 + 400) / 32768
        soundfile.write(path, ramp, 8000, subtype="PCM_16")
        made.append(Clip(path, LABELS[number % 2], f"g{number}"))
    return made


def epoch(clips: list[Clip], number: int, workers: int = 0, batch_size: int = 4, seed: int | None = 0) -> list[Batch]:
    audio = ClipAudio(clips, LABELS, Waveforms(8000), Length(1200), seed)
    return list(Batches(audio, Order(len(clips), batch_size, seed), CPU, workers).epoch(number))


def test_workers_change_nothing(clips: list[Clip]) -> None:
    here = epoch(clips, 3)
    there = epoch(clips, 3, workers=2)
    assert [len(batch.items) for batch in here] == [4, 4, 2]
    for one, other in zip(here, there, strict=True):
        assert torch.equal(one.waveform, other.waveform)
        assert torch.equal(one.target, other.target)
        assert torch.equal(one.items, other.items)
        assert one.epoch == other.epoch == 3


@pytest.fixture
def costly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Clip]:
    """Ten FLAC recordings that are resampled, in a cache that is still empty."""
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(cache, "SETTLED", -1.0)
    made = []
    for number in range(10):
        path = tmp_path / f"{number}.flac"
        soundfile.write(path, 0.1 * np.random.default_rng(number).standard_normal(4000 + 500 * number), 22050)
        made.append(Clip(path, LABELS[number % 2], f"g{number}"))
    return made


def same(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a.waveform, b.waveform) and torch.equal(a.items, b.items) and torch.equal(a.target, b.target)
        for a, b in zip(one, other, strict=True)
    )


def test_the_cache_changes_nothing_whatever_the_workers(costly: list[Clip], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waveforms, "MEMORY_BUDGET", 0)
    monkeypatch.setenv(cache.VARIABLE, "0")
    plain = epoch(costly, 3)
    assert same(epoch(costly, 3, workers=2), plain)
    assert cache.stored().usage() == (0, 0)
    monkeypatch.setenv(cache.VARIABLE, "1")
    for workers in (0, 2, 1):
        cache.stored().clear()
        assert same(epoch(costly, 3, workers), plain), "cold"
        assert cache.stored().usage()[1] == 20
        assert same(epoch(costly, 3, workers), plain), "warm"
    monkeypatch.setattr(waveforms, "MEMORY_BUDGET", 2**20)
    assert same(epoch(costly, 3), plain)
    assert not same(epoch(costly, 4), plain), "the control"


def test_a_warm_cache_is_read_and_nothing_else(costly: list[Clip], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.VARIABLE, "1")
    epoch(costly, 0)
    decoded: list[object] = []
    monkeypatch.setattr(cache, "read", lambda path, *_: decoded.append(path) or torch.zeros(5))
    epoch(costly, 0)
    assert decoded == []
    cache.stored().clear()
    epoch(costly, 0)
    assert len(decoded) == 10, "the control"


def test_the_memory_of_workers_together_is_that_of_one(clips: list[Clip]) -> None:
    reader = waveforms.Waveforms(8000)
    reader.read(clips[0])
    left = waveforms.MEMORY_BUDGET - 4 * 800
    assert reader._room == left
    reader.share(4)
    assert reader._room == left // 4


def test_crops_depend_on_epoch_and_item_and_not_on_the_batch(clips: list[Clip]) -> None:
    def by_item(batches: list[Batch]) -> dict[int, torch.Tensor]:
        return {int(i): w for b in batches for i, w in zip(b.items, b.waveform, strict=True)}

    small, large = by_item(epoch(clips, 0, batch_size=3)), by_item(epoch(clips, 0, batch_size=10))
    assert all(torch.equal(small[item], large[item]) for item in range(10))
    later = by_item(epoch(clips, 1))
    assert any(not torch.equal(small[item], later[item]) for item in range(10))


def test_short_is_padded_with_silence_and_long_is_cut(clips: list[Clip]) -> None:
    (batch,) = epoch(clips, 0, batch_size=10, seed=None)
    shortest, longest = batch.waveform[0], batch.waveform[9]
    assert torch.equal(shortest[800:], torch.zeros(400))
    assert shortest[799] > 0
    start = (4400 - 1200) // 2
    torch.testing.assert_close(longest, torch.arange(start, start + 1200) / 32768)


def test_a_clip_that_fits_is_kept_and_a_random_cut_is_a_stretch_of_its_clip(clips: list[Clip]) -> None:
    audio = ClipAudio(clips, LABELS, Waveforms(8000), Length(1200), seed=0)
    assert torch.equal(audio.cut(1), audio.waveform(1))
    starts = set()
    for number in range(20):
        cut = audio.cut(9, number)
        start = round(float(cut[0]) * 32768)
        assert torch.equal(cut, audio.waveform(9)[start : start + 1200])
        starts.add(start)
    assert len(starts) > 15


def test_decoded_audio_is_kept_within_the_budget(clips: list[Clip], monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    real = cache.read
    monkeypatch.setattr(cache, "read", lambda path, *rest: reads.append(path) or real(path, *rest))
    audio = ClipAudio(clips, LABELS, Waveforms(8000), Length(1200))
    for _ in range(3):
        assert len(audio.waveform(0)) == 800
    assert len(reads) == 1
    monkeypatch.setattr(waveforms, "MEMORY_BUDGET", 1000)
    poor = ClipAudio(clips, LABELS, Waveforms(8000), Length(1200))
    for _ in range(3):
        poor.waveform(0)
    assert len(reads) == 4


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_goes_bad_is_named(clips: list[Clip], workers: int) -> None:
    clips[4].path.write_bytes(b"no audio at all")
    with pytest.raises(DataError) as caught:
        epoch(clips, 0, workers)
    assert str(caught.value).startswith(f"{clips[4].path}: is not WAV, FLAC, OGG, MP3 or AIFF.")


def test_training_says_how_many_clips_are_padded_and_cut(clips: list[Clip]) -> None:
    section = Clip(clips[9].path, "a", "g", start=0.1, stop=0.2)
    listed = {"train": (*clips, section), "valid": (), "test": ()}
    recipe = mixkit.load_recipe("asm_rh")
    network: Any = SimpleNamespace(recipe=recipe, features=SimpleNamespace(samples=2400), sample_rate=8000)
    splits = RunSplits(network, "official", listed, (), Waveforms(8000))
    assert _lengths(splits, list(inspect_clips(listed, splits.waveforms.examine))) == (
        "11 train clips (official); the model hears 0.30 s. "
        "5 shorter clips are padded with silence at the end. "
        "5 longer clips are cut (anywhere in training, in the centre otherwise)."
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts all private memory on Linux alone")
@pytest.mark.parametrize(("options", "message"), [((), "of which 58 trained"), (("--keep-all",), "reading it failed")])
def test_a_set_larger_than_memory_is_trained_on(options: tuple[str, ...], message: str) -> None:
    """The control keeps all that it has decoded."""
    script = Path(__file__).parents[1] / "benchmarks" / "larger_than_memory.py"
    said = subprocess.run(
        [sys.executable, str(script), "--clips", "80", "--megabytes", "60", *options],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert message in said.stdout + said.stderr
    assert (said.returncode == 0) == (not options)
