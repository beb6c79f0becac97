"""Noise of a folder: as soft as asked, from any place of any recording, reproducible, and bounded."""

import copy
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from mixkit.audio.augment import Noise, recordings
from mixkit.draw import Draw
from mixkit.registry import augmentation
from mixkit.tasks.clip import suffixes
from tests.conftest import Said

RATE = 16_000
SUFFIXES = ", ".join(suffixes())


def record(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype="FLOAT" if path.suffix == ".wav" else None)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three recordings of noise: one longer than a clip, one shorter, one far softer."""
    rng = np.random.default_rng(0)
    root = tmp_path / "noise"
    record(root / "long.wav", 0.1 * rng.standard_normal(9000))
    record(root / "deep" / "short.wav", 0.3 * rng.standard_normal(700))
    record(root / "soft.flac", 0.001 * rng.standard_normal(5000))
    record(root / ".hidden" / "no.wav", rng.standard_normal(100))
    (root / "notes.txt").write_text("no audio")
    return root


def noise(folder: Path | None, sample_rate: int = RATE, **settings: float) -> Noise:
    spec = augmentation.spec("noise", folder=None if folder is None else str(folder), **{"rate": 1.0, **settings})
    made = augmentation.build(spec, sample_rate)
    assert isinstance(made, Noise)
    return made


def clips(count: int = 8) -> tuple[Tensor, Tensor]:
    x = 0.2 * torch.randn(count, 4000, generator=torch.Generator().manual_seed(0))
    return x * torch.logspace(-2, 0, count)[:, None], 7 * torch.arange(count)


def added(module: Noise, x: Tensor, items: Tensor, *words: int) -> Tensor:
    seed, epoch, stream = words or (0, 0, 0)
    augmented, target = module(x, x, Draw(seed, epoch, items, stream))
    assert target is x
    return augmented - x


def test_hiss_is_what_it_was() -> None:
    """Written down before noise could come from a folder: the generator draws what it drew then."""
    x = torch.sin(torch.arange(40).float() / 7).reshape(4, 10)
    hiss = added(noise(None), x, torch.arange(4), 1, 2, 3)
    expected = [
        [0.006727826, 0.210813239, 0.252078563],
        [0.120033622, 0.037810743, 0.041384399],
        [-0.010697812, -0.009271368, -0.012282200],
        [-0.033923686, 0.099306762, 0.033529162],
    ]
    torch.testing.assert_close(hiss[:, :3], torch.tensor(expected))


@pytest.mark.parametrize("ratio", [-3.0, 10.0, 30.0])
def test_it_is_as_soft_as_asked_whatever_was_recorded(folder: Path, ratio: float) -> None:
    x, items = clips(64)
    x[:, 3000:] = 0.0  # padding, which does not count
    under = added(noise(folder, low_db=ratio, high_db=ratio), x, items)
    measured = 10 * (x[:, :3000].square().mean(1) / under.square().mean(1)).log10()
    torch.testing.assert_close(measured, torch.full((64,), ratio), atol=0.1, rtol=0)


def test_every_ratio_between_is_drawn(folder: Path) -> None:
    x, items = clips(400)
    under = added(noise(folder, low_db=5.0, high_db=25.0), x, items)
    ratio = 10 * (x.square().mean(1) / under.square().mean(1)).log10()
    assert 4.9 < ratio.min() < 5.5
    assert 24.5 < ratio.max() < 25.1
    assert ratio.mean().item() == pytest.approx(15, abs=1)


def test_noise_at_its_rate(folder: Path) -> None:
    x, items = clips(1000)
    assert (added(noise(folder, rate=0.25), x, items) != 0).any(1).float().mean().item() == pytest.approx(
        0.25, abs=0.05
    )


def test_any_recording_from_any_place_and_again_where_it_ends(tmp_path: Path) -> None:
    """Recordings that count upwards tell where a stretch begins, and in which of them."""
    long, short = np.arange(1, 61) / 128, -np.arange(1, 6) / 128
    record(tmp_path / "long.wav", long)
    record(tmp_path / "short.wav", short)
    drawn = recordings.read_folder(str(tmp_path), "folder", RATE)(8, Draw(0, 0, torch.arange(3000), 0))
    starts = (drawn[:, 0] * 128).round().long()
    for stretch, start in zip(drawn, starts, strict=True):
        of = long if start > 0 else short
        by_hand = np.resize(np.roll(of, 1 - abs(int(start))), 8)
        assert stretch.numpy() == pytest.approx(by_hand)
    assert (starts > 0).float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert set(starts[starts > 0].tolist()) == set(range(1, 54)), "no end is heard where the recording is long enough"
    assert set(starts[starts < 0].tolist()) == {-1, -2, -3, -4, -5}


def test_same_words_same_noise_in_any_batch(folder: Path) -> None:
    x, items = clips()
    state = torch.get_rng_state()
    first, again = (added(noise(folder), x, items, 1, 2, 3) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), state)
    order = torch.tensor([5, 0, 6])
    assert torch.equal(added(noise(folder), x[order], items[order], 1, 2, 3), first[order])
    for words in ((0, 2, 3), (1, 0, 3), (1, 2, 0)):
        assert not torch.equal(added(noise(folder), x, items, *words), first)


def test_what_stays_as_it_is(folder: Path) -> None:
    x, items = clips()
    module = noise(folder)
    augmented, target = module.eval()(x, x, Draw(0, 0, items, 0))
    assert augmented is x
    assert target is x
    module.train()
    silence = torch.zeros_like(x)
    assert torch.equal(module(silence, x, Draw(0, 0, items, 0))[0], silence)
    assert torch.equal(added(copy.deepcopy(module), x, items), added(module, x, items))
    assert not module.state_dict()


def test_it_follows_the_clips_to_their_device(folder: Path) -> None:
    module = noise(folder)
    with FakeTensorMode(allow_non_fake_inputs=True):
        x, items = torch.empty(3, 4000, device="cuda"), torch.empty(3, dtype=torch.int64, device="cuda")
        assert module(x, x, Draw(0, 0, items, 0))[0].device.type == "cuda"


def test_recordings_are_heard_at_the_sample_rate_of_the_clips(tmp_path: Path) -> None:
    record(tmp_path / "tone.wav", 0.3 * np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000), 8000)
    x, items = torch.ones(1, RATE // 2), torch.zeros(1, dtype=torch.int64)
    for rate in (RATE, 8000):
        spectrum = torch.fft.rfft(added(noise(tmp_path, rate), x, items)[0]).abs()
        assert int(spectrum.argmax()) * rate / x.shape[1] == pytest.approx(1000, abs=4)


def test_silence_between_sounds_gives_no_noise_and_no_nonsense(tmp_path: Path) -> None:
    record(tmp_path / "rare.wav", np.concatenate([np.zeros(20_000), 0.5 * np.ones(100)]))
    x, items = clips(50)
    under = added(noise(tmp_path), x, items)
    assert under.isfinite().all()
    assert (under == 0).all(1).any()


def test_memory_is_bounded_and_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = recordings.read_folder(str(folder), "folder", RATE)
    assert whole.sound.nbytes == 4 * (9000 + 700 + 5000)
    assert not caplog.records
    assert recordings.KEPT * 4 == 256 * 2**20
    monkeypatch.setattr(recordings, "KEPT", 6000)
    for _ in range(2):
        part = recordings.read_folder(str(folder), "folder", RATE)
        assert torch.equal(part.sound, whole.sound[:6000])
    used = len(part.lengths)
    assert caplog.record_tuples[0] == (
        "mixkit.audio.augment.recordings",
        logging.WARNING,
        f"{folder}: {used} of 3 recordings fill 0 MiB and are used",
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "gone",
            "augmentation.noise.folder is 'gone': ROOT/gone, and there is no such folder. Name a folder of recordings.",
        ),
        (
            "noise/notes.txt",
            "augmentation.noise.folder is 'noise/notes.txt': ROOT/noise/notes.txt, which is a file. "
            "Name a folder of recordings.",
        ),
        ("empty", f"ROOT/empty: no audio file. Looked in it and below for {SUFFIXES}, in either case."),
        ("text", "ROOT/text/1.wav: is not WAV, FLAC, OGG, MP3 or AIFF. Convert it."),
        ("nothing", "ROOT/nothing/1.wav: 0 samples of audio. Remove the file."),
        ("silent", "ROOT/silent/1.wav: digital silence, which is no noise. Remove the file."),
        ("broken", "ROOT/broken/1.wav: has samples that are not numbers. Remove the file."),
    ],
)
def test_a_folder_that_cannot_be_is_refused_before_training(
    tmp_path: Path,
    folder: Path,
    tones: Path,
    name: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    mixkit_command: Callable[..., Said],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "1.wav").write_text("no audio at all")
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "1.wav").touch()
    record(tmp_path / "silent" / "1.wav", np.zeros(100))
    record(tmp_path / "broken" / "1.wav", np.full(100, np.nan))
    said = mixkit_command(*training(tones, name))
    assert said.code == 2
    assert said.err.strip().replace(str(tmp_path), "ROOT").removeprefix("error: ").endswith(expected)
    assert not (tmp_path / "runs").exists()


def training(tones: Path, folder: str) -> list[object]:
    lines = [f"task.folder.root = {str(tones)!r}", "task.folder.seconds = 0.5", "train.epochs = 1", "model.depth = 2"]
    lines += ["model.width = 16", "train.augmentations = [@augmentation.noise()]", "augmentation.noise.rate = 1.0"]
    lines += [f"augmentation.noise.folder = {folder!r}"]
    settings = [part for line in lines for part in ("--set", line)]
    return ["train", "asm_rh", "--with", "task/folder", *settings, "--device", "cpu"]


def test_a_run_with_recorded_noise(
    tmp_path: Path, folder: Path, tones: Path, monkeypatch: pytest.MonkeyPatch, mixkit_command: Callable[..., Said]
) -> None:
    """Relative to the working folder; the recipe of the run says it as the user did."""
    monkeypatch.chdir(tmp_path)
    said = mixkit_command(*training(tones, folder.name))
    assert said.code == 0, said
    assert "augmentation.noise.folder = 'noise'" in (tmp_path / "runs/asm_rh/001/recipe.gin").read_text()
    assert mixkit_command("evaluate", "runs/asm_rh/001").code == 0
