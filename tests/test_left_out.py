"""What a search for recordings leaves out is counted and said, by suffix and reason; links are followed if asked."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile

from mixkit.audio.augment.recordings import read_folder
from mixkit.errors import DataError
from mixkit.recipe.gin_file import load_recipe
from mixkit.registry import task
from mixkit.tasks.clip import SPLITS
from mixkit.tasks.folder import Folder
from mixkit.tasks.left_out import suffix_of
from mixkit.training.display import TrainingDisplay
from mixkit.training.prepare import prepare
from tests.conftest import Said

FOLLOW = "To follow them, set task.folder.follow_links = True."


def put(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def pets(root: Path) -> Path:
    return put(root, *(f"{label}/{number}.wav" for label in ("cat", "dog") for number in range(5)))


def folder(root: Path, **settings: Any) -> Folder:
    made = task.build(task.spec("folder", root=str(root), **settings))
    assert isinstance(made, Folder)
    return made


def names(made: Folder, root: Path) -> list[str]:
    return sorted(clip.path.relative_to(root).as_posix() for split in SPLITS for clip in made.clips(split))


def refusal(made: Folder, root: Path) -> str:
    with pytest.raises(DataError) as caught:
        _ = made.labels
    return str(caught.value).replace(str(root), "ROOT")


def test_everything_is_counted_by_suffix_and_reason(tmp_path: Path) -> None:
    put(pets(tmp_path), "cat/a.amr", "cat/b.AMR", "dog/c.ape", "cat/d.OGA", "cat/notes.txt", "dog/._1.wav", "dog/raw")
    (tmp_path / "emu").mkdir()
    made = folder(tmp_path, skip=["cat/4*"])
    assert made.notes == (
        "left out 3 files of a kind that mixkit does not read (2 .amr, 1 .ape): cat/a.amr, cat/b.AMR, dog/c.ape. "
        "Convert them, as in: ffmpeg -i cat/a.amr cat/a.wav",
        "left out 1 file of a kind that mixkit reads, by a suffix that it does not know (1 .oga): cat/d.OGA. "
        "Rename them, as in: mv cat/d.OGA cat/d.ogg",
        "left out 1 folder without a recording: emu. Give them recordings, or remove them.",
        "left out 1 file named by the setting skip (1 .wav): cat/4.wav.",
        "left out 1 file hidden by a dot in front of the name (1 .wav): dog/._1.wav.",
        "left out 2 files without the suffix of a recording (1 .txt): cat/notes.txt, dog/raw.",
    )
    assert len(names(made, tmp_path)) == 9
    found = {one.kind: dict(one.suffixes) for one in made.left_out}
    assert found["unread"] == {".amr": 2, ".ape": 1}
    assert found["other"] == {".txt": 1, "": 1}
    assert folder(pets(tmp_path / "plain")).left_out == ()


def test_a_class_of_which_nothing_is_left_is_an_error(tmp_path: Path) -> None:
    put(pets(tmp_path), *(f"emu/{number}.amr" for number in range(5)), "emu/notes.txt")
    assert refusal(folder(tmp_path), tmp_path) == (
        "ROOT: no recording of emu is left:\n"
        "  left out 5 files of a kind that mixkit does not read (5 .amr): emu/0.amr, emu/1.amr, emu/2.amr and 2 more. "
        "Convert them, as in: ffmpeg -i emu/0.amr emu/0.wav\n"
        "To go on without, list them in task.folder.skip."
    )
    assert folder(tmp_path, skip=["emu/*"]).labels == ("cat", "dog")
    put(tmp_path, "emu/5.wav")
    assert folder(tmp_path).labels == ("cat", "dog", "emu")


def test_a_class_by_pattern_is_missed_too(tmp_path: Path) -> None:
    put(tmp_path, *(f"{pet}-{n}.wav" for pet in ("cat", "dog") for n in range(5)), "emu-1.amr", "cat-9.amr")
    pattern = r"(?P<label>[a-z]+)-\d\.wav"
    assert refusal(folder(tmp_path, pattern=pattern), tmp_path).startswith("ROOT: no recording of emu is left:\n")
    assert folder(tmp_path, pattern=pattern, skip=["emu*"]).labels == ("cat", "dog")


def test_links_out_are_named_as_such_and_followed_if_asked(tmp_path: Path) -> None:
    root, away = pets(tmp_path / "root"), put(tmp_path / "away", *(f"emu/{n}.wav" for n in range(5)), "1.wav")
    (root / "emu").symlink_to(away / "emu")
    (root / "cat" / "one.wav").symlink_to(away / "1.wav")
    (root / "dog" / "lost").symlink_to("nothing")
    assert refusal(folder(root), root) == (
        f"ROOT: no recording of emu is left:\n  left out 1 link out of the folder: emu. {FOLLOW}\n"
        "To go on without, list them in task.folder.skip."
    )
    assert folder(root, skip=["emu"]).notes[0] == f"left out 1 link out of the folder (1 .wav): cat/one.wav. {FOLLOW}"
    made = folder(root, follow_links=True)
    assert made.labels == ("cat", "dog", "emu")
    assert [name for name in names(made, root) if name.startswith("emu") or "one" in name] == [
        "cat/one.wav",
        *(f"emu/{n}.wav" for n in range(5)),
    ]
    assert made.notes == ("left out 1 link to nothing: dog/lost. Mend or remove them.",)


def test_followed_links_visit_each_folder_once(tmp_path: Path) -> None:
    root, away = pets(tmp_path / "root"), pets(tmp_path / "away")
    (away / "cat" / "back").symlink_to(root)
    (away / "cat" / "round").symlink_to(away)
    (root / "cat" / "more").symlink_to(away)
    (root / "dog" / "again").symlink_to(away / "dog")
    (root / "dog" / "up").symlink_to("..")
    made = folder(root, follow_links=True)
    found = names(made, root)
    assert len(found) == len({os.path.realpath(root / name) for name in found}) == 20
    assert {one.kind for one in made.left_out} == {"twice"}


def test_a_link_to_a_hidden_folder_inside(tmp_path: Path) -> None:
    put(pets(tmp_path), *(f".store/{n}.wav" for n in range(5)))
    (tmp_path / "emu").symlink_to(".store")
    assert "1 link to a folder, which is not entered: emu" in refusal(folder(tmp_path), tmp_path)
    assert folder(tmp_path, follow_links=True).labels == ("cat", "dog", "emu")


def test_a_table_may_lead_out_if_links_are_followed(tmp_path: Path) -> None:
    root = pets(tmp_path / "root")
    (root / "emu").symlink_to(put(tmp_path / "away" / "emu", "1.wav").resolve())
    (root / "clips.csv").write_text("path,label\ncat/1.wav,cat\nemu/1.wav,emu\n")
    assert refusal(folder(root, table="clips.csv"), root) == (
        f"ROOT/clips.csv:3: path is 'emu/1.wav', a link that leads out of ROOT. {FOLLOW}"
    )
    assert folder(root, table="clips.csv", follow_links=True).labels == ("cat", "emu")
    (root / "clips.csv").write_text("path,label\ncat/1.amr,cat\n")
    (root / "cat" / "1.amr").touch()
    assert refusal(folder(root, table="clips.csv"), root).endswith(
        "cat/1.amr is of a kind that mixkit does not read. Convert them, as in: ffmpeg -i cat/1.amr cat/1.wav"
    )


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.WAV", ".wav"), ("a.3gp", ".3gp"), ("v1.2", ""), (".hidden", ""), ("a.b c", ""), ("x.d/raw", ""), ("e.", "")],
)
def test_suffixes(name: str, suffix: str) -> None:
    assert suffix_of(name) == suffix


# The commands


class Says(TrainingDisplay):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_training_and_the_look_over_recordings_say_it(tones: Path, mixkit_command: Callable[..., Said]) -> None:
    put(tones, "low/a.amr")
    root = f"task.folder.root = {str(tones)!r}"
    said = mixkit_command("data", "check", "folder", "--set", root, "--set", "task.folder.seconds = 0.5")
    assert "left out 1 file of a kind that mixkit does not read (1 .amr): low/a.amr." in said.out
    assert "nothing is odd" not in said.out
    (found,) = json.loads(mixkit_command("data", "check", "folder", "--set", root, "--json").out)["left_out"]
    assert found == {
        "kind": "unread",
        "reason": "of a kind that mixkit does not read",
        "count": 1,
        "suffixes": {".amr": 1},
        "examples": ["low/a.amr"],
        "fix": "Convert them, as in: ffmpeg -i low/a.amr low/a.wav",
    }
    display = Says()
    prepare(load_recipe("asm_rh", ["task/folder"], [root, "model.width = 16", "model.depth = 1"]), "cpu", display)
    assert any(line.startswith("left out 1 file of a kind that mixkit does not read") for line in display.lines)
    (tones / "low" / "a.amr").unlink()
    said = mixkit_command("data", "check", "folder", "--set", root, "--set", "task.folder.seconds = 0.5")
    assert "left out" not in said.out
    assert "Nothing is damaged, nothing leaks, nothing is odd." in said.out


def test_predict_says_it(
    tones: Path, small_run: Path, mixkit_command: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tones.parent)
    put(tones, "low/a.amr", "low/notes.txt")
    (tones / "away").symlink_to(put(tones.parent / "elsewhere", "1.wav"))
    said = mixkit_command("predict", small_run, "tones", "--json")
    assert said.code == 0
    assert said.err == (
        "tones: left out 1 file of a kind that mixkit does not read (1 .amr): low/a.amr. Convert them, as in: ffmpeg "
        "-i low/a.amr low/a.wav\n"
        "tones: left out 1 link out of the folder: away. To hear them, name what they lead to.\n"
    )
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert [(line["file"], line["left_out"]["suffixes"]) for line in lines if "left_out" in line] == [
        ("tones", {".amr": 1}),
        ("tones", {"": 1}),
    ]
    assert sum("label" in line for line in lines) == 12


def test_noise_says_it(tones: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tones, "low/a.amr", "low/notes.txt")
    outside = tones.parent / "outside.wav"
    soundfile.write(outside, [0.1, 0.2, 0.3], 16_000)
    (tones / "out.wav").symlink_to(outside)
    assert len(read_folder(str(tones), "augmentation.noise.folder", 16_000).lengths) == 12
    assert [record.getMessage().replace(str(tones), "ROOT") for record in caplog.records] == [
        "ROOT: left out 1 file of a kind that mixkit does not read (1 .amr): low/a.amr. Convert them, as in: ffmpeg "
        "-i low/a.amr low/a.wav",
        "ROOT: left out 1 link out of the folder (1 .wav): out.wav. Put what they lead to in their place.",
    ]
