"""One bad clip among 200, in each split: what every command that reads the clips of a run makes of it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import Said

RATE = 8000
SIZES = {"train": 120, "valid": 40, "test": 40}
FIGURES = ("curves.png", "confusion.png", "spectrograms.png")
SKIP = "task.on_bad_file = 'skip'"

Command = Callable[..., Said]


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 recordings of a twentieth of a second, of two classes, with a table of their splits."""
    root = tmp_path_factory.mktemp("sounds")
    rows = ["path,label,split"]
    for split, size in SIZES.items():
        for number in range(size):
            name = f"{split}{number}.wav"
            soundfile.write(root / name, 0.1 * np.random.default_rng(len(rows)).standard_normal(400), RATE)
            rows.append(f"{name},{'ab'[number % 2]},{split}")
    (root / "table.csv").write_text("\n".join(rows))
    return root


@pytest.fixture(params=SIZES)
def bad(request: pytest.FixtureRequest, sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The bad one of the recordings: the first of its split, which every command wants to see."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(sounds, tmp_path / "sounds")
    path = tmp_path / "sounds" / f"{request.param}0.wav"
    path.write_bytes(b"")
    return path


def arguments(root: Path, *settings: str) -> list[str]:
    lines = [
        "recipe.task = @task.folder()",
        f"task.folder.root = {str(root)!r}",
        "task.folder.table = 'table.csv'",
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
        "train.batch_size = 40",
        "train.workers = 0",
        *settings,
    ]
    return [word for line in lines for word in ("--set", line)]


def test_left_out_by_every_command(bad: Path, mixkit_command: Command, caplog: pytest.LogCaptureFixture) -> None:
    split = bad.stem.rstrip("0")
    note = f"left out of {split}: {bad}: 0 samples of audio."
    trained = mixkit_command("train", "asm_rh", *arguments(bad.parent, SKIP), "--name", "run")
    assert trained.code == 0, trained.err
    assert note in trained.out.replace("\n", "")
    assert "figures of the best epoch" in trained.out
    run = Path("runs/run")
    results = json.loads((run / "results.json").read_text())
    assert [(one["split"], one["path"]) for one in results["skipped"]] == [(split, str(bad))]
    assert all((run / "figures" / name).is_file() for name in FIGURES)

    (run / "results.json").unlink()
    (run / "figures" / "spectrograms.png").unlink()
    resumed = mixkit_command("train", "--resume", run)
    assert resumed.code == 0, resumed.err
    assert note in resumed.out.replace("\n", "")
    assert json.loads((run / "results.json").read_text()) == results
    assert all((run / "figures" / name).is_file() for name in FIGURES)

    assert not caplog.messages  # nothing is said twice

    for evaluated in SIZES:
        caplog.clear()
        said = mixkit_command("evaluate", run, "--split", evaluated, "--json")
        assert said.code == 0, said.err
        assert note in caplog.text
        assert json.loads(said.out)[evaluated]["clips"] == SIZES[evaluated] - (evaluated == split)

    caplog.clear()
    said = mixkit_command("report", run)
    assert said.code == 0, said.err
    assert note in caplog.text
    assert "no errors shown" not in said.out + said.err
    page = (run / "report" / "report.html").read_text()
    assert page.count("<audio controls") == 4
    assert "Not heard" not in page

    caplog.clear()
    said = mixkit_command("look", run)
    assert said.code == 0, said.err
    assert note in caplog.text
    assert (run / "figures" / "look_branches.png").is_file()

    caplog.clear()
    said = mixkit_command("export", run, "--to", "torch", "--out", "model.pt2")
    assert said.code == 0, said.err
    assert note in caplog.text
    assert "test clips of the run" in said.out


def test_refused_by_training(bad: Path, mixkit_command: Command) -> None:
    said = mixkit_command("train", "asm_rh", *arguments(bad.parent), "--name", "run")
    assert said.code == 2
    assert said.err.startswith("error: 1 of 200 clips cannot be used (1 of ")
    assert f"\n  {bad}: 0 samples of audio." in said.err
    assert not Path("runs/run").exists()


def test_a_clip_that_goes_bad_later_is_named_where_it_is_needed(
    sounds: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mixkit_command: Command,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The control of leaving out: a run that leaves nothing out, all of whose clips were good when it was trained."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(sounds, tmp_path / "sounds")
    assert mixkit_command("train", "asm_rh", *arguments(tmp_path / "sounds"), "--name", "run").code == 0
    for split in ("valid", "test"):
        (tmp_path / "sounds" / f"{split}0.wav").write_bytes(b"")
    run = Path("runs/run")
    said = mixkit_command("evaluate", run)
    assert said.code == 2
    assert said.err == (
        "error: 1 of the run's 40 test clips are not what they were: 1 exchanged (test0.wav). "
        "Bring them back, or do without them: --allow-missing.\n"
    )
    assert mixkit_command("evaluate", run, "--split", "train").code == 0
    left_out = "1 of the run's 40 {} clips are left out: 1 exchanged ({}0.wav)."
    for split, command in (
        ("test", ("evaluate", run, "--allow-missing")),
        ("valid", ("look", run)),
        ("test", ("report", run)),
        ("test", ("export", run, "--to", "torch", "--out", "model.pt2")),
    ):
        caplog.clear()
        said = mixkit_command(*command)
        assert said.code == 0, said.err
        assert left_out.format(split, split) in caplog.messages
    assert left_out.format("test", "test") in (run / "report" / "report.html").read_text().replace("&#39;", "'")
    (run / "results.json").unlink()
    said = mixkit_command("train", "--resume", run)
    assert said.code == 2
    assert "2 of 200 clips cannot be used" in said.err
