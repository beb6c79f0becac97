"""UrbanSound8K in its published layout: folds, groups, labels, counts, and what goes wrong."""

import random
from collections import Counter
from pathlib import Path

import pytest

from mixkit.errors import DataError, MixkitError, SettingError
from mixkit.registry import Clip, task
from mixkit.tasks.clip import SPLITS
from mixkit.tasks.leakage import check_splits
from mixkit.tasks.published import RANDOM_NOTE
from mixkit.tasks.urbansound8k import LABELS, UrbanSound8K
from tests.archives import URBANSOUND8K_HEADER as HEADER
from tests.archives import put, urbansound8k
from tests.archives import urbansound8k_rows as small

FOLD_SIZES = (873, 888, 925, 990, 936, 823, 838, 806, 816, 837)  # published
CLASS_SIZES = (1000, 429, 1000, 1000, 1000, 1000, 374, 1000, 929, 1000)  # published
ADVICE = "Run `mixkit data get urbansound8k`, or unpack UrbanSound8K.tar.gz, so that audio/ and metadata/ are there."


def folds_of(clips: tuple[Clip, ...]) -> Counter[str]:
    return Counter(clip.path.parent.name for clip in clips)


def test_the_whole_of_it_has_the_published_counts(tmp_path: Path) -> None:
    codes = [code for code, size in enumerate(CLASS_SIZES) for _ in range(size)]
    random.Random(0).shuffle(codes)
    folds = [fold for fold, size in enumerate(FOLD_SIZES, start=1) for _ in range(size)]
    rows = [(f"{fold}{code}-{code}-0-{n}.wav", fold) for n, (fold, code) in enumerate(zip(folds, codes, strict=True))]
    put(tmp_path, urbansound8k(rows))
    source = UrbanSound8K(root=str(tmp_path), fold=10)
    check_splits(source)
    assert source.notes == ()
    assert [len(source.clips(split)) for split in SPLITS] == [8732 - 837 - 873, 873, 837]
    everything = tuple(clip for split in SPLITS for clip in source.clips(split))
    assert len(everything) == source.published == 8732
    assert folds_of(everything) == {f"fold{fold}": size for fold, size in enumerate(FOLD_SIZES, start=1)}
    assert Counter(clip.label for clip in everything) == dict(zip(LABELS, CLASS_SIZES, strict=True))


def test_labels_are_in_the_order_of_class_id() -> None:
    assert UrbanSound8K().labels == (
        "air_conditioner",
        "car_horn",
        "children_playing",
        "dog_bark",
        "drilling",
        "engine_idling",
        "gun_shot",
        "jackhammer",
        "siren",
        "street_music",
    )


@pytest.mark.parametrize(("fold", "valid"), [(1, 2), (2, 3), (9, 10), (10, 1)])
def test_the_next_fold_validates(tmp_path: Path, fold: int, valid: int) -> None:
    source = UrbanSound8K(root=str(put(tmp_path, urbansound8k())), fold=fold)
    assert set(folds_of(source.clips("test"))) == {f"fold{fold}"}
    assert set(folds_of(source.clips("valid"))) == {f"fold{valid}"}
    assert set(folds_of(source.clips("train"))) == {f"fold{n}" for n in range(1, 11)} - {f"fold{fold}", f"fold{valid}"}
    assert source.folds == ("1", "2", "3", "4", "5", "6", "7", "8", "9", "10")


def test_a_recording_in_two_folds_is_not_trained_on_where_it_is_tested(tmp_path: Path) -> None:
    put(tmp_path, urbansound8k())
    one = UrbanSound8K(root=str(tmp_path), fold=1)
    check_splits(one)
    assert one.notes == (
        "204 clips found; 8,732 are published.",
        "1 clip is left out of train: others of the same group are held out (recording 132016).",
    )
    assert folds_of(one.clips("test")) == {"fold1": 23}  # the tested fold is whole
    three = UrbanSound8K(root=str(tmp_path), fold=3)  # fold 4 validates
    check_splits(three)
    assert three.notes[1:] == (
        "3 clips are left out of train: others of the same group are held out (recording 132016).",
    )
    five = UrbanSound8K(root=str(tmp_path), fold=5)
    assert five.notes[1:] == ()
    assert {clip.group for clip in five.clips("train") if clip.path.name.startswith("132016")} == {"recording 132016"}


def test_random_splits_break_groups_under_their_name_only(tmp_path: Path) -> None:
    source = UrbanSound8K(root=str(put(tmp_path, urbansound8k())), protocol="paper-random", fold=2)
    assert source.protocol == "paper-random"
    assert source.notes[-1] == RANDOM_NOTE
    trained, tested = ({clip.group for clip in source.clips(split)} for split in ("train", "test"))
    assert trained & tested
    check_splits(source)
    source.protocol = "official"
    with pytest.raises(
        DataError, match=r"^the group recording \d+ stands in train \(.*Keep each group in one split\.$"
    ):
        check_splits(source)


def test_random_splits_are_stratified_and_always_the_same(tmp_path: Path) -> None:
    put(tmp_path / "a", urbansound8k())
    put(tmp_path / "b", urbansound8k(small()[::-1]))
    tested: list[str] = []
    for fold in range(1, 11):
        here, there = (UrbanSound8K(root=str(tmp_path / r), protocol="paper-random", fold=fold) for r in "ab")
        for split in SPLITS:
            assert [c.path.name for c in here.clips(split)] == [c.path.name for c in there.clips(split)]
        counts = Counter(clip.label for clip in here.clips("test"))
        assert set(counts) == set(LABELS)
        assert max(counts.values()) - min(counts.values()) <= 1
        tested += [clip.path.name for clip in here.clips("test")]
        assert [len(here.clips(split)) // 10 for split in SPLITS] == [16, 2, 2]
    assert sorted(tested) == sorted(name for name, _ in small())


def test_the_order_is_that_of_names_whatever_the_table_says(tmp_path: Path) -> None:
    put(tmp_path / "a", urbansound8k())
    put(tmp_path / "b", urbansound8k(random.Random(1).sample(small(), len(small()))))
    a, b = (UrbanSound8K(root=str(tmp_path / r)).clips("train") for r in "ab")
    assert [clip.path.name for clip in a] == [clip.path.name for clip in b] == sorted(c.path.name for c in a)


def test_clips_that_are_missing_are_counted(tmp_path: Path) -> None:
    put(tmp_path, urbansound8k())
    (tmp_path / "audio" / "fold7" / "1070-0-0-0.wav").unlink()
    source = UrbanSound8K(root=str(tmp_path), fold=5)
    assert source.notes == ("203 clips found; 8,732 are published.",)


def test_the_unpacked_archive_may_stand_in_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "urbansound8k" / "UrbanSound8K", urbansound8k())
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path))
    source = task.build(task.spec("urbansound8k"))
    assert source.clips("test")[0].path == tmp_path / "urbansound8k/UrbanSound8K/audio/fold1/1010-0-0-0.wav"


def expect(error: type[MixkitError], message: str, **settings: object) -> None:
    with pytest.raises(error) as caught:
        task.build(task.spec("urbansound8k", **settings)).clips("test")
    assert str(caught.value) == message


def test_what_goes_wrong_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path / "none"))
    root = str(tmp_path)
    expect(
        DataError,
        f"{tmp_path}/none/urbansound8k: no such folder. {ADVICE} "
        "Or name another folder: --set \"task.urbansound8k.root = 'PATH'\".",
    )
    expect(
        SettingError,
        f"task.urbansound8k.root is {root!r}: metadata/UrbanSound8K.csv, audio missing. {ADVICE}",
        root=root,
    )
    expect(SettingError, "task.urbansound8k.fold is 11, but there are 10 folds. Use 1 to 10.", root=root, fold=11)
    expect(SettingError, "task.urbansound8k.fold is 0. It takes an int, at least 1.", root=root, fold=0)
    expect(
        SettingError,
        "task.urbansound8k.protocol is 'random'. It takes 'official' or 'paper-random'.",
        root=root,
        protocol="random",
    )
    put(tmp_path, urbansound8k())
    with pytest.raises(MixkitError) as caught:
        UrbanSound8K(root=root).clips("dev")
    assert str(caught.value) == "no split named 'dev'. There are train, valid and test."


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("slice_file_name,fsID\n", ": no column fold, classID, class. Put the published table there."),
        (
            HEADER + "1-0-0-0.wav,1,0,4,4,1,11,0,air_conditioner\n",
            ":2: '1-0-0-0.wav', fsID '1', fold '11', classID '0', class 'air_conditioner' do not fit. "
            "Put the published table there.",
        ),
        (
            HEADER + "1-0-0-0.wav,1,0,4,4,1,1,0,siren\n",
            ":2: '1-0-0-0.wav', fsID '1', fold '1', classID '0', class 'siren' do not fit. "
            "Put the published table there.",
        ),
        (
            HEADER + "1-0-0-0.wav,2,0,4,4,1,1,0,air_conditioner\n",
            ":2: '1-0-0-0.wav', fsID '2', fold '1', classID '0', class 'air_conditioner' do not fit. "
            "Put the published table there.",
        ),
    ],
)
def test_another_table_is_refused(tmp_path: Path, table: str, message: str) -> None:
    put(tmp_path, urbansound8k())
    path = tmp_path / "metadata" / "UrbanSound8K.csv"
    path.write_text(table)
    expect(DataError, f"{path}{message}", root=str(tmp_path))


def test_links_are_not_followed_out_of_the_root(tmp_path: Path) -> None:
    put(tmp_path / "data", urbansound8k())
    outside = tmp_path / "outside.wav"
    outside.touch()
    inside = tmp_path / "data" / "audio" / "fold1" / "1010-0-0-0.wav"
    inside.unlink()
    inside.symlink_to(outside)
    message = f"{inside}: a link that leads out of {tmp_path}/data. Put what it leads to in its place."
    expect(DataError, message, root=str(tmp_path / "data"))
    inside.unlink()
    inside.symlink_to(inside.with_name("1010-0-0-1.wav"))
    assert len(UrbanSound8K(root=str(tmp_path / "data")).clips("test")) == 23
