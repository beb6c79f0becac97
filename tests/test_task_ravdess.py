"""RAVDESS in its published layouts: names, actors, folds, doubles, counts, and what goes wrong."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from mixkit.errors import DataError, MixkitError, SettingError
from mixkit.registry import task
from mixkit.tasks.clip import SPLITS
from mixkit.tasks.leakage import check_splits
from mixkit.tasks.published import RANDOM_NOTE
from mixkit.tasks.ravdess import RAVDESS
from tests.archives import by_actor, flat, nested, put, ravdess
from tests.archives import ravdess_names as names

LABELS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
ADVICE = (
    "Run `mixkit data get ravdess`, or unpack Audio_Speech_Actors_01-24.zip there, "
    "for files such as Actor_12/03-01-06-01-02-01-12.wav."
)


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put(tmp_path_factory.mktemp("ravdess"), ravdess(names()))


@pytest.mark.parametrize("fold", [1, 2, 3, 4, 5, 6])
def test_folds_leave_actors_out(speech: Path, fold: int) -> None:
    source = RAVDESS(root=str(speech), fold=fold)
    check_splits(source)
    assert source.notes == ()
    assert source.folds == ("1", "2", "3", "4", "5", "6")
    assert source.protocol == "actors"
    assert [len(source.clips(split)) for split in SPLITS] == [960, 240, 240]
    actors = {split: {int(clip.group.split()[1]) for clip in source.clips(split)} for split in SPLITS}
    assert actors["test"] == set(range(4 * fold - 3, 4 * fold + 1))
    assert actors["valid"] == set(range(4 * (fold % 6) + 1, 4 * (fold % 6) + 5))
    assert sum(actor % 2 for actor in actors["test"]) == 2


def test_emotions_come_from_the_third_number(speech: Path) -> None:
    source = RAVDESS(root=str(speech))
    assert source.labels == LABELS
    assert source.published == 1440
    counts = Counter(clip.label for split in SPLITS for clip in source.clips(split))
    assert counts == {"neutral": 96, **dict.fromkeys(LABELS[1:], 192)}
    assert all(clip.label == LABELS[int(clip.path.name[6:8]) - 1] for clip in source.clips("train"))


@pytest.mark.parametrize("place", [flat, nested])
def test_the_layouts_list_the_same(speech: Path, tmp_path: Path, place: Callable[[str], str]) -> None:
    put(tmp_path, ravdess(names(), [place]))
    for protocol in ("actors", "paper-random"):
        here = RAVDESS(root=str(tmp_path), protocol=protocol)  # type: ignore[arg-type]
        there = RAVDESS(root=str(speech), protocol=protocol)  # type: ignore[arg-type]
        for split in SPLITS:
            assert [c.path.name for c in here.clips(split)] == [c.path.name for c in there.clips(split)]


def test_files_that_stand_there_twice_count_once(tmp_path: Path) -> None:
    put(tmp_path, ravdess(names(), [by_actor, nested]))
    source = RAVDESS(root=str(tmp_path))
    check_splits(source)
    assert sum(len(source.clips(split)) for split in SPLITS) == 1440
    assert source.clips("test")[0].path == tmp_path / "Actor_01" / "03-01-01-01-01-01-01.wav"
    folder = "audio_speech_actors_01-24/Actor_01/03-01-01-01"
    assert source.notes == (
        "1,440 files stand there twice and counted once; passed over: "
        f"{folder}-01-01-01.wav, {folder}-01-02-01.wav, {folder}-02-01-01.wav and 1437 more.",
    )


def test_song_is_an_option(tmp_path: Path) -> None:
    song = names("02", 6, absent=18)
    put(tmp_path, ravdess(names() + song))
    counts = {}
    for channel in ("speech", "song", "both"):
        source = RAVDESS(root=str(tmp_path), channel=channel)  # type: ignore[arg-type]
        check_splits(source)
        assert source.notes == ()
        counts[channel] = sum(len(source.clips(split)) for split in SPLITS), len(source.labels)
    assert counts == {"speech": (1440, 8), "song": (1012, 6), "both": (2452, 8)}


def test_random_splits_break_actors_under_their_name_only(speech: Path) -> None:
    source = RAVDESS(root=str(speech), protocol="paper-random", fold=10)
    check_splits(source)
    assert source.folds == tuple(str(number) for number in range(1, 11))
    assert source.notes == (RANDOM_NOTE,)
    assert [len(source.clips(split)) for split in SPLITS] == [1152, 144, 144]
    assert len({clip.group for clip in source.clips("test")}) > 20
    counts = Counter(clip.label for clip in source.clips("test"))
    assert all(abs(counts[label] - (9.6 if label == "neutral" else 19.2)) < 1 for label in LABELS)
    source.protocol = "actors"
    with pytest.raises(DataError, match=r"^the group actor \d\d stands in train \(.*Keep each group in one split\.$"):
        check_splits(source)


def test_other_files_are_no_clips(tmp_path: Path) -> None:
    put(tmp_path, ravdess(names()))
    for name in ("01-01-01-01-01-01-01.wav", "03-01-09-01-01-01-01.wav", "03-01-01-01-01-01-25.wav", "._x.wav"):
        (tmp_path / name).touch()
    assert RAVDESS(root=str(tmp_path)).notes == ()
    (tmp_path / "Actor_05" / "03-01-01-01-01-01-05.wav").unlink()
    assert RAVDESS(root=str(tmp_path)).notes == ("1,439 clips found; 1,440 are published.",)


def expect(error: type[MixkitError], message: str, **settings: object) -> None:
    with pytest.raises(error) as caught:
        task.build(task.spec("ravdess", **settings)).clips("test")
    assert str(caught.value) == message


def test_what_goes_wrong_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path))
    other = "Or name another folder: --set \"task.ravdess.root = 'PATH'\"."
    expect(DataError, f"{tmp_path}/ravdess: no such folder. {ADVICE} {other}")
    root = str(tmp_path)
    expect(SettingError, f"task.ravdess.root is {root!r}: no file of speech is found. {ADVICE}", root=root)
    song = "Unpack Audio_Song_Actors_01-24.zip there; `mixkit data get ravdess` fetches speech alone."
    message = f"task.ravdess.root is {root!r}: no file of song is found. {song}"
    expect(SettingError, message, root=root, channel="song")
    message = f"task.ravdess.root is {root!r}: no file of speech or song is found. {ADVICE} {song}"
    expect(SettingError, message, root=root, channel="both")
    expect(SettingError, "task.ravdess.fold is 7, but there are 6 folds. Use 1 to 6.", fold=7)
    expect(
        SettingError,
        "task.ravdess.fold is 11, but there are 10 folds. Use 1 to 10.",
        fold=11,
        protocol="paper-random",
    )
    (tmp_path / "Actor_01").symlink_to("/")
    message = f"{tmp_path}/Actor_01: a link that leads out of {tmp_path}. Put what it leads to in its place."
    expect(DataError, message, root=root)


def test_a_link_in_a_circle_ends(tmp_path: Path) -> None:
    put(tmp_path, ravdess(names()[:60], [flat]))
    (tmp_path / "again").symlink_to(tmp_path)
    source = RAVDESS(root=str(tmp_path))
    assert len(source.clips("test")) == 60
    assert source.notes[0] == "60 clips found; 1,440 are published."
    assert source.notes[1].startswith("180 files stand there twice and counted once; passed over: again/03-01-01")
