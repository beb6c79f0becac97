"""`mixkit data check`: what is damaged, leaks or is odd is named, whatever lies in the folder; good data pass."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixkit import registry
from mixkit.audio.chunks import STALE
from mixkit.cli.views.picture import write_png
from mixkit.data import check as check_module
from mixkit.data.check import FAULTS, REMARKS, Report, check
from mixkit.data.plot import draw
from mixkit.registry import Clip
from tests.conftest import Said

RATE = 16_000
DICE = np.random.default_rng(0)


@dataclass
class Listed:
    """A task whose clips are given."""

    listed: dict[str, list[Clip]]
    labels: tuple[str, ...] = ("low", "high")
    folds: tuple[str, ...] = ()
    sample_rate: int = RATE
    seconds: float = 0.5
    protocol: str = ""
    notes: tuple[str, ...] = ()

    def clips(self, split: str) -> tuple[Clip, ...]:
        return tuple(self.listed.get(split, ()))


def sound(seconds: float = 0.5, level: float = 0.3, rate: int = RATE) -> np.ndarray:
    return level * DICE.uniform(-1, 1, int(seconds * rate))


def write(path: Path, samples: np.ndarray | None = None, rate: int = RATE, **how: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound() if samples is None else samples, rate, **how)
    return path


def clip(path: Path, label: str = "low", group: str = "", **section: float) -> Clip:
    return Clip(path, label, group or str(path), **section)


def good(root: Path, count: int = 6) -> dict[str, list[Clip]]:
    return {
        split: [clip(write(root / split / f"{number}.wav"), ("low", "high")[number % 2]) for number in range(count)]
        for split in ("train", "valid", "test")
    }


def look(task: Listed) -> Report:
    return check(task, "listed", lambda *_: None)


def found(report: Report) -> dict[str, list[tuple[str, str, str]]]:
    return {
        kind: [(finding.split, finding.path.name if finding.path else "", finding.detail) for finding in findings]
        for kind, findings in report.findings.items()
        if findings
    }


def test_good_recordings(tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    report = check(Listed(good(tmp_path)), "listed", lambda *step: steps.append(step))
    assert report.clean
    assert found(report) == {}
    assert steps[-1] == ("listening", 18, 18)
    assert report.balance("train") == {"low": 3, "high": 3}
    assert report.groups("test") == 6
    assert set(report.findings) == {*FAULTS, *REMARKS}


def spoilt(root: Path) -> dict[str, tuple[Path, str, str]]:
    """Recordings with one thing wrong each: where, as what it is found, and in which words."""
    square = np.sign(np.sin(np.arange(8000) / 20))
    touching = sound()
    touching[::50] = 1.0
    remove = "Remove the file, or list it in task.folder.skip."
    (root / "zero.wav").write_bytes(b"")
    (root / "text.wav").write_text("RIFF, she said, and meant it")
    cut = write(root / "cut.wav")
    cut.write_bytes(cut.read_bytes()[:4000])
    stale = write(root / "stale.wav")
    stale.write_bytes(stale.read_bytes()[:40] + (8000).to_bytes(4, "little") + stale.read_bytes()[44:])
    nan = sound()
    nan[100] = np.nan
    return {
        "zero.wav": (root / "zero.wav", "empty", f"0 samples of audio. {remove}"),
        "header.wav": (write(root / "header.wav", np.zeros(0)), "empty", f"0 samples of audio. {remove}"),
        "text.wav": (
            root / "text.wav",
            "unreadable",
            "is not WAV, FLAC, OGG, MP3 or AIFF. Convert it, or list it in task.folder.skip.",
        ),
        "cut.wav": (cut, "unreadable", f"says 16000 bytes of audio and has 3956. The file is damaged. {remove}"),
        "nan.wav": (
            write(root / "nan.wav", nan, subtype="FLOAT"),
            "unreadable",
            f"has samples that are not numbers. {remove}",
        ),
        "gone.wav": (
            root / "gone.wav",
            "unreadable",
            "no such file. Check the path, or the folder that the task names.",
        ),
        "stale.wav": (stale, "mended", STALE.format(8000)),
        "silent.wav": (write(root / "silent.wav", np.zeros(8000)), "silent", "highest sample 0.00000"),
        "faint.wav": (write(root / "faint.wav", np.full(8000, 0.0005)), "silent", "highest sample 0.00049"),
        "square.wav": (write(root / "square.wav", square), "clipped", "highest sample 1.000"),
        "short.wav": (write(root / "short.wav", sound(0.25)), "shorter", "0.250 s"),
        "long.wav": (write(root / "long.wav", sound(0.75)), "longer", "0.750 s"),
        "telephone.wav": (write(root / "telephone.wav", sound(rate=8000), 8000), "odd_rate", "8000 Hz"),
        "stereo.wav": (write(root / "stereo.wav", np.stack([sound(), sound()], 1)), "odd_channels", "2"),
        "touching.wav": (write(root / "touching.wav", touching), "", ""),
    }


def test_each_fault_is_found_and_nothing_else(tmp_path: Path) -> None:
    listed = good(tmp_path)
    wrong = spoilt(tmp_path)
    listed["train"] += [clip(path, group=name) for name, (path, _, _) in wrong.items()]
    report = look(Listed(listed))
    assert not report.clean
    words = {name: (kind, detail) for name, (_, kind, detail) in wrong.items() if kind}
    assert {
        name: (kind, detail) for kind, findings in found(report).items() for split, name, detail in findings
    } == words
    assert sum(map(len, found(report).values())) == len(words)


def test_sections_are_looked_at_on_their_own(tmp_path: Path) -> None:
    long = write(tmp_path / "long.wav", np.concatenate([sound(0.5), np.zeros(8000), sound(0.5)]))
    listed = good(tmp_path)
    listed["train"] += [clip(long, start=0.5 * part, stop=0.5 * part + 0.5) for part in range(3)]
    listed["train"] += [clip(long, start=1.25, stop=1.75)]
    report = look(Listed(listed))
    assert list(found(report)) == ["unreadable", "silent"]
    assert found(report)["unreadable"][0][2].startswith("the section from 1.25 s to 1.75 s is outside the file")


def test_leaks(tmp_path: Path) -> None:
    listed = good(tmp_path)
    original = listed["train"][0].path
    samples, _ = soundfile.read(original)
    copy = tmp_path / "copy.wav"
    shutil.copyfile(original, copy)
    listed["train"].append(clip(copy))
    listed["test"].append(clip(write(tmp_path / "other_container.flac", samples)))
    listed["valid"].append(clip(original))
    sister = listed["train"][1].path
    listed["test"].append(clip(write(tmp_path / "sister.wav"), group=str(sister)))
    report = look(Listed(listed))
    assert found(report) == {
        "refused": [("", "", f"listed more than once: {original}. List each clip once.")],
        "leaked_audio": [
            ("valid", "0.wav", f"same as {original} in train"),
            ("test", "other_container.flac", f"same as {original} in train"),
        ],
        "leaked_group": [
            ("valid", "0.wav", f"group {original} is in train too, such as {original}"),
            ("test", "sister.wav", f"group {sister} is in train too, such as {sister}"),
        ],
        "leaked_file": [("valid", "0.wav", f"path {original} is in train too, such as {original}")],
        "duplicate": [("train", "copy.wav", f"same as {original} in train")],
    }


def test_silence_is_no_leak(tmp_path: Path) -> None:
    listed = good(tmp_path)
    for split in ("train", "test"):
        listed[split].append(clip(write(tmp_path / split / "silence.wav", np.zeros(8000))))
    report = look(Listed(listed))
    assert report.clean
    assert [kind for kind, findings in found(report).items() for _ in findings] == ["silent", "silent"]
    for split in ("train", "test"):
        listed[split].append(clip(write(tmp_path / split / "almost.wav", np.full(8000, 2.0**-15))))
    assert [name for _, name, _ in found(look(Listed(listed)))["leaked_audio"]] == ["almost.wav"]


def test_the_protocol_paper_random_mixes_groups_and_nothing_else(tmp_path: Path) -> None:
    listed = {
        split: [clip(one.path, one.label, group="everybody") for one in clips]
        for split, clips in good(tmp_path).items()
    }
    report = look(Listed(listed, protocol="paper-random"))
    assert report.clean
    assert [(kind, len(findings)) for kind, findings in found(report).items()] == [("mixed_group", 2)]
    listed["test"].append(listed["train"][0])
    assert not look(Listed(listed, protocol="paper-random")).clean


def test_special_files_do_not_hang(tmp_path: Path) -> None:
    listed = good(tmp_path)
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "zero.wav").symlink_to("/dev/zero")
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    (tmp_path / "folder.wav").mkdir()
    names = ["pipe.wav", "zero.wav", "loop.wav", "folder.wav"]
    listed["train"] += [clip(tmp_path / name) for name in names]
    assert [name for _, name, _ in found(look(Listed(listed)))["unreadable"]] == names


def test_a_decoder_that_breaks_costs_one_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = check_module.examine

    def breaking(path: Path, *rest: object) -> object:
        if path.name == "3.wav":
            raise RuntimeError("out of\x1b order")
        return honest(path, *rest)

    monkeypatch.setattr(check_module, "examine", breaking)
    report = look(Listed(good(tmp_path)))
    assert [detail for _, _, detail in found(report)["unreadable"]] == ["RuntimeError: out of\\x1b order"] * 3
    assert len(report.good) == 15


def test_picture(tmp_path: Path) -> None:
    for task in (Listed(good(tmp_path)), Listed({"train": [clip(tmp_path / "gone.wav", "l$a^b_$l")]})):
        assert write_png(tmp_path / "picture.png", partial(draw, look(task)))
        assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
        import matplotlib.image

        pixels = matplotlib.image.imread(tmp_path / "picture.png")
        assert pixels.shape[1] == 1320
        assert pixels.std() > 0.05


# The command


@pytest.fixture
def listed_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[Clip]]]:
    """A task named `listed`, for as long as the test takes."""
    clips = good(tmp_path)
    registry.task.names()
    monkeypatch.setattr(registry.task, "_entries", dict(registry.task._entries))

    @registry.task("listed")
    def listed(*, seconds: float = 0.5) -> Listed:
        """Clips of a test."""
        return Listed(clips, seconds=seconds, notes=("It is a test.",))

    return clips


Command = Callable[..., Said]


def test_command(
    listed_task: dict[str, list[Clip]], tmp_path: Path, mixkit_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    said = mixkit_command("data", "check", "listed", "--picture", tmp_path / "page.PNG")
    assert said.code == 0, said.err
    assert said.out.startswith("listed(seconds=0.5)\nIt is a test.\n")
    assert said.out.endswith("Nothing is damaged, nothing leaks, nothing is odd.\n")
    assert said.err.splitlines()[-1] == "listening 100% of 18"
    assert (tmp_path / "page.PNG").read_bytes().startswith(b"\x89PNG")

    said = mixkit_command("data", "check", "listed", "--set", "task.listed.seconds = 1.0", "--json")
    assert said.code == 0
    document = json.loads(said.out)
    assert document["clean"] is True
    assert document["duplicates_by"] == "SHA-256 of the decoded samples"
    assert document["sample_rates"] == {"16000": 18}
    assert document["splits"]["valid"] == {"clips": 6, "groups": 6, "seconds": 3.0, "labels": {"low": 3, "high": 3}}
    assert len(document["findings"]["shorter"]) == 18

    evil = tmp_path / "a\x1b[2J\n\udcff[red].wav"
    evil.write_bytes(b"")
    listed_task["test"].append(clip(evil, "low", "somebody"))
    shutil.copyfile(listed_task["train"][0].path, tmp_path / "copy.wav")
    listed_task["test"].append(clip(tmp_path / "copy.wav"))
    said = mixkit_command("data", "check", "listed")
    assert said.code == 4
    assert said.err.endswith(
        "error: listed is not fit for training: no audio in it: 1, same audio in two splits: 1. "
        "Mend or remove what is named above.\n"
    )
    assert f"1 clip: no audio in it\n    test: {tmp_path}/a\\x1b[2J\\n\\udcff[red].wav (0 samples of audio." in said.out
    assert (
        f"1 clip: same audio in two splits\n    test: {tmp_path}/copy.wav (same as {tmp_path}/train/0.wav" in said.out
    )
    said = mixkit_command("data", "check", "listed", "--json")
    assert said.code == 4
    document = json.loads(said.out)
    assert document["clean"] is False
    assert document["findings"]["empty"][0]["file"] == f"{tmp_path}/a\\x1b[2J\\n\\udcff[red].wav"
    said.out.encode("utf-8")


def test_command_mistakes(
    listed_task: dict[str, list[Clip]], tmp_path: Path, mixkit_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path / "data"))
    for arguments, start in (
        (["listd"], "error: no task or recipe named 'listd'. Did you mean 'listed'? Known: listed and "),
        (
            ["listed", "--picture", "a.jpg"],
            "error: --picture is 'a.jpg'. It is drawn as PNG: name a file such as a.png.",
        ),
        (["listed", "--set", "task.listed.secs = 1"], "task.listed.secs is no setting. Did you mean 'seconds'?"),
        (["listed", "--picture", "no/a.png"], "no/a.png cannot be written: its folder no has gone. Name another file."),
        (["casia"], f"{tmp_path / 'data' / 'casia'}: no such folder."),
        (["folder"], "task.folder.root is not set."),
        (["mine.gin"], "error: no file mine.gin."),
    ):
        said = mixkit_command("data", "check", *arguments)
        assert said.code == 2, arguments
        assert start in said.err, said.err
        assert "Traceback" not in said.err


def test_command_on_a_recipe_and_a_folder(tones: Path, tmp_path: Path, mixkit_command: Command) -> None:
    root = ["--set", f"task.folder.root = {str(tones)!r}", "--set", "task.folder.seconds = 0.5"]
    recipe = tmp_path / "mine.gin"
    recipe.write_text("include 'asm_rh.gin'\nrecipe.task = @task.folder()\n")
    for asked in (
        ["folder"],
        [str(recipe)],
        ["asm_rh", "--with", "task/esc10_folder", "--set", "task.folder.fold = None"],
    ):
        extra = ["--set", "task.folder.pattern = None"] if "asm_rh" in asked else []
        said = mixkit_command("data", "check", *asked, *root, *extra, "--json")
        assert said.code == 0, said.err
        splits = json.loads(said.out)["splits"]
        assert sum(split["clips"] for split in splits.values()) == 12
        assert splits["train"]["labels"].keys() == {"high", "low"}


SHARED = Path(__file__).parents[1].parent / "shared" / "data"


@pytest.mark.skipif(not (SHARED / "fsdd").is_dir(), reason="shared/data/fsdd is not beside the repository")
def test_command_on_real_recordings(mixkit_command: Command) -> None:
    root = f"task.folder.root = {str(SHARED / 'fsdd')!r}"
    only = "task.folder.pattern = r'recordings/(?P<label>[01])_(?P<group>[a-z]+)_1?\\d\\.wav'"
    skip = "task.folder.skip = ['*/[2-9]_*', '*_[2-4]?.wav']"
    said = mixkit_command("data", "check", "fsdd_speakers", "--set", root, "--set", only, "--set", skip, "--json")
    assert said.code == 0, said.err
    document = json.loads(said.out)
    assert sum(split["clips"] for split in document["splits"].values()) == 240
    assert document["sample_rates"] == {"8000": 240}
    assert document["splits"]["test"]["groups"] == 2


def test_what_is_cut_and_where_its_energy_lies(tmp_path: Path) -> None:
    """Strokes that fade: the centre of them is silence."""
    stroke = np.r_[sound(0.4, 0.5), sound(0.9, 0.05), sound(0.2, 0.005)]
    listed = good(tmp_path)
    listed["train"].append(clip(write(tmp_path / "stroke.wav", stroke), "low"))
    report = look(Listed(listed))
    first, middle, last = np.add.reduceat(np.square(stroke), [0, 8000, 16000]) / np.square(stroke).sum()
    assert report.cut is not None
    assert report.cut.energy == pytest.approx((first, middle, last), abs=1e-3)
    assert str(report.cut) == (
        f"1 of 19 clips (5%) are cut to 0.5 s; by thirds, their energy lies {first:.0%} at the start, {middle:.0%} at "
        f"the middle, {last:.0%} at the end. The centre misses their start: try task.crop = 'start' or 'loudest'."
    )
    assert report.to_json()["cut"] == {
        "clips": 1,
        "share": 0.0526,
        "energy": {"start": round(first, 4), "middle": round(middle, 4), "end": round(last, 4)},
    }
    assert look(Listed(good(tmp_path / "none"))).cut is None


def test_energy_in_the_middle_is_not_missed(tmp_path: Path) -> None:
    listed = good(tmp_path)
    swell = np.r_[sound(0.5, 0.01), sound(0.5, 0.5), sound(0.5, 0.01)]
    listed["valid"] += [clip(write(tmp_path / "swell.wav", swell)), clip(write(tmp_path / "none.wav", 0 * swell))]
    report = look(Listed(listed))
    assert report.cut is not None
    assert report.cut.energy == pytest.approx((0, 1, 0), abs=0.01)
    assert str(report.cut).endswith("0% at the end.")


def test_it_asks_what_training_asks(
    tones: Path, tmp_path: Path, mixkit_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is said by `data check`, with the words by which `train` refuses it."""
    monkeypatch.chdir(tmp_path)
    tables = {
        "twice.csv": ["low/0.wav,low,train"] * 2,
        "untrained.csv": ["low/3.wav,mid,test"],
        "good.csv": [],
        "absolute.csv": [f"{tones}/low/3.wav,low,train"],
        "both.csv": [f"{tones}/low/0.wav,low,train"],
    }
    whole = ["low/0.wav,low,train", "high/0.wav,high,train", "low/1.wav,low,valid", "high/2.wav,high,test"]
    for name, rows in tables.items():
        (tones / name).write_text("\n".join(["path,label,split", *whole, *rows]))
    one = tmp_path / "one"
    shutil.copytree(tones / "low", one / "low")
    cases = {
        (f"task.folder.root = {str(one)!r}",): "one class only: low.",
        ("task.folder.test_share = 0.0",): "the split 'test' is empty.",
        ("task.folder.table = 'twice.csv'",): f"listed more than once: {tones}/low/0.wav.",
        ("task.folder.table = 'both.csv'",): f"listed more than once: {tones}/low/0.wav.",
        ("task.folder.table = 'untrained.csv'",): "no training clip of mid, only held-out ones such as",
        ("task.folder.table = 'good.csv'",): None,
        ("task.folder.table = 'absolute.csv'",): None,
    }
    for lines, fault in cases.items():
        settings = [f"task.folder.root = {str(tones)!r}", "task.folder.seconds = 0.5", *lines]
        words = [word for line in settings for word in ("--set", line)]
        said = mixkit_command("data", "check", "folder", *words, "--json")
        refused = [finding["detail"] for finding in json.loads(said.out)["findings"]["refused"]]
        if fault is None:
            assert (said.code, refused) == (0, []), said.err
            continue
        assert said.code == 4
        assert any(detail.startswith(fault) for detail in refused), refused
        trained = mixkit_command("train", "asm_rh", "--with", "task/folder", *words)
        assert trained.code == 2
        assert trained.err.startswith(f"error: {fault}"), trained.err
    said = mixkit_command("data", "check", "folder", *words[:4], "--set", f"task.folder.root = {str(one)!r}")
    assert "1 fault: in all clips together, which training refuses\n    one class only: low." in said.out
    assert "Nothing is damaged" not in said.out
