"""CASIA in its layout: speakers, folds, counts, and what goes wrong."""

from collections import Counter
from pathlib import Path

import pytest

from mixkit.errors import DataError, MixkitError, SettingError
from mixkit.registry import task
from mixkit.tasks.casia import CASIA
from mixkit.tasks.clip import SPLITS
from mixkit.tasks.leakage import check_splits
from mixkit.tasks.published import RANDOM_NOTE
from tests.archives import CASIA_SPEAKERS as SPEAKERS
from tests.archives import casia, put

EMOTIONS = ("angry", "fear", "happy", "neutral", "sad", "surprise")
ADVICE = (
    "The corpus cannot be downloaded: ask its owner, the Institute of Automation of the Chinese Academy of Sciences. "
    "Place a folder for each of the four speakers there, with folders angry, fear, happy, neutral, sad and surprise in "
    "each, and files such as wangzhe/angry/201.wav."
)


@pytest.mark.parametrize("fold", [1, 2, 3, 4])
def test_folds_are_speakers(tmp_path: Path, fold: int) -> None:
    source = CASIA(root=str(put(tmp_path, casia())), fold=fold)
    check_splits(source)
    assert source.notes == ()
    assert source.labels == EMOTIONS
    assert source.folds == ("1", "2", "3", "4")
    assert source.protocol == "speakers"
    assert [len(source.clips(split)) for split in SPLITS] == [600, 300, 300]
    assert {clip.group for clip in source.clips("test")} == {f"speaker {SPEAKERS[fold - 1]}"}
    assert {clip.group for clip in source.clips("valid")} == {f"speaker {SPEAKERS[fold % 4]}"}
    assert Counter(clip.label for clip in source.clips("test")) == dict.fromkeys(EMOTIONS, 50)


def test_random_splits_break_speakers_under_their_name_only(tmp_path: Path) -> None:
    source = CASIA(root=str(put(tmp_path, casia())), protocol="paper-random")
    check_splits(source)
    assert source.notes == (RANDOM_NOTE,)
    assert len(source.folds) == 10
    assert [len(source.clips(split)) for split in SPLITS] == [960, 120, 120]
    assert Counter(clip.label for clip in source.clips("test")) == dict.fromkeys(EMOTIONS, 20)
    assert len({clip.group for clip in source.clips("test")}) == 4
    again = CASIA(root=str(tmp_path), protocol="paper-random")
    assert again.clips("train") == source.clips("train")
    source.protocol = "speakers"
    with pytest.raises(DataError, match=r"^the group speaker \w+ stands in train \(.*Keep each group in one split\.$"):
        check_splits(source)


def test_other_counts_are_said(tmp_path: Path) -> None:
    source = CASIA(root=str(put(tmp_path, casia(sentences=3))))
    assert source.notes == ("72 clips found; the part that circulates has 1,200 and the whole corpus has 9,600.",)


def expect(error: type[MixkitError], message: str, **settings: object) -> None:
    with pytest.raises(error) as caught:
        task.build(task.spec("casia", **settings)).clips("test")
    assert str(caught.value) == message


def test_what_goes_wrong_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path))
    root = str(tmp_path)
    other = "Or name another folder: --set \"task.casia.root = 'PATH'\"."
    expect(DataError, f"{tmp_path}/casia: no such folder. {ADVICE} {other}")
    expect(SettingError, f"task.casia.root is {root!r}: 0 folders of speakers are found. {ADVICE}", root=root)
    put(tmp_path, casia(SPEAKERS[:2], 1))
    what = "2 folders of speakers are found (liuchanhg, wangzhe)"
    expect(SettingError, f"task.casia.root is {root!r}: {what}. {ADVICE}", root=root)
    expect(SettingError, "task.casia.fold is 5, but there are 4 folds. Use 1 to 4.", fold=5)
