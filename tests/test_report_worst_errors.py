"""The worst errors of a trained run: the right ones, heard and seen; and a page that does without them."""

import shutil
from io import BytesIO
from pathlib import Path

import pytest
import soundfile
import torch

import mixkit
from mixkit.data.run_split import run_split
from mixkit.registry import task
from mixkit.report import page, write
from mixkit.report.worst_errors import worst
from mixkit.training.evaluate import evaluate_split
from mixkit.training.loop import train

SETTINGS = ("task.demo.clips = 16", "model.width = 32", "model.depth = 1", "train.epochs = 1", "train.batch_size = 16")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = mixkit.load_recipe("asm_rh", settings=[*SETTINGS, "train.precision = 'float32'"])
    return train(recipe, tmp_path_factory.mktemp("runs"), device="cpu").folder


def test_they_are_the_wrong_answers_with_the_lowest_scores(run: Path) -> None:
    model = mixkit.load(run)
    clips = task.build(model.recipe.task).clips("test")
    found = worst(run, 1_000, CPU)
    measured = evaluate_split(model, run_split(model, "test"), "test", CPU)
    assert found.clips == len(clips) == measured.clips
    assert found.wrong == len(found.mistakes) == round((1 - measured.value("accuracy")) * measured.clips)
    scores = [mistake.right[0][1] for mistake in found.mistakes]
    assert scores == sorted(scores)
    for mistake in found.mistakes:
        assert mistake.right[0][0] != mistake.answered[0][0]
        assert mistake.right[0][1] < mistake.answered[0][1]
        assert mistake.name.startswith(mistake.right[0][0])  # the demo's folders are its labels
    assert worst(run, 3, CPU).mistakes == found.mistakes[:3]


def test_the_player_has_what_the_network_heard(run: Path) -> None:
    mistake = worst(run, 1, CPU).mistakes[0]
    sound, rate = soundfile.read(BytesIO(mistake.sound))
    assert (rate, len(sound), mistake.cut) == (16_000, 32_000, False)
    root = task.build(mixkit.load(run).recipe.task).clips("test")[0].path.parents[1]
    source, _ = soundfile.read(root / mistake.name)
    assert abs(sound[: len(source)] - source[: len(sound)]).max() < 1e-4
    assert mistake.picture.startswith(b"\x89PNG")


def test_the_page_has_players_and_bounds_them(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = write.report([run], tmp_path / "all", errors=3)[0].read_text()
    assert text.count("<audio controls") == text.count('class="spectrogram"') == 3
    assert text.count('src="data:audio/wav;base64,UklGR') == 3  # RIFF
    monkeypatch.setattr(page, "ROOM", 200_000)
    text = write.report([run], tmp_path / "few", errors=3)[0].read_text()
    assert text.count("<audio controls") == 1
    assert "2 more are left out" in text


def test_without_weights_or_recordings_the_page_says_so(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / "best.safetensors").write_bytes(b"not weights")
    text = write.report([copy], tmp_path / "damaged")[0].read_text()
    assert "<audio" not in text
    assert "Not heard: " in text
    assert "best.safetensors" in text
    said: list[str] = []
    write.report([copy], tmp_path / "said", say=said.append)
    assert len(said) == 1
    assert said[0].startswith("asm_rh: no errors shown: ")
    assert "Worst errors" not in write.report([copy], tmp_path / "none", errors=0)[0].read_text()
