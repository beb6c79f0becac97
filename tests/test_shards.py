"""Tar shards hold what the task held that was packed, in a form that others read, and every clip is found by itself."""

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import mixkit
from mixkit.audio.cache import AudioCache
from mixkit.data.batches import Batches, ClipAudio, Order
from mixkit.data.kept_clips import compare_content, find_clips, name_clips
from mixkit.data.pack import pack
from mixkit.data.waveforms import Waveforms
from mixkit.download.archive import is_file, open_inside
from mixkit.errors import DataError, MixkitError
from mixkit.registry import Spec, task
from mixkit.tasks.clip import SPLITS
from mixkit.tasks.leakage import check_splits
from mixkit.training.prepare import prepare

Command = Callable[..., Any]

RATE = 8000


def record(root: Path) -> Path:
    """16-bit and floating-point recordings of two labels, and a table that lists some whole and some in part."""
    root.mkdir()
    rows = ["path,label,group,start,stop"]
    for number in range(16):
        noise = 0.1 * np.random.default_rng(number).standard_normal((RATE, 1 + number % 2))
        name = f"cat.{number:02d} x.wav"
        soundfile.write(root / name, noise, RATE, subtype="FLOAT" if number % 3 else "PCM_16")
        start, stop = ("0.25", "0.75") if number > 7 else ("", "")
        rows.append(f"{name},{'cat' if number % 2 else 'dog'},g{number // 2},{start},{stop}")
    (root / "clips.csv").write_text("\n".join(rows))
    return root


def folder_spec(root: Path, **settings: Any) -> Spec:
    return task.spec("folder", root=str(root), table="clips.csv", sample_rate=RATE, seconds=0.5, **settings)


def shards(root: Path | str, **settings: Any) -> Any:
    return task.build(task.spec("shards", root=str(root), sample_rate=RATE, seconds=0.5, **settings))


def packed(tmp_path: Path, count: int = 5, **settings: Any) -> tuple[Any, Any]:
    """A task, and its shards."""
    spec = folder_spec(record(tmp_path / "files"), **settings)
    pack(spec, tmp_path / "shards", count, lambda *_: None)
    return task.build(spec), shards(tmp_path / "shards")


def test_it_holds_what_was_packed_bit_for_bit(tmp_path: Path) -> None:
    before, after = packed(tmp_path)
    check_splits(after)
    assert (after.labels, after.protocol) == (before.labels, before.protocol)
    waveforms, suffixes = Waveforms(RATE, AudioCache(None)), set[str]()
    for split in SPLITS:
        assert after.count(split) == len(before.clips(split)) > 0
        for one, other in zip(before.clips(split), after.clips(split), strict=True):
            assert (one.label, one.group, one.tags) == (other.label, other.group, other.tags)
            assert torch.equal(waveforms.read(one), waveforms.read(other))
            suffixes.add(other.path.suffix if one.start else "")
    assert suffixes == {"", ".flac", ".wav"}, "sections of 16-bit mono are FLAC, others floating point"
    assert after.notes == (*before.notes, "Shards of folder.")
    assert len(list((tmp_path / "shards").glob("*.tar"))) == 5


def test_an_epoch_of_it_is_that_of_the_files_and_goes_on_from_where_it_stopped(tmp_path: Path) -> None:
    def batches(made: Any) -> Batches:
        length = prepared.splits.network.length
        audio = ClipAudio(made.clips("train"), made.labels, Waveforms(RATE), length, seed=3)
        return Batches(audio, Order(len(audio), 3, seed=5), torch.device("cpu"))

    before, after = packed(tmp_path)
    lines = [f"task.shards.root = {str(tmp_path / 'shards')!r}", f"task.shards.sample_rate = {RATE}"]
    prepared = prepare(mixkit.load_recipe("small_data", ["task/shards"], [*lines, "task.shards.seconds = 0.5"]), "cpu")
    whole, of_files = list(batches(after).epoch(2)), list(batches(before).epoch(2))
    rest = list(batches(after).epoch(2, skip=1))
    assert len(whole) == len(of_files) == 1 + len(rest)
    for one, other in (*zip(whole, of_files, strict=True), *zip(whole[1:], rest, strict=True)):
        assert torch.equal(one.waveform, other.waveform)
        assert torch.equal(one.items, other.items)


def test_each_process_reads_its_own_clips(tmp_path: Path) -> None:
    _, after = packed(tmp_path)
    clips = after.clips("train")
    shares = [[i for keys in Order(len(clips), 4, seed=1, rank=rank, ranks=2) for _, i in keys] for rank in range(2)]
    assert sorted(shares[0] + shares[1]) == list(range(len(clips)))


def test_several_labels_stay(tmp_path: Path) -> None:
    root = record(tmp_path / "files")
    text = (root / "clips.csv").read_text().replace(",cat,g3,", ",,g3,").replace(",dog,g5,", ",cat;dog,g5,")
    (root / "clips.csv").write_text(text)
    spec = folder_spec(root, multi_label=True)
    found = pack(spec, tmp_path / "shards", 3, lambda *_: None)
    after = shards(tmp_path / "shards", multi_label=True)
    for split in SPLITS:
        assert [clip.tags for clip in after.clips(split)] == [clip.tags for clip in task.build(spec).clips(split)]
    assert {clip.tags for split in SPLITS for clip in after.clips(split)} >= {(), ("cat", "dog")}
    assert "task.shards.multi_label = True" in found.settings


def test_the_index_says_where_files_begin(tmp_path: Path) -> None:
    packed(tmp_path)
    for path in (tmp_path / "shards").glob("*.tar"):
        version, *lines = path.with_suffix(".idx").read_text().splitlines()
        with tarfile.open(path) as archive:
            members = [f"{m.name.partition('.')[2]} {m.offset_data} {m.size} {m.name}" for m in archive]
        assert version == f"v1.2 {len(members) // 2}"
        assert " ".join(lines) == " ".join(members)


def test_the_same_bytes_come_out_whoever_packs(tmp_path: Path) -> None:
    packed(tmp_path)
    pack(folder_spec(tmp_path / "files"), tmp_path / "again", 5, lambda *_: None)
    for path in (tmp_path / "shards").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


@pytest.mark.filterwarnings("ignore")  # of the library's own
def test_webdataset_reads_it(tmp_path: Path) -> None:
    wds = pytest.importorskip("webdataset")
    _, after = packed(tmp_path)
    found = []
    for sample in wds.WebDataset([str(path) for path in sorted((tmp_path / "shards").glob("train-*.tar"))]):
        about = json.loads(sample["json"])
        (suffix,) = set(sample) & {"wav", "flac"}
        found.append((f"{sample['__key__']}.{suffix}", about["label"], about["group"], sample[suffix]))
    wanted = []
    for clip in after.clips("train"):
        with open_inside(clip.path) as file:
            wanted.append((clip.path.name, clip.label, clip.group, file.read()))
    assert sorted(found) == sorted(wanted)


def test_a_run_finds_its_clips_where_the_shards_lie_now(tmp_path: Path) -> None:
    _, after = packed(tmp_path)
    listed = {split: after.clips(split) for split in SPLITS}
    cache = AudioCache(None)
    kept = name_clips(listed, {}, cache)
    (tmp_path / "shards").rename(tmp_path / "moved")
    moved = {split: shards(tmp_path / "moved").clips(split) for split in SPLITS}
    found = compare_content(find_clips(kept, moved), cache)
    assert len(found.there) == 16
    assert not str(found.differ)
    path = moved["test"][0].path
    content = bytearray(path.parent.read_bytes())
    with open_inside(path) as file:
        content[content.index(file.read()) + 200] ^= 1
    path.parent.write_bytes(content)
    assert len(compare_content(find_clips(kept, moved), cache).differ.exchanged) == 1, "the control"


def test_the_guard_looks_at_the_index(tmp_path: Path) -> None:
    packed(tmp_path)
    index = tmp_path / "shards" / "clips.jsonl"
    rows = [json.loads(line) for line in index.read_text().splitlines()]
    rows[0]["group"] = rows[-1]["group"]
    index.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    with pytest.raises(DataError, match=r"the group g. stands in train .* and test"):
        check_splits(shards(tmp_path / "shards"))


def damaged(name: str, text: str) -> Callable[[Path], None]:
    return lambda root: (root / name).write_text(text) and None


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (
            lambda root: (root / "task.json").unlink(),
            "ROOT/task.json: No such file or directory. It is no folder of shards: make one of a task by mixkit data "
            "pack.",
        ),
        (
            damaged("task.json", "{}"),
            "ROOT/task.json: is not what was written ('multi_label'). Pack them anew: mixkit data pack.",
        ),
        (
            damaged("clips.jsonl", ""),
            "ROOT/clips.jsonl: has 0 clips, not 16. Pack them anew: mixkit data pack.",
        ),
        (
            damaged("clips.jsonl", '{"split": "train", "path": "../../x.wav", "label": "a", "group": "a"}'),
            "ROOT/clips.jsonl: is not what was written (too many values to unpack (expected 2)). Pack them anew: "
            "mixkit data pack.",
        ),
    ],
)
def test_a_damaged_index_is_refused(tmp_path: Path, damage: Callable[[Path], None], expected: str) -> None:
    packed(tmp_path)
    damage(tmp_path / "shards")
    with pytest.raises(DataError) as caught:
        shards(tmp_path / "shards").clips("train")
    assert str(caught.value).replace(str(tmp_path / "shards"), "ROOT") == expected


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    _, after = packed(tmp_path)
    root = tmp_path / "shards"
    clip = after.clips("train")[0]
    with pytest.raises(MixkitError, match=r"multi_label is True, but the clips have one label each. Set False"):
        shards(root, multi_label=True).clips("train")
    with pytest.raises(MixkitError, match=r"task.shards.root is not set"):
        task.build(task.spec("shards")).clips("train")
    with pytest.raises(DataError, match="is there already"):
        pack(folder_spec(tmp_path / "files"), root, 3, lambda *_: None)
    waveforms = Waveforms(RATE, AudioCache(None))
    clip.path.parent.write_bytes(clip.path.parent.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"the archive ends before its \d+ bytes do"):
        waveforms.read(clip)
    clip.path.parent.with_suffix(".idx").write_text("v1.2 0\n")
    assert not is_file(clip.path)
    (tmp_path / "files" / "cat.00 x.wav").write_bytes(b"")
    (tmp_path / "files" / "cat.09 x.wav").unlink()
    with pytest.raises(DataError, match="no file"):
        pack(folder_spec(tmp_path / "files"), tmp_path / "none", 3, lambda *_: None)
    assert not (tmp_path / "none").exists()
    assert not list(tmp_path.glob(".*"))


def test_the_command_packs_and_checks(mixkit_command: Command, tmp_path: Path) -> None:
    small = ("--set", "task.demo.clips = 3", "--set", "task.demo.seconds = 0.5")
    said = mixkit_command("data", "pack", "demo", tmp_path / "shards", *small)
    assert " train, " in said.out
    assert " test clips in 3 shards, " in said.out
    assert f"--set 'task.shards.root = \"{tmp_path}/shards\"' --set 'task.shards.sample_rate = 16000'" in said.out
    lines = (f"task.shards.root = '{tmp_path}/shards'", "task.shards.seconds = 0.5")
    checked = mixkit_command("data", "check", "shards", "--json", *(word for line in lines for word in ("--set", line)))
    assert checked.code == 0, checked.err
    assert json.loads(checked.out)["clean"]
