"""The clips of a run: whoever judges it uses those that it kept, whatever has become of its recordings since."""

import json
import shutil
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import mixkit
from mixkit.data.kept_clips import find_clips, name_clips
from mixkit.errors import DamagedError
from mixkit.registry import Clip, task
from mixkit.runs.clips import FILE, RunClip, read_clips, to_bytes
from mixkit.runs.folder import Run
from mixkit.tasks.clip import draw
from tests.conftest import Said

RATE = 8000
EACH = 30
LATE = [number for number in range(100, 1000) if min(draw(f"{label}/{number}.wav") for label in "ab") > "8"][:EACH]
"""Names that come late in the order of dividing, so that those that were there stand closer to its beginning."""

Command = Callable[..., Said]


def sound(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.random.default_rng(seed).standard_normal(400), RATE)


def add(root: Path, numbers: Iterable[int]) -> None:
    for label in ("a", "b"):
        for number in numbers:
            sound(root / label / f"{number:02d}.wav", 1000 * (label == "b") + number)


def lines(root: Path, *settings: str) -> tuple[str, ...]:
    return (
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
        "train.epochs = 2",
        "train.batch_size = 16",
        *settings,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recordings, and a run on them."""
    folder = tmp_path_factory.mktemp("trained")
    add(folder / "sounds", range(EACH))
    mixkit.train(mixkit.load_recipe("asm_rh", settings=lines(folder / "sounds")), folder, "run", "cpu")
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, of which the recordings lie where its recipe says."""
    shutil.copytree(trained, tmp_path / "here")
    text = (tmp_path / "here/run/recipe.gin").read_text()
    root = tmp_path / "here/sounds"
    monkeypatch.setattr("mixkit.tasks.folder.Folder._root", property(lambda _: root))
    assert str(trained / "sounds") in text
    return tmp_path / "here/run"


def kept(run: Path, split: str) -> list[RunClip]:
    return [clip for clip in read_clips(run / FILE) if clip.split == split]


def figures(said: Said) -> dict[str, object]:
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_the_list(trained: Path) -> None:
    listed = [json.loads(line) for line in (trained / "run" / FILE).read_text().splitlines()]
    assert len(listed) == 2 * EACH
    assert {tuple(row) for row in listed} == {("split", "path", "label", "sha256")}
    built = task.build(task.spec("folder", root=str(trained / "sounds")))
    for split in ("train", "valid", "test"):
        paths = [str(clip.path.relative_to(trained / "sounds")) for clip in built.clips(split)]
        assert [row["path"] for row in listed if row["split"] == split] == paths


def test_more_recordings_leave_the_figures_as_they_are(
    run: Path, mixkit_command: Command, caplog: pytest.LogCaptureFixture
) -> None:
    before = json.loads((run / "results.json").read_text())
    add(run.parent / "sounds", LATE)
    built = task.build(mixkit.load(run).recipe.task)
    now = {f"{clip.path.parent.name}/{clip.path.name}" for clip in built.clips("test")}
    assert now & {clip.path for clip in kept(run, "train")}  # the control: dividing again tests what was trained on
    for split in ("valid", "test"):
        found = figures(mixkit_command("evaluate", run, "--split", split, "--json"))
        assert found[split] == before[split]
        assert len(found["clips"]["new"]) == 2 * EACH
    assert caplog.messages[-1].startswith("Not counted, since the run did not know them: 60 new (a/10")
    for command in (("report", run), ("look", run)):
        caplog.clear()
        assert mixkit_command(*command).code == 0
        assert "Not counted" in caplog.text
    sound(run.parent / "sounds/c/00.wav", 7)  # a class that the network does not know
    sound(run.parent / "elsewhere.wav", 8)
    assert figures(mixkit_command("evaluate", run, "--json"))["test"] == before["test"]


def test_what_is_missing_or_exchanged_is_never_counted(
    run: Path, mixkit_command: Command, caplog: pytest.LogCaptureFixture
) -> None:
    root = run.parent / "sounds"
    trained, test = kept(run, "train"), kept(run, "test")
    shutil.copyfile(root / trained[0].path, root / test[0].path)  # of the same size, and was trained on
    (root / test[1].path).unlink()
    (root / trained[1].path).unlink()
    said = mixkit_command("evaluate", run)
    assert said.code == 2
    lost = f"1 missing ({test[1].path}), 1 exchanged ({test[0].path})"
    assert said.err == (
        f"error: 2 of the run's {len(test)} test clips are not what they were: {lost}. "
        "Bring them back, or do without them: --allow-missing.\n"
    )
    found = figures(mixkit_command("evaluate", run, "--allow-missing", "--json"))
    assert found["test"]["clips"] == len(test) - 2
    assert found["clips"] == {
        "missing": [test[1].path],
        "new": [],
        "exchanged": [test[0].path],
        "relabelled": [],
        "divided": [],
    }
    assert caplog.messages == [f"2 of the run's {len(test)} test clips are left out: {lost}."]
    assert mixkit_command("evaluate", run, "--split", "valid").code == 0
    for clip in test:
        (root / clip.path).unlink(missing_ok=True)
    said = mixkit_command("evaluate", run, "--allow-missing")
    assert said.code == 2
    assert said.err.endswith("Bring them back.\n")


def test_a_list_that_is_not_the_networks(run: Path, trained: Path, mixkit_command: Command) -> None:
    text = (run / FILE).read_text()
    (run / FILE).write_text(text.replace('"train"', '"test"', 1))
    for change in (lambda: None, (run / FILE).unlink):
        change()
        said = mixkit_command("evaluate", run)
        assert said.code == 4
        assert said.err.startswith(f"error: {run / FILE} ")
        assert said.err.endswith(" Take it from a copy of the run, or train anew.\n")
    assert mixkit_command("predict", run, run.parent / "sounds/a/00.wav").code == 0


def test_a_run_without_a_list_says_so(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    from mixkit.data.run_split import run_split

    model = mixkit.load(run)
    model.trained_on = None
    assert len(run_split(model, "test").clips["test"]) == len(kept(run, "test"))
    assert caplog.messages == [
        "The run keeps no list of its clips, so they are divided anew: unless the recordings are the very same, clips "
        "that it was trained on may be among those that are held out."
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"path": "../a.wav"}, "path '../a.wav' leaves the folder of the clips"),
        ({"path": "/etc/passwd"}, "path '/etc/passwd' leaves the folder of the clips"),
        ({"split": "all"}, "split 'all'"),
        ({"path": 3}, "path is 3 (an int). It takes a str."),
        ({"more": 1}, "'more'"),
    ],
)
def test_a_list_of_a_stranger(tmp_path: Path, row: dict[str, object], reason: str) -> None:
    whole = {"split": "test", "path": "a.wav", "label": "a", "sha256": ""}
    (tmp_path / FILE).write_text(json.dumps(whole) + "\n")
    assert read_clips(tmp_path / FILE) == (RunClip("test", "a.wav", "a"),)
    (tmp_path / FILE).write_text(json.dumps({**whole, **row}) + "\n")
    with pytest.raises(DamagedError) as caught:
        read_clips(tmp_path / FILE)
    assert f"is no list of clips ({reason})." in str(caught.value)


def listed(root: Path, *names: str) -> dict[str, list[Clip]]:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return {"train": [Clip(root / name, "a", name) for name in names], "valid": [], "test": []}


class NoCache:
    def digest(self, path: Path) -> str:
        return ""


def test_clips_are_found_wherever_they_lie(tmp_path: Path) -> None:
    """Elsewhere, among others that move the folder of all, and in the other form of letters."""
    names = ("audio/b/1.wav", "audio/b/2.wav", "audio/\u00e9/1.wav", "audio/odd\udcff\n.wav")
    first = listed(tmp_path / "one", *names)
    kept = name_clips(first, {}, NoCache())  # type: ignore[arg-type]
    assert [clip.path for clip in kept] == [name.removeprefix("audio/") for name in names]
    (tmp_path / FILE).write_bytes(to_bytes(kept))
    assert read_clips(tmp_path / FILE) == kept
    again = [unicodedata.normalize("NFD", name) for name in names]
    second = listed(tmp_path / "two", "more/b/1.wav", "more/b/3.wav", *again)
    for base, clips, new in (
        (tmp_path / "one", first, []),
        (tmp_path / "two", second, ["../more/b/1.wav", "../more/b/3.wav"]),
    ):
        found = find_clips(kept, clips)
        assert [clip.path for _, clip in found.there] == [
            base / name for name in (names if base.name == "one" else again)
        ]
        assert [str(clip) for clip in found.differ.new] == new
        assert not found.differ.missing
    (tmp_path / "one" / names[1]).unlink()
    assert [clip.path for clip in find_clips(kept, first).differ.missing] == ["b/2.wav"]


def test_sections_labels_and_splits(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    path.touch()
    clips = {"train": [Clip(path, "a", "g", 0.0, 1.0)], "valid": [Clip(path, "b", "g", 1.0, 2.0)]}
    kept = name_clips(clips, {}, NoCache())  # type: ignore[arg-type]
    now = {"train": [Clip(path, "c", "g", 0.0, 1.0), Clip(path, "a", "g", 2.0, 3.0), Clip(path, "b", "g", 1.0, 2.0)]}
    found = find_clips(kept, now)
    assert [clip.labels for _, clip in found.there] == [("a",), ("b",)]
    assert str(found.differ) == (
        "1 new (long.wav from 2 s), 1 labelled otherwise (long.wav from 0 s), 1 divided otherwise (long.wav from 1 s)"
    )


def test_a_run_that_goes_on_says_what_is_otherwise(tmp_path: Path, mixkit_command: Command) -> None:
    from mixkit.training.display import TrainingDisplay

    class Stops(TrainingDisplay):
        def epoch(self, record: object) -> None:
            raise KeyboardInterrupt

    root = tmp_path / "sounds"
    add(root, range(EACH))
    with pytest.raises(KeyboardInterrupt):
        mixkit.train(mixkit.load_recipe("asm_rh", settings=lines(root)), tmp_path, "run", "cpu", Stops())
    run = tmp_path / "run"
    kept_file = (run / FILE).read_bytes()
    sound(root / "a/99.wav", 99)
    said = mixkit_command("train", "--resume", run, "--device", "cpu")
    assert said.code == 2
    assert ", now 1 new (a/99.wav)" in said.err
    test = kept(run, "test")
    sound(root / test[0].path, 1234)
    (root / kept(run, "train")[0].path).unlink()
    said = mixkit_command("train", "--resume", run, "--device", "cpu")
    assert said.code == 2
    changed = f"1 missing ({kept(run, 'train')[0].path}), 1 new (a/99.wav), 1 exchanged ({test[0].path})"
    assert f", now {changed}" in said.err
    assert mixkit_command("train", "--resume", run, "--device", "cpu", "--allow-changes").code == 0
    (resumed,) = [event for event in Run(run).events() if event["event"] == "resumed"]
    assert changed in resumed["changed"][0]
    assert Run(run).results().test.clips == len(test)  # divided as before, though something is new
    assert (run / FILE).read_bytes() == kept_file
