"""The same audio in two splits, whatever file it stands in: training and `mixkit data check` say the same."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import mixkit
from mixkit.audio.facts import AudioFacts, examine
from mixkit.audio.resample import resample
from mixkit.audio.sketch import Sketch
from mixkit.data import leaks
from mixkit.data.check import Report, check
from mixkit.data.inspect import CheckedClip
from mixkit.data.leaks import find_copies, refuse_leaks
from mixkit.errors import DataError
from mixkit.recipe.schema import Recipe
from mixkit.registry import Clip, task
from mixkit.tasks.clip import SPLITS
from mixkit.training.display import TrainingDisplay
from mixkit.training.prepare import prepare

RATE = 16_000
SAMPLES = 16_000


class Says(TrainingDisplay):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def noise(seed: int, samples: int = SAMPLES) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(samples)


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> None:
    soundfile.write(path, samples, rate, subtype="PCM_16")


def same(root: Path, original: np.ndarray) -> str:
    write(root / "copy.wav", original)
    return "copy.wav,a,test,,"


def in_flac(root: Path, original: np.ndarray) -> str:
    write(root / "copy.flac", original)
    return "copy.flac,a,test,,"


def both_channels(root: Path, original: np.ndarray) -> str:
    write(root / "copy.wav", np.stack([original, original], 1))
    return "copy.wav,a,test,,"


def section(root: Path, original: np.ndarray) -> str:
    write(root / "copy.flac", np.concatenate([noise(1000), original, noise(1001)]))
    return "copy.flac,a,test,1.0,2.0"


def at_another_rate(root: Path, original: np.ndarray) -> str:
    lower = resample(torch.from_numpy(original).float(), RATE, 11_025).numpy()
    write(root / "copy.wav", lower, 11_025)
    return "copy.wav,a,test,,"


def stereo(root: Path, original: np.ndarray) -> str:
    """Whose mean is the original, but for its rounding."""
    side = noise(1002)
    write(root / "copy.wav", np.stack([original + side, original - side], 1))
    return "copy.wav,a,test,,"


def another(root: Path, original: np.ndarray) -> str:
    write(root / "copy.wav", noise(1003))
    return "copy.wav,a,test,,"


def recipe(root: Path) -> Recipe:
    lines = (
        "recipe.task = @task.folder()",
        f"task.folder.root = {str(root)!r}",
        "task.folder.table = 'table.csv'",
        f"task.folder.sample_rate = {RATE}",
        "task.folder.seconds = 1.0",
        "model.width = 16",
        "model.depth = 1",
    )
    return mixkit.load_recipe("asm_rh", settings=lines)


@pytest.mark.parametrize(
    ("copy", "verdict"),
    [
        (same, "leaked_audio"),
        (in_flac, "leaked_audio"),
        (both_channels, "leaked_audio"),
        (section, "leaked_audio"),
        (at_another_rate, "likely_copy"),
        (stereo, "likely_copy"),
        (another, None),
    ],
)
@pytest.mark.parametrize("room", ["0", "1"])
def test_both_commands_say_the_same(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    copy: Callable[[Path, np.ndarray], str],
    verdict: str | None,
    room: str,
) -> None:
    monkeypatch.setenv("MIXKIT_AUDIO_CACHE", room)
    rows = ["path,label,split,start,stop"]
    for number in range(12):
        write(tmp_path / f"{number}.wav", noise(number))
        rows.append(f"{number}.wav,{'ab'[number % 2]},{SPLITS[number // 4]},,")
    original, _ = soundfile.read(tmp_path / "0.wav")
    rows.append(copy(tmp_path, original))
    (tmp_path / "table.csv").write_text("\n".join(rows))
    asked = recipe(tmp_path)
    report = check(task.build(asked.task), "folder", lambda *_: None)
    (name,) = [path.name for path in tmp_path.iterdir() if path.stem == "copy"]
    pair = f"{tmp_path}/0.wav (train) = {tmp_path}/{name}"
    assert kinds(report) == ([] if verdict is None else [verdict])
    assert report.clean == (verdict != "leaked_audio")
    display = Says()
    if verdict == "leaked_audio":
        with pytest.raises(DataError) as caught:
            prepare(asked, "cpu", display)
        first, second = str(caught.value).splitlines()
        assert first == (
            "the same recording, sample for sample, stands in two splits (1 times). Leave one of each pair out:"
        )
        assert second.startswith(f"  {pair}")
        return
    prepare(asked, "cpu", display)
    said = [line for line in display.lines if line.startswith("Likely the same recording in two splits")]
    assert len(said) == (verdict is not None)
    assert all(pair in line for line in said)


def kinds(report: Report) -> list[str]:
    about_copies = ("leaked_audio", "mixed_audio", "duplicate", "likely_copy")
    return [kind for kind in about_copies for _ in report.findings[kind]]


def test_paper_random_lets_copies_through_and_says_so(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1), ("d", 2)):
        write(tmp_path / f"{name}.wav", noise(seed))
    listed = {
        "train": (Clip(tmp_path / "a.wav", "x", "1"), Clip(tmp_path / "c.wav", "y", "3")),
        "valid": (Clip(tmp_path / "d.wav", "y", "4"),),
        "test": (Clip(tmp_path / "b.wav", "x", "2"),),
    }

    class Listed:
        labels, folds, sample_rate, seconds, notes = ("x", "y"), (), RATE, 1.0, ()

        def __init__(self, protocol: str):
            self.protocol = protocol

        def clips(self, split: str) -> tuple[Clip, ...]:
            return listed[split]

    report = check(Listed("paper-random"), "listed", lambda *_: None)
    assert (kinds(report), report.clean) == (["mixed_audio"], True)
    assert refuse_leaks(report.clips, "paper-random") == ()
    control = check(Listed("official"), "listed", lambda *_: None)
    assert (kinds(control), control.clean) == (["leaked_audio"], False)
    with pytest.raises(DataError, match=r"^the same recording, sample for sample"):
        refuse_leaks(control.clips, "official")


def cosine(one: bytes, other: bytes) -> float:
    first, second = (np.frombuffer(found, np.int8).astype(float) for found in (one, other))
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def sketch(samples: np.ndarray, rate: int) -> bytes:
    made = Sketch(rate)
    for block in np.array_split(samples, 3):
        made.add(block)
    return made.finish()


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 32_000, 48_000])
def test_a_copy_at_another_rate_has_the_same_sketch(rate: int) -> None:
    time = np.arange(3 * 44_100) / 44_100
    for samples in (noise(0, len(time)), 0.3 * np.sin(2 * np.pi * 440 * time) * np.sin(np.pi * time / 3)):
        original = samples.astype(np.float32)
        copy = resample(torch.from_numpy(original), 44_100, rate).numpy()
        rounded = (np.round(copy * 32767) / 32768).astype(np.float32)
        assert cosine(sketch(original, 44_100), sketch(rounded, rate)) > leaks.LIKELY


def test_of_recordings_without_a_sketch_the_same_samples_are_still_found(tmp_path: Path) -> None:
    """High tones alone, as of bats: there is too little in the band."""
    time = np.arange(SAMPLES) / RATE
    checked = []
    for number, split in ((0, "train"), (1, "train"), (0, "test")):
        path = tmp_path / f"{split}{number}.wav"
        write(path, 0.3 * np.sin(2 * np.pi * (6000 + 500 * number) * time))
        checked.append(CheckedClip(split, Clip(path, "a", path.stem), examine(path)))
    assert all(isinstance(one.found, AudioFacts) and not one.found.sketch for one in checked)
    (copy,) = find_copies(checked)
    assert (copy.first, copy.second, copy.exact) == (checked[0], checked[2], True)


def test_other_recordings_have_other_sketches(tmp_path: Path) -> None:
    """Noises; tones four hertz apart, in the band and outside it; one tone with other noise; the demo."""
    time = np.arange(RATE) / RATE
    tones = [0.3 * np.sin(2 * np.pi * (100 + 4 * number) * time) for number in range(400)]
    noises = [noise(number) for number in range(200)]
    mixed = [tones[85] + 0.1 * samples for samples in noises]
    clips = []
    for number, samples in enumerate([*tones, *noises, *mixed]):
        write(tmp_path / f"{number}.wav", samples)
        clips.append(Clip(tmp_path / f"{number}.wav", "a", str(number)))
    assert find_copies([CheckedClip("train", clip, examine(clip.path)) for clip in clips]) == []
    demo = task.build(task.spec("demo", clips=30))
    facts = {clip: examine(clip.path) for split in SPLITS for clip in demo.clips(split)}
    assert find_copies(CheckedClip("train", clip, found) for clip, found in facts.items()) == []
    assert sum(bool(found.sketch) for found in facts.values()) > 0.8 * len(facts)
