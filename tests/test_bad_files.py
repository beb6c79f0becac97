"""`task.on_bad_file`: stop before training, or leave out a few and say so, in training and evaluation alike."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import mixkit
from mixkit.audio import cache
from mixkit.audio.chunks import UNFINISHED
from mixkit.data.batches import Batches, Order
from mixkit.errors import DataError
from mixkit.recipe.faults import RecipeError
from mixkit.recipe.gin_file import recipe_from_text
from mixkit.recipe.schema import Recipe
from mixkit.recipe.writer import to_gin
from mixkit.training.display import TrainingDisplay
from mixkit.training.prepare import Prepared, prepare
from tests.conftest import Said

RATE = 8000
CPU = torch.device("cpu")
SKIP = "task.on_bad_file = 'skip'"
MEND = "Mend or remove them, or go on without: task.on_bad_file = 'skip'."


class Says(TrainingDisplay):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def sound(seed: int, samples: int = 400) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(samples)


def cut_short(path: Path) -> None:
    soundfile.write(path, sound(0), RATE, format="WAV")
    path.write_bytes(path.read_bytes()[:-300])


def not_numbers(path: Path) -> None:
    soundfile.write(path, np.where(np.arange(400) == 300, np.nan, 0.1), RATE, subtype="FLOAT", format="WAV")


def damaged_inside(path: Path) -> None:
    """A FLAC whose header is fine: only decoding tells."""
    soundfile.write(path, sound(0, 9000), RATE, format="FLAC")
    content = bytearray(path.read_bytes())
    content[-4000:-3000] = bytes(1000)
    path.write_bytes(content)


KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "0 bytes": (lambda path: path.write_bytes(b""), "0 samples of audio. "),
    "no audio": (lambda path: path.write_bytes(b"<html>not found</html>"), "is not WAV, FLAC, OGG, MP3 or AIFF. "),
    "cut short": (cut_short, "says 800 bytes of audio and has 500. "),
    "not numbers": (not_numbers, "has samples that are not numbers. "),
    "damaged inside": (damaged_inside, ""),
}


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 recordings of a twentieth of a second, of two classes."""
    root = tmp_path_factory.mktemp("thousand")
    for number in range(1000):
        path = root / "ab"[number % 2] / f"{number:03d}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, sound(number), RATE)
    return root


def recipe(root: Path, *settings: str) -> Recipe:
    lines = [
        "recipe.task = @task.folder()",
        f"task.folder.root = {str(root)!r}",
        f"task.folder.sample_rate = {RATE}",
        "task.folder.seconds = 0.05",
        "block.branches = [@operator.channel()]",
        "model.width = 8",
        "model.depth = 1",
        "model.stem = @stem.patches()",
        "stem.patches.size = (16, 2)",
        "stem.patches.stride = (16, 2)",
        "features.log_mel.window_ms = 25",
        "features.log_mel.hop_ms = 10",
        "train.epochs = 1",
        "train.batch_size = 100",
    ]
    return mixkit.load_recipe("asm_rh", settings=[*lines, *settings])


def heard(prepared: Prepared, workers: int) -> dict[str, int]:
    """Clips of each split that come through."""
    found = {}
    for split in prepared.splits.clips:
        audio = prepared.splits.audio(split)
        found[split] = sum(len(batch.items) for batch in Batches(audio, Order(len(audio), 100), CPU, workers).epoch(0))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_one_bad_file_among_a_thousand(thousand: Path, kind: str) -> None:
    spoil, reason = KINDS[kind]
    path = thousand / "a" / "500.wav"
    whole = path.read_bytes()
    spoil(path)
    try:
        with pytest.raises(DataError) as caught:
            prepare(recipe(thousand), "cpu")
        first, second, last = str(caught.value).splitlines()
        assert first.startswith("1 of 1000 clips cannot be used (1 of ")
        assert second.startswith(f"  {path}: {reason}")
        assert last == MEND
        display = Says()
        prepared = prepare(recipe(thousand, SKIP), "cpu", display)
        (skipped,) = prepared.splits.skipped
        assert skipped.path == str(path)
        assert skipped.reason.startswith(reason)
        assert display.lines[0] == f"left out of {skipped.split}: {path}: {skipped.reason}"
        found = heard(prepared, 0)
        assert heard(prepared, 2) == found
        assert sum(found.values()) == 999
        assert display.lines[1].startswith(
            f"{found['train']} train, {found['valid']} valid, {found['test']} test clips"
        )
    finally:
        path.write_bytes(whole)


def test_a_thousand_bad_files_among_good_ones(thousand: Path, tmp_path: Path) -> None:
    root = tmp_path / "both"
    for label in "ab":
        (root / label).mkdir(parents=True)
        for path in (thousand / label).iterdir():
            os.link(path, root / label / path.name)
    for number in range(1000):
        spoil = list(KINDS.values())[number % 5][0]
        spoil(root / "ab"[number % 2] / f"bad-{number:03d}.wav")
    with pytest.raises(DataError) as caught:
        prepare(recipe(root), "cpu")
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("1000 of 2000 clips cannot be used (")
    assert len(lines) == 13
    assert all("/bad-" in line for line in lines[1:11])
    assert lines[11:] == ["  ... and 990 more.", MEND]
    with pytest.raises(DataError) as caught:
        prepare(recipe(root, SKIP), "cpu")
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(
        "1000 of 2000 clips cannot be used, more than the 1% that task.on_bad_file = 'skip' leaves out ("
    )
    assert lines[11:] == ["  ... and 990 more.", "Mend or remove them."]


def test_one_in_a_hundred_may_be_left_out_and_not_more(tmp_path: Path) -> None:
    for number in range(200):
        path = tmp_path / "ab"[number % 2] / f"{number:03d}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, sound(number), RATE)
    for number in (10, 20):
        (tmp_path / "a" / f"{number:03d}.wav").write_bytes(b"")
    assert len(prepare(recipe(tmp_path, SKIP), "cpu").splits.skipped) == 2
    (tmp_path / "b" / "031.wav").write_bytes(b"")
    with pytest.raises(DataError, match=r"^3 of 200 clips cannot be used, more than the 1%"):
        prepare(recipe(tmp_path, SKIP), "cpu")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("rare", "valid has no clip of rare left that can be used. Mend them, or add others."),
        ("all", "valid has no clip left: all of them cannot be used. Mend them."),
    ],
)
def test_a_class_or_split_that_becomes_empty_is_refused(tmp_path: Path, row: str, message: str) -> None:
    rows = [f"{n}.wav,{'ab'[n % 2]},{'train' if n < 250 else 'test'}" for n in range(300)]
    rows += ["bad.wav,rare,valid", "good.wav,rare,train"] + (["a.wav,a,valid"] if row == "rare" else [])
    (tmp_path / "table.csv").write_text("path,label,split\n" + "\n".join(rows) + "\n")
    for number, line in enumerate(rows):
        soundfile.write(tmp_path / line.split(",")[0], sound(number), RATE)
    (tmp_path / "bad.wav").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        prepare(recipe(tmp_path, SKIP, "task.folder.table = 'table.csv'"), "cpu")
    assert str(caught.value) == message


def test_names_are_escaped_where_they_are_said(thousand: Path) -> None:
    path = thousand / "a" / "\x1b[31mred\n.wav"
    path.write_bytes(b"")
    try:
        display = Says()
        prepared = prepare(recipe(thousand, SKIP), "cpu", display)
        shown = f"{thousand}/a/\\x1b[31mred\\n.wav"
        assert prepared.splits.skipped[0].to_json()["path"] == shown
        assert display.lines[0] == (
            f"left out of {prepared.splits.skipped[0].split}: {shown}: 0 samples of audio. "
            "Remove the file, or list it in task.folder.skip."
        )
    finally:
        path.unlink()


def test_what_was_mended_is_said(thousand: Path) -> None:
    path = thousand / "a" / "002.wav"
    whole = path.read_bytes()
    path.write_bytes(whole[:40] + bytes(4) + whole[44:])
    display = Says()
    try:
        assert not prepare(recipe(thousand), "cpu", display).splits.skipped
    finally:
        path.write_bytes(whole)
    assert display.lines[0] == f"{path}: {UNFINISHED}"


def test_what_was_heard_is_not_heard_again_until_a_file_changes(
    thousand: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path))
    monkeypatch.setattr(cache, "SETTLED", -1.0)
    decoded: list[object] = []
    real = cache.open_recording
    monkeypatch.setattr(cache, "open_recording", lambda path, *rest: decoded.append(path) or real(path, *rest))
    counts = []
    for _ in range(2):
        prepare(recipe(thousand), "cpu")
        counts.append(len(decoded))
    assert counts == [1000, 1000]
    path = thousand / "b" / "501.wav"
    whole = path.read_bytes()
    path.write_bytes(whole[:-300])
    with pytest.raises(DataError, match=r"^1 of 1000 clips cannot be used"):
        prepare(recipe(thousand), "cpu")
    path.write_bytes(whole)


def test_the_key_is_carried_by_the_recipe(mixkit_command: Callable[..., Said]) -> None:
    plain = mixkit.load_recipe("asm_rh")
    skipping = mixkit.load_recipe("asm_rh", settings=[SKIP])
    assert (plain.on_bad_file, skipping.on_bad_file) == ("stop", "skip")
    assert plain != skipping
    for one in (plain, skipping):
        assert f"\ntask.on_bad_file = {one.on_bad_file!r}\n" in to_gin(one)
        assert recipe_from_text(to_gin(one), one.name) == one
    shown = mixkit_command("show", "asm_rh", "--set", SKIP).out
    assert [line.split() for line in shown.splitlines() if "on_bad_file" in line] == [
        ["task.on_bad_file", "=", "'skip'", "#", "--set", f'"{SKIP}"'.split()[0], "=", "'skip'\""]
    ]
    document = json.loads(mixkit_command("show", "asm_rh", "--json").out)
    assert document["recipe"]["on_bad_file"] == "stop"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("task.on_bad_file = 'leave'", "task.on_bad_file is 'leave'. It takes 'stop' or 'skip'."),
        ("task.on_bad_file = True", "task.on_bad_file is True. It takes 'stop' or 'skip'."),
        ("task.on_bad_files = 'skip'", "task.on_bad_files is no setting. Did you mean task.on_bad_file?"),
        ("task.demo.on_bad_file = 'skip'", "task.demo.on_bad_file is no setting. Did you mean task.on_bad_file?"),
        ("train.on_bad_file = 'skip'", "train.on_bad_file is no setting. Did you mean task.on_bad_file?"),
        ("recipe.on_bad_file = 'skip'", "recipe.on_bad_file is no setting. Did you mean task.on_bad_file?"),
        ("x/task.on_bad_file = 'skip'", "nothing uses x/task.on_bad_file. Did you mean task.on_bad_file?"),
        ("task.folds = 3", "task.folds names the task itself. Write task.folds.SETTING = value."),
    ],
)
def test_a_key_that_is_not_quite_right(line: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        mixkit.load_recipe("asm_rh", settings=[line])
    assert str(caught.value) == f'--set "{line}": {message}'


def test_training_and_evaluation_leave_out_the_same(
    thousand: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from mixkit.data.run_split import run_split
    from mixkit.training.evaluate import evaluate_split
    from mixkit.training.loop import train

    bad = [thousand / "a" / "500.wav", thousand / "b" / "777.wav", thousand / "b" / "007.wav"]
    whole = [path.read_bytes() for path in bad]
    try:
        for path in bad:
            path.write_bytes(b"")
        run = train(recipe(thousand, SKIP), tmp_path, device="cpu")
        results = run.results()
        assert sorted(entry["path"] for entry in results.skipped) == sorted(map(str, bad))
        model = mixkit.load(run.folder)
        found = evaluate_split(model, run_split(model, "test"), "test", CPU)
        assert found == results.test
        assert [line.split(": ")[1] for line in caplog.messages] == [entry["path"] for entry in results.skipped]
    finally:
        for path, content in zip(bad, whole, strict=True):
            path.write_bytes(content)
