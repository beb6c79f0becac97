"""A trained run on new recordings: labels by name, what is unknown or missing, and what it has heard before."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

import mixkit
from mixkit.runs.folder import Run
from mixkit.training.loop import train
from tests.conftest import Said

Command = Callable[..., Said]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on a folder of three classes of four recordings."""
    import numpy as np

    root, dice = tmp_path_factory.mktemp("own") / "sounds", np.random.default_rng(0)
    for label in ("Bell", "low", "silence"):
        (root / label).mkdir(parents=True)
        for number in range(6):
            soundfile.write(root / label / f"{number}.wav", 0.1 * dice.standard_normal(4000), 16_000)
    lines = [
        "recipe.task = @task.folder()",
        f"task.folder.root = {str(root)!r}",
        "task.folder.seconds = 0.25",
        "model.width = 16",
        "model.depth = 1",
        "train.epochs = 1",
    ]
    return train(mixkit.load_recipe("mlp_mixer", settings=lines), tmp_path_factory.mktemp("runs"), device="cpu")


def sounds(run: Run) -> Path:
    return Path(mixkit.load(run.folder).recipe.task.params["root"])


def of_split(run: Run, *splits: str) -> list[str]:
    rows = [json.loads(line) for line in (run.folder / "clips.jsonl").read_text().splitlines()]
    return [row["path"] for row in rows if row["split"] in splits]


def new(root: Path, *paths: str) -> Path:
    import numpy as np

    dice = np.random.default_rng(7)
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / path, 0.1 * dice.standard_normal(6000), 16_000)
    return root


def test_labels_are_matched_by_name(mixkit_command: Command, run: Run, tmp_path: Path) -> None:
    later = new(tmp_path / "later", "low/1.wav", "low/2.wav", "Bell/1.wav", "bell/2.wav", "bird/1.wav")
    said = mixkit_command("evaluate", run.folder, "--on", later, "--json", "--out", tmp_path / "out")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["new"]["clips"] == 3
    assert found["unknown"] == {"bell": 1, "bird": 1}
    assert found["missing"] == ["silence"]
    assert {label: one["clips"] for label, one in found["classes"].items()} == {"Bell": 1, "low": 2, "silence": 0}
    assert "and their clips: bell (1, did you mean 'Bell'?), bird (1).\n" in said.err
    assert "Classes without a clip: silence.\n" in said.err
    assert found["trained_on"] == found["likely_trained_on"] == []
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text()) == found
    assert (tmp_path / "out" / "clips.csv").read_text().count("\n") == 4


def test_a_table_and_the_text_of_a_terminal(mixkit_command: Command, run: Run, tmp_path: Path) -> None:
    root = new(tmp_path / "later", "a.wav", "b.wav", "c.wav")
    (root / "clips.csv").write_text("path,label,fold\na.wav,low,1\nb.wav,Bell,2\nc.wav,low,3\n")
    said = mixkit_command("evaluate", run.folder, "--on", root / "clips.csv")
    assert said.code == 0, said.err
    for words in ("mlp_mixer on ", "precision", "mean over classes (macro)", "confusion: ", "calibration: ECE 0."):
        assert words in said.out
    assert "new      3" in said.out.replace("│", "").replace("  ", " ").replace("  ", " ") or " 3 " in said.out


def test_what_the_run_has_heard_is_not_counted(mixkit_command: Command, run: Run, tmp_path: Path) -> None:
    """The bytes, the samples in another file, and the same at another rate; a clip of test is new to the network."""
    later = new(tmp_path / "later", "low/new.wav")
    learned = [path for path in of_split(run, "train", "valid") if path.startswith("low/")]
    (held,) = [path for path in of_split(run, "test") if path.startswith("low/")][:1]
    shutil.copy(sounds(run) / learned[0], later / "low" / "same_bytes.wav")
    sound, rate = soundfile.read(sounds(run) / learned[1], dtype="int16")
    soundfile.write(later / "low" / "same_samples.flac", sound, rate)
    shutil.copy(sounds(run) / held, later / "low" / "held_out.wav")
    said = mixkit_command("evaluate", run.folder, "--on", later, "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["new"]["clips"] == 2
    assert sorted(Path(path).name for path in found["trained_on"]) == ["same_bytes.wav", "same_samples.flac"]
    assert "Not counted, since the run was trained on them or chosen by them: 2 of 4 (" in said.err


def test_bytes_tell_where_the_recordings_of_the_run_have_gone(
    mixkit_command: Command, run: Run, tmp_path: Path
) -> None:
    learned = of_split(run, "train", "valid")
    later = new(tmp_path / "later", "low/new.wav")
    shutil.copy(sounds(run) / learned[0], later / "low" / "same_bytes.wav")
    aside = sounds(run).rename(tmp_path / "aside")
    try:
        said = mixkit_command("evaluate", run.folder, "--on", later, "--json")
    finally:
        aside.rename(sounds(run))
    assert said.code == 0, said.err
    assert json.loads(said.out)["new"]["clips"] == 1
    gone = f"{len(learned)} of {len(learned)} clips of the run are not here: those are compared by their bytes alone."
    assert gone in said.err


def test_a_task_and_a_split_of_it(mixkit_command: Command, run: Run) -> None:
    small = ("--set", "task.demo.clips = 3", "--set", "task.demo.seconds = 0.5")
    said = mixkit_command("evaluate", run.folder, "--on", "demo", *small)
    assert said.code == 2
    assert "none of the 30 clips has a label that the network knows: it knows Bell, low, silence" in said.err
    said = mixkit_command("evaluate", run.folder, "--on", "task/demo", "--split", "test", *small)
    assert "none of the 10 clips has a label" in said.err


MISTAKES = {
    "no such thing": (("--on", "nowhere"), "error: --on nowhere is no folder, no CSV file and no task. Known: "),
    "clips of the run": (
        ("--on", "demo", "--allow-missing"),
        "error: --allow-missing is for clips of the run, and --on names others. Leave it out.",
    ),
    "a setting of another task": (("--on", "demo", "--set", "task.esc50.fold = 2"), 'error: --set "task.esc50.fold'),
}


@pytest.mark.parametrize(("words", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(mixkit_command: Command, run: Run, words: tuple[str, ...], message: str) -> None:
    said = mixkit_command("evaluate", run.folder, *words)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(message)


def test_nothing_left_is_refused(mixkit_command: Command, run: Run, tmp_path: Path) -> None:
    shutil.copytree(sounds(run), tmp_path / "same")
    for path in of_split(run, "test"):
        (tmp_path / "same" / path).unlink()
    said = mixkit_command("evaluate", run.folder, "--on", tmp_path / "same")
    assert said.code == 2
    assert "error: every clip was trained on, or the epoch chosen by it." in said.err


def test_a_split_of_the_run_has_all_of_it_too(mixkit_command: Command, run: Run) -> None:
    said = mixkit_command("evaluate", run.folder, "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["split"] == "test"
    assert found["test"] == json.loads(json.dumps(run.results().test.to_json()))
    assert set(found["classes"]) == {"Bell", "low", "silence"}
    assert 0 <= found["calibration"]["error"] <= 1
