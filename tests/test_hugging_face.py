"""Data sets of Hugging Face `datasets`, with their audio in them, are what the same recordings in files are.

They are written here by pyarrow, in the form of datasets 5.2: the library itself is not needed to read them.
"""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from mixkit.audio.cache import SETTLED, AudioCache
from mixkit.audio.store import Store
from mixkit.data.pack import pack
from mixkit.data.waveforms import Waveforms
from mixkit.download.archive import is_file
from mixkit.errors import DataError
from mixkit.registry import Spec, task
from mixkit.tasks.clip import SPLITS

pyarrow = pytest.importorskip("pyarrow")
pyarrow.parquet = pytest.importorskip("pyarrow.parquet")

RATE = 8000
COUNTS = {"train": 8, "validation": 4, "test": 4}
CLASSES = ("cat", "dog")


def wav(number: int) -> bytes:
    file = io.BytesIO()
    noise = 0.1 * np.random.default_rng(number).standard_normal(RATE // 4 + number)
    soundfile.write(file, noise, RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def rows(split: str, called: bool = True) -> list[dict[str, Any]]:
    first = 100 * list(COUNTS).index(split)
    return [
        {
            "audio": {"bytes": wav(first + number), "path": f"a b/{split} {number}.wav" if called else None},
            "label": number % 2,
            "group": f"{split}{number // 2}",
            "speaker": "x",
        }
        for number in range(COUNTS[split])
    ]


def table(rows: list[dict[str, Any]], several: bool = False) -> Any:
    names = {"names": list(CLASSES), "_type": "ClassLabel"}
    features = {"audio": {"_type": "Audio"}, "label": {"feature": names, "_type": "List"} if several else names}
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    return pyarrow.Table.from_pylist(rows).replace_schema_metadata(about)


def save(folder: Path, rows: list[dict[str, Any]], files: int = 2, **how: Any) -> None:
    """As `Dataset.save_to_disk` does."""
    folder.mkdir(parents=True)
    whole, names = table(rows, **how), [f"data-{number:05d}-of-{files:05d}.arrow" for number in range(files)]
    for number, name in enumerate(names):
        part = whole.slice(number * len(rows) // files, len(rows) // files)
        with pyarrow.OSFile(str(folder / name), "wb") as file, pyarrow.ipc.new_stream(file, part.schema) as stream:
            stream.write_table(part, max_chunksize=3)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))


def save_dict(folder: Path, **how: Any) -> None:
    """As `DatasetDict.save_to_disk` does."""
    for split in COUNTS:
        save(folder / split, rows(split, **how))
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(COUNTS)}))


def save_parquet(folder: Path) -> None:
    """As data sets on the Hub are."""
    (folder / "data").mkdir(parents=True)
    for split in COUNTS:
        for half in range(2):
            part = table(rows(split)).slice(half * COUNTS[split] // 2, COUNTS[split] // 2)
            path = folder / "data" / f"{split}-{half:05d}-of-00002.parquet"
            pyarrow.parquet.write_table(part, path, row_group_size=3)


def spec(root: Path, table: str = "set", **settings: Any) -> Spec:
    return task.spec("folder", root=str(root), table=table, sample_rate=RATE, seconds=0.25, **settings)


def read(clip: Any, cache: AudioCache | None = None) -> torch.Tensor:
    return Waveforms(RATE, cache or AudioCache(None)).read(clip)


@pytest.mark.parametrize("write", [save_dict, save_parquet])
def test_it_is_what_files_are(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "set")
    (tmp_path / "files").mkdir()
    lines = ["path,label,group,split"]
    for split in COUNTS:
        for number, row in enumerate(rows(split)):
            name = f"{split}-{number}.wav"
            (tmp_path / "files" / name).write_bytes(row["audio"]["bytes"])
            lines.append(f"{name},{CLASSES[row['label']]},{row['group']},{split}")
    (tmp_path / "files" / "clips.csv").write_text("\n".join(lines))
    here, there = task.build(spec(tmp_path / "files", "clips.csv")), task.build(spec(tmp_path))
    assert (there.labels, there.protocol) == (here.labels, here.protocol)
    for split in SPLITS:
        assert len(there.clips(split)) == len(here.clips(split)) > 0
        for one, other in zip(here.clips(split), there.clips(split), strict=True):
            assert (one.label, one.group) == (other.label, other.group)
            assert torch.equal(read(one), read(other))
    clip = there.clips("train")[1]
    assert clip.path.name == "0000001-train_1.wav"
    assert is_file(clip.path)
    assert not is_file(clip.path.with_name("0000009.wav"))
    assert not is_file(clip.path.with_name("x.wav"))
    packed = pack(spec(tmp_path), tmp_path / "shards", 3, lambda *_: None)
    assert packed.clips == {"train": 8, "valid": 4, "test": 4}
    shard = task.build(task.spec("shards", root=str(tmp_path / "shards"), sample_rate=RATE)).clips("train")[1]
    assert torch.equal(read(shard), read(clip))


def test_one_split_is_divided(tmp_path: Path) -> None:
    save(tmp_path / "set", rows("train", called=False))
    found = task.build(spec(tmp_path))
    assert found.protocol == "20% of the clips, by groups"
    assert sum(len(found.clips(split)) for split in SPLITS) == COUNTS["train"]
    assert found.clips("train")[0].path.name == "0000000.wav"


def test_a_single_file_of_parquet(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(table(rows("train")), tmp_path / "clips.parquet")
    found = task.build(spec(tmp_path, "clips.parquet"))
    assert torch.equal(read(found.clips("train")[0]), read(found.clips("train")[0]))
    assert found.labels == CLASSES


def test_several_labels(tmp_path: Path) -> None:
    labels = [[0, 1], [1], [], [0]] * 2
    save(
        tmp_path / "set",
        [row | {"label": label} for row, label in zip(rows("train"), labels, strict=True)],
        several=True,
    )
    found = task.build(spec(tmp_path, multi_label=True))
    clips = sorted((clip for split in SPLITS for clip in found.clips(split)), key=lambda clip: clip.path)
    assert [clip.tags for clip in clips] == [("cat", "dog"), ("dog",), (), ("cat",)] * 2


def test_a_cell_of_parquet_is_kept_and_a_change_shows(tmp_path: Path) -> None:
    path = tmp_path / "clips.parquet"

    def write(first: int) -> Any:
        changed = [row | {"audio": {"bytes": wav(first), "path": None}} for row in rows("train")]
        pyarrow.parquet.write_table(table(changed), path)
        os.utime(path, (first, first))
        return task.build(spec(tmp_path, "clips.parquet")).clips("train")[0]

    cache = AudioCache(Store(tmp_path / "cache", 2**30))
    before = read(write(1), cache)
    assert len(before) == RATE // 4 + 1
    assert len(read(write(2), cache)) == RATE // 4 + 2
    settled = AudioCache(cache.store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mixkit.audio.cache.SETTLED", -SETTLED)
        read(write(3), settled)
        assert cache.store.usage()[1] > 0, "as of a compressed file, though it is WAV of the wanted rate"


def without(**columns: Any) -> Callable[[Path], None]:
    """Writes rows with other columns; None leaves one out."""

    def write(folder: Path) -> None:
        changed = ({**row, **columns} for row in rows("train"))
        save(folder, [{name: value for name, value in row.items() if value is not None} for row in changed])

    return write


def damaged(name: str, content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        save(folder, rows("train"))
        (folder / name).write_bytes(content)

    return write


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (
            Path.mkdir,
            "ROOT/set: no table in this folder. Name one that save_to_disk of datasets wrote, or one with Parquet "
            "files.",
        ),
        (
            without(label=None),
            "ROOT/set/data-00000-of-00002.arrow: no column 'label', only audio, group, speaker, path. It needs path "
            "and label, and may have split, fold, group, start and stop.",
        ),
        (
            without(audio=None),
            "ROOT/set/data-00000-of-00002.arrow: no column 'path', only label, group, speaker. It needs path and "
            "label, and may have split, fold, group, start and stop.",
        ),
        (without(label=-1), "ROOT/set/data-00000-of-00002.arrow: row 1: the label is empty. Every clip needs one."),
        (
            damaged("state.json", b'{"_data_files": [{"filename": "../../x.arrow"}]}'),
            "ROOT/set/state.json: names '../../x.arrow', which is no name in its folder. Save it anew.",
        ),
        (
            damaged("state.json", b"[]"),
            "ROOT/set/state.json: is not what save_to_disk of datasets writes. Save the data set anew.",
        ),
        (
            damaged("data-00000-of-00002.arrow", b"nothing of the kind"),
            "ROOT/set/data-00000-of-00002.arrow: no Arrow stream (*). Save it as one.",
        ),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, write: Callable[[Path], None], expected: str) -> None:
    write(tmp_path / "set")
    with pytest.raises(DataError) as caught:
        task.build(spec(tmp_path)).clips("train")
    said, (begin, star, end) = str(caught.value).replace(str(tmp_path), "ROOT"), expected.partition("*")
    assert said.startswith(begin)
    assert said.endswith(end) if star else said == expected


def test_a_row_without_audio_is_a_bad_clip(tmp_path: Path) -> None:
    save(
        tmp_path / "set",
        [row | {"audio": {"bytes": None, "path": "x.wav"}} for row in rows("train")[:1]] + rows("train"),
    )
    found = task.build(spec(tmp_path))
    clips = [clip for split in SPLITS for clip in found.clips(split)]
    with pytest.raises(DataError, match=r"0000000-x.wav: cannot be opened \(the row holds no audio\)"):
        read(next(clip for clip in clips if clip.path.name.startswith("0000000-x")))


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    save_parquet(tmp_path / "hub")
    (tmp_path / "root" / "set").mkdir(parents=True)
    for path in (tmp_path / "hub" / "data").iterdir():
        (tmp_path / "root" / "set" / path.name).symlink_to(path)
    with pytest.raises(
        DataError, match=r"a link that leads out of .*/root. To follow them, set task.folder.follow_links"
    ):
        task.build(spec(tmp_path / "root")).clips("train")
    assert len(task.build(spec(tmp_path / "root", follow_links=True)).clips("train")) == COUNTS["train"]
