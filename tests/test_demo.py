"""The demo sounds: the same everywhere, fair to every class, and neither trivial nor hopeless."""

import hashlib
import pwd
import wave
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mixkit.errors import DataError, MixkitError, SettingError
from mixkit.registry import Clip, task
from mixkit.storage.atomic import make_whole
from mixkit.storage.folders import data_folder
from mixkit.tasks.clip import SPLITS
from mixkit.tasks.demo import Demo
from mixkit.tasks.demo_sounds import SOUNDS
from mixkit.tasks.leakage import check_splits

# The same with NumPy 1.26 to 2.4, and with and without AVX2, AVX-512 and FMA.
GOLDEN = "ab5f63345664cfe4c859bfac20b3c933283e5eec05f7054d822f34c948b24e74"


def demo(**settings: Any) -> Demo:
    made = task.build(task.spec("demo", **settings))
    assert isinstance(made, Demo)
    return made


def listen(clip: Clip) -> np.ndarray:
    with wave.open(str(clip.path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def digest(folder: Path) -> str:
    """Of every file in a folder, name and content."""
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*.wav")):
        whole.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "demo"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The task as it stands, at its full size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIXKIT_DATA", str(tmp_path_factory.mktemp("data")))
        made = demo()
        assert made.clips("train")
        yield made


# What it is made of


def test_every_class_is_as_frequent_in_every_split(shipped: Demo) -> None:
    counts = {split: Counter(clip.label for clip in shipped.clips(split)) for split in SPLITS}
    assert {split: set(labels.values()) for split, labels in counts.items()} == {
        "train": {100},
        "valid": {20},
        "test": {30},
    }
    assert all(tuple(labels) == shipped.labels for labels in counts.values())
    assert tuple(SOUNDS) == shipped.labels == tuple(sorted(shipped.labels))
    assert shipped.folds == ()


def test_no_device_is_heard_in_two_splits(shipped: Demo) -> None:
    check_splits(shipped)
    devices = {split: Counter(clip.group for clip in shipped.clips(split)) for split in SPLITS}
    assert {split: len(groups) for split, groups in devices.items()} == {"train": 20, "valid": 4, "test": 6}
    for split, groups in devices.items():
        assert set(groups.values()) == {50}, split
        assert {len({clip.label for clip in shipped.clips(split) if clip.group == group}) for group in groups} == {10}


def test_no_clip_is_clipped_silent_or_alike(shipped: Demo) -> None:
    heard = {clip.path.name + clip.label: listen(clip) for clip in shipped.clips("test")}
    assert {len(sound) for sound in heard.values()} == {32_000}
    peaks = np.array([np.abs(sound.astype(int)).max() for sound in heard.values()])
    assert peaks.max() <= 0.95 * 32_767 + 1
    assert peaks.min() > 500
    loudness = 20 * np.log10([np.std(sound / 32_768) for sound in heard.values()])
    assert loudness.min() > -45
    assert loudness.max() < -8
    assert np.ptp(loudness) > 12
    assert len({sound.tobytes() for sound in heard.values()}) == 300


def test_average_spectra_do_not_give_it_away_but_movement_does(shipped: Demo) -> None:
    pytest.importorskip("sklearn")
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def score(inputs: dict[str, np.ndarray]) -> float:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
        return float(model.fit(inputs["train"], labels["train"]).score(inputs["test"], labels["test"]))

    splits = ("train", "test")
    labels = {split: [clip.label for clip in shipped.clips(split)] for split in splits}
    spectra = {split: np.stack([log_mel(clip) for clip in shipped.clips(split)]) for split in splits}
    averages = score({split: spectrum.mean(axis=1) for split, spectrum in spectra.items()})
    movement = score({split: modulation(spectrum) for split, spectrum in spectra.items()})
    assert 0.2 < averages < 0.6
    assert movement > averages + 0.2


def log_mel(clip: Clip) -> np.ndarray:
    """Frames of 128 log-mel bins as AST takes them."""
    from torchaudio.compliance.kaldi import fbank

    sound = torch.from_numpy(listen(clip) / np.float32(32_768))[None]
    return fbank(sound - sound.mean(), window_type="hanning", num_mel_bins=128, dither=0.0, htk_compat=True).numpy()


def modulation(spectrum: np.ndarray) -> np.ndarray:
    """How fast the loudness of each of eight broad bands goes up and down."""
    bands = spectrum.reshape(*spectrum.shape[:2], 8, 16).mean(axis=3)
    rates = np.abs(np.fft.rfft(bands - bands.mean(axis=1, keepdims=True), axis=1))[:, 1:65]
    return np.log(rates.reshape(len(spectrum), 16, 4, 8).mean(axis=2) + 1e-3).reshape(len(spectrum), -1)


# The same everywhere


def test_it_comes_out_the_same_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = []
    for name in ("first", "second"):
        monkeypatch.setenv("MIXKIT_DATA", str(tmp_path / name))
        np.random.seed(len(folders))
        folders.append(demo(clips=3).folder)
    assert folders[0] != folders[1]
    assert len(list(folders[0].rglob("*.wav"))) == 30
    assert digest(folders[0]) == digest(folders[1])


def test_it_comes_out_as_it_did(home: Path) -> None:
    assert digest(demo(clips=3).folder) == GOLDEN, "the sounds changed: raise VERSION in demo.py, then this golden"


def test_settings_change_what_they_say(home: Path) -> None:
    few, more = demo(clips=3, seconds=0.5), demo(clips=6, seconds=0.5)
    names = {clip.path.relative_to(few.folder): clip.path.read_bytes() for split in SPLITS for clip in few.clips(split)}
    for name, content in names.items():
        assert (more.folder / name).read_bytes() == content
    other = demo(clips=3, seconds=0.5, seed=1)
    for name, content in names.items():
        assert (other.folder / name).read_bytes() != content
    long = demo(clips=3, seconds=5.0)
    assert {len(listen(clip)) for clip in long.clips("test")} == {80_000}
    at_8_khz = demo(clips=3, seconds=0.5, sample_rate=8000)
    assert at_8_khz.folder == few.folder
    assert len({made.folder for made in (few, more, other, long)}) == 4


def test_the_smallest_has_a_clip_of_each_class_in_each_split(home: Path) -> None:
    made = demo(clips=3, seconds=0.5)
    assert {split: len(made.clips(split)) for split in SPLITS} == {"train": 10, "valid": 10, "test": 10}
    check_splits(made)
    assert made.clips("test") == demo(clips=3, seconds=0.5).clips("test")
    with pytest.raises(MixkitError, match=r"^no split named 'all'\. There are train, valid and test\.$"):
        made.clips("all")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"clips": 2}, "task.demo.clips is 2, but each class needs one for each split. Use 3 or more."),
        ({"seconds": 0.4}, "task.demo.seconds is 0.4, too short to tell a siren from a horn. Use 0.5 or more."),
        ({"seed": 2**32}, "task.demo.seed is 4294967296. It takes an int, at least 0 and at most 4294967295."),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(SettingError) as caught:
        demo(**settings)
    assert str(caught.value) == expected


# Where it is kept


def test_where_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MIXKIT_DATA", "~/sounds")
    assert data_folder() == tmp_path / "home" / "sounds"
    monkeypatch.delenv("MIXKIT_DATA")
    assert data_folder() == tmp_path / "cache" / "mixkit"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert data_folder() == tmp_path / "home" / ".cache" / "mixkit"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert data_folder() == tmp_path / "home" / ".cache" / "mixkit"


def test_it_is_made_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = demo(clips=3, seconds=0.5).clips("test")
    monkeypatch.setattr(Demo, "_make", lambda *_: pytest.fail("made again"))
    assert demo(clips=3, seconds=0.5).clips("test") == first
    assert [path.name for path in home.iterdir()] == ["v1_3_clips_0.5_seconds_seed_0"]


def test_what_a_killed_process_leaves_is_not_taken_for_whole(home: Path) -> None:
    def die(folder: Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_whole(home / "sounds", die)
    assert list(home.iterdir()) == []
    (home / ".sounds-of-a-process-that-was-killed").mkdir()
    make_whole(home / "sounds", lambda folder: (folder / "whole").touch())
    assert [path.name for path in (home / "sounds").iterdir()] == ["whole"]


def test_of_two_at_once_the_first_wins(home: Path) -> None:
    def slow(folder: Path) -> None:
        make_whole(home / "sounds", lambda other: (other / "fast").touch())
        (folder / "slow").touch()

    make_whole(home / "sounds", slow)
    assert [path.name for path in home.iterdir()] == ["sounds"]
    assert [path.name for path in (home / "sounds").iterdir()] == ["fast"]


def test_missing_sounds_are_named(home: Path) -> None:
    made = demo(clips=3, seconds=0.5)
    (made.folder / "siren" / "test-recorder_24-0000.wav").unlink()
    (made.folder / "dog_bark" / "train-recorder_00-0000.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError) as caught:
        demo(clips=3, seconds=0.5).clips("valid")
    assert str(caught.value) == (
        f"{made.folder}: missing or cut short: dog_bark/train-recorder_00-0000.wav, "
        f"siren/test-recorder_24-0000.wav. Remove the folder, and mixkit makes it again."
    )


def test_a_place_that_cannot_be_written_to_names_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fix = "Set MIXKIT_DATA to a folder that can be written to and has room."
    (tmp_path / "file").touch()
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path / "file"))
    with pytest.raises(DataError) as caught:
        demo(clips=3, seconds=0.5).clips("train")
    folder = tmp_path / "file" / "demo" / "v1_3_clips_0.5_seconds_seed_0"
    assert str(caught.value) == f"cannot make {folder} (Not a directory). {fix}"

    def unknown(_: int) -> None:
        raise KeyError("a user of a container, whom the system does not know")

    monkeypatch.delenv("MIXKIT_DATA")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(DataError) as caught:
        demo(clips=3, seconds=0.5).clips("train")
    assert str(caught.value) == f"no home folder to keep data in. {fix}"
