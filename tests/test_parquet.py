"""A table in Parquet says what the same table in CSV says, and is refused in the same words."""

import math
import sys
from pathlib import Path
from typing import Any

import pytest

from mixkit.errors import DataError, MixkitError
from mixkit.registry import task
from mixkit.tasks.clip import SPLITS

pyarrow = pytest.importorskip("pyarrow")
pyarrow.parquet = pytest.importorskip("pyarrow.parquet")

PATHS = [f"{number:02d}.wav" for number in range(8)]
LABELS = ["cat", "dog"] * 4


def folder(root: Path, **settings: Any) -> Any:
    return task.build(task.spec("folder", root=str(root), **settings))


def table(root: Path, columns: dict[str, Any]) -> Path:
    for path in PATHS:
        (root / path).touch()
    pyarrow.parquet.write_table(pyarrow.table(columns), root / "clips.parquet", row_group_size=3)
    return root


def listed(root: Path, name: str, **settings: Any) -> list[Any]:
    found = folder(root, table=name, **settings)
    return [found.labels, found.folds, found.protocol, *(found.clips(split) for split in SPLITS)]


def test_it_says_what_csv_says(tmp_path: Path) -> None:
    starts = [0.0, 1.5, math.nan, None] * 2
    folds = [1, 2, 3, 4] * 2
    table(tmp_path, {" Path": PATHS, "LABEL": LABELS, "fold": folds, "start": starts, "audio": [bytes(9)] * 8})
    rows = zip(PATHS, LABELS, folds, ["0", "1.5", "", ""] * 2, strict=True)
    (tmp_path / "clips.csv").write_text("path,label,fold,start\n" + "".join(f"{','.join(map(str, r))}\n" for r in rows))
    found = listed(tmp_path, "clips.parquet", fold=1)
    assert found == listed(tmp_path, "clips.csv", fold=1)
    assert sum(map(len, found[3:])) == 8


@pytest.mark.parametrize("labels", [[["cat", "dog"], ["dog"], [], ["cat"]] * 2, ["cat;dog", "dog", None, "cat"] * 2])
def test_several_labels_are_a_list_or_a_text(tmp_path: Path, labels: list[Any]) -> None:
    table(tmp_path, {"path": PATHS, "label": labels, "split": ["train", "train", "valid", "test"] * 2})
    clips = folder(tmp_path, table="clips.parquet", multi_label=True)
    assert [clip.tags for clip in clips.clips("train")] == [("cat", "dog"), ("dog",)] * 2
    assert [clip.tags for clip in clips.clips("valid")] == [(), ()]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            {"path": PATHS, "class": LABELS},
            "ROOT/clips.parquet: no column 'label', only path, class. It needs path and label, and may have split, "
            "fold, group, start and stop.",
        ),
        (
            {"path": PATHS, "label": LABELS, "Label": LABELS},
            "ROOT/clips.parquet: more than one column label. Rename or remove the others.",
        ),
        (
            {"path": [*PATHS[:5], "../x.wav", *PATHS[6:]], "label": LABELS},
            "ROOT/clips.parquet: row 6: path is '../x.wav', which leaves ROOT. Name what is below the root.",
        ),
        (
            {"path": PATHS, "label": ["cat", None] * 4},
            "ROOT/clips.parquet: row 2: the label is empty. Every clip needs one.",
        ),
        ({"path": PATHS[:0], "label": LABELS[:0]}, "ROOT/clips.parquet: no row. Give it one for each clip."),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, columns: dict[str, Any], expected: str) -> None:
    table(tmp_path, columns)
    with pytest.raises(DataError) as caught:
        folder(tmp_path, table="clips.parquet").clips("train")
    assert str(caught.value).replace(str(tmp_path), "ROOT") == expected


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clips.parquet").write_text("path,label\n")
    with pytest.raises(DataError, match=r"clips.parquet: no Parquet table \(Parquet .*\). Save it as one.$"):
        folder(tmp_path, table="clips.parquet").clips("train")
    with pytest.raises(DataError, match=r"No such file or directory. task.folder.table names a CSV or Parquet file"):
        folder(tmp_path, table="none.parquet").clips("train")


def test_without_pyarrow_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(tmp_path, {"path": PATHS, "label": LABELS})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MixkitError, match=r"needs pyarrow. Install it: pip install 'mixkit\[shards\]', or save"):
        folder(tmp_path, table="clips.parquet").clips("train")
