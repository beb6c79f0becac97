"""ESC-50 and ESC-10 in their published layouts: folds, sources, labels, counts, and what goes wrong."""

from collections import Counter
from pathlib import Path

import pytest

from mixkit.errors import DataError, MixkitError, SettingError
from mixkit.registry import task
from mixkit.tasks.clip import SPLITS
from mixkit.tasks.esc50 import ESC50, LABELS
from mixkit.tasks.leakage import check_splits
from tests.archives import ESC10_TARGETS, esc10_alone, esc50, put

REAL = Path(__file__).parents[1].parent / "shared" / "data" / "esc10"
ADVICE = "Run `mixkit data get esc50`, or put a copy of the ESC-50 repository there, with meta/ and audio/."


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put(tmp_path_factory.mktemp("esc50"), esc50())


@pytest.mark.parametrize(("fold", "valid"), [(1, 2), (2, 3), (3, 4), (4, 5), (5, 1)])
def test_counts_and_folds_are_the_published_ones(whole: Path, fold: int, valid: int) -> None:
    source = ESC50(root=str(whole), fold=fold)
    check_splits(source)
    assert source.published == 2000
    assert source.folds == ("1", "2", "3", "4", "5")
    assert source.protocol == "official"
    assert len(source.clips("test")) == 400
    assert {clip.path.name[0] for clip in source.clips("test")} == {str(fold)}
    assert {clip.path.name[0] for clip in source.clips("valid")} == {str(valid)}
    assert Counter(clip.label for clip in source.clips("test")) == dict.fromkeys(LABELS, 8)
    assert source.clips("test")[0].group == f"source {source.clips('test')[0].path.name.split('-')[1]}"


def test_a_source_in_two_folds_is_held_out_once(whole: Path) -> None:
    note = "1 clip is left out of {}: others of the same group are held out (source 134049)."
    found = [ESC50(root=str(whole), fold=fold).notes for fold in range(1, 6)]
    assert found == [(note.format("train"),), (note.format("valid"),), (note.format("train"),), (), ()]
    two = ESC50(root=str(whole), fold=2)
    assert [len(two.clips(split)) for split in SPLITS] == [1200, 399, 400]


def test_labels_are_in_the_order_of_target() -> None:
    labels = ESC50().labels
    assert len(set(labels)) == 50
    known = {0: "dog", 9: "crow", 10: "rain", 20: "crying_baby", 29: "drinking_sipping", 30: "door_wood_knock"}
    known |= {38: "clock_tick", 39: "glass_breaking", 40: "helicopter", 49: "hand_saw"}
    assert {target: labels[target] for target in known} == known
    assert ESC50(subset="esc10").labels == tuple(labels[target] for target in ESC10_TARGETS)


@pytest.mark.parametrize("fold", [1, 5])
def test_esc10_is_the_same_in_both_layouts(whole: Path, tmp_path: Path, fold: int) -> None:
    within = ESC50(root=str(whole), subset="esc10", fold=fold)
    alone = ESC50(root=str(put(tmp_path, esc10_alone())), subset="esc10", fold=fold)
    for source in (within, alone):
        check_splits(source)
        assert source.notes == ()
        assert [len(source.clips(split)) for split in SPLITS] == [240, 80, 80]
    for split in SPLITS:
        one, other = ({(c.label, c.group) for c in source.clips(split)} for source in (within, alone))
        assert one == other


def test_the_order_is_always_the_same(tmp_path: Path) -> None:
    table = put(tmp_path, esc50(every=20)) / "meta" / "esc50.csv"
    first = ESC50(root=str(tmp_path)).clips("train")
    lines = table.read_text().splitlines(keepends=True)
    table.write_text(lines[0] + "".join(reversed(lines[1:])))
    assert len(first) == 60
    assert ESC50(root=str(tmp_path)).clips("train") == first


@pytest.mark.skipif(not REAL.is_dir(), reason="needs shared/data/esc10 beside the repository")
@pytest.mark.parametrize("fold", [1, 2, 3, 4, 5])
def test_the_real_esc10(fold: int) -> None:
    source = ESC50(root=str(REAL), subset="esc10", fold=fold)
    check_splits(source)
    assert source.notes == ()
    for split, size in zip(SPLITS, (24, 8, 8), strict=True):
        assert Counter(clip.label for clip in source.clips(split)) == dict.fromkeys(source.labels, size)
    assert {clip.path.name[0] for clip in source.clips("test")} == {str(fold)}
    assert {clip.path.name[0] for clip in source.clips("valid")} == {str(fold % 5 + 1)}


def expect(error: type[MixkitError], message: str, **settings: object) -> None:
    with pytest.raises(error) as caught:
        task.build(task.spec("esc50", **settings)).clips("test")
    assert str(caught.value) == message


def test_what_goes_wrong_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path))
    other = "Or name another folder: --set \"task.esc50.root = 'PATH'\"."
    old = "The older ESC-10 also does, with its folders '001 - Dog bark' to '010 - Fire crackling'."
    expect(DataError, f"{tmp_path}/esc50: no such folder. {ADVICE} {other}")
    (tmp_path / "esc50" / "meta").mkdir(parents=True)
    expect(DataError, f"{tmp_path}/esc50: meta/esc50.csv, audio missing. {ADVICE} {old} {other}", subset="esc10")
    expect(SettingError, "task.esc50.fold is 6, but there are 5 folds. Use 1 to 5.", fold=6)
    alone = put(tmp_path / "alone", esc10_alone())
    expect(SettingError, f"task.esc50.subset is 'esc50', but {alone} is ESC-10. Use 'esc10'.", root=str(alone))
    odd = alone / "002 - Rain" / "rain.ogg"
    odd.touch()
    message = f"{odd}: no name such as 1-100032-A.ogg. Take the file out, or put the original there."
    expect(DataError, message, root=str(alone), subset="esc10")


def test_folds_that_were_changed_are_noticed(tmp_path: Path) -> None:
    table = put(tmp_path, esc50(every=20)) / "meta" / "esc50.csv"
    table.write_text(table.read_text().replace("1-1000-A-0.wav,1,0,dog", "1-1000-A-0.wav,4,0,dog"))
    message = f"{table}:2: '1-1000-A-0.wav', fold '4', target '0', category 'dog' do not fit. "
    expect(DataError, message + "Put the published table there.", root=str(tmp_path))


def test_missing_clips_are_counted(tmp_path: Path) -> None:
    (put(tmp_path / "ESC-50-master", esc50(every=20)) / "audio" / "5-5000-A-0.wav").unlink()
    source = ESC50(root=str(tmp_path), fold=4)
    assert source.notes == ("99 clips found; 2,000 are published.",)
