"""GTZAN with its fault-filtered lists: three ways to write them, counts, and what goes wrong."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from mixkit.errors import DataError, MixkitError, SettingError
from mixkit.registry import task
from mixkit.tasks.clip import SPLITS
from mixkit.tasks.gtzan import GTZAN
from mixkit.tasks.leakage import check_splits
from tests.archives import gtzan, gtzan_count, gtzan_lists, gtzan_name, gtzan_path, put

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
ADVICE = (
    "Nobody is known to offer the data: place your copy there, files such as blues/blues.00000.wav, "
    "100 in each of the ten folders of genres."
)
ADVICE_LISTS = (
    "Place the fault-filtered lists of Kereliuk et al. there (train_filtered.txt, valid_filtered.txt and "
    "test_filtered.txt, which the repositories coreyker/dnn-mgr and jongpillee/music_dataset_split on GitHub have), "
    "or name their folder: --set \"task.gtzan.lists = 'PATH'\"."
)


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put(tmp_path_factory.mktemp("gtzan"), gtzan())


@pytest.mark.parametrize("line", [gtzan_path, gtzan_name, gtzan_count])
def test_lists_are_read_in_the_three_ways(music: Path, tmp_path: Path, line: Callable[[int], str]) -> None:
    source = GTZAN(root=str(music), lists=str(put(tmp_path, gtzan_lists(line))))
    check_splits(source)
    assert source.notes == ()
    assert [len(source.clips(split)) for split in SPLITS] == [443, 197, 290]
    assert (source.labels, source.folds, source.protocol) == (GENRES, (), "fault-filtered")
    assert source.clips("train")[0].path == music / "blues/blues.00000.wav"
    assert source.clips("train")[0].group == "blues.00000"
    assert source.clips("valid")[-1].path == music / "rock/rock.00063.wav"


def test_the_published_lists(music: Path, tmp_path: Path) -> None:
    lists = pytest.importorskip("torchaudio.datasets.gtzan", reason="torchaudio carries the lists")
    for split in SPLITS:
        (tmp_path / f"{split}_filtered.txt").write_text("\n".join(getattr(lists, f"filtered_{split}")))
    source = GTZAN(root=str(music), lists=str(tmp_path))
    check_splits(source)
    assert source.notes == ()
    counts = Counter(clip.label for clip in source.clips("test"))
    assert sum(counts.values()) == 290
    assert set(counts) == set(GENRES)


def test_lists_may_stand_beside_the_genres(tmp_path: Path) -> None:
    put(tmp_path / "genres_original", gtzan())
    (tmp_path / "genres_original" / "blues" / "blues.00000.wav").unlink()
    source = GTZAN(root=str(put(tmp_path, gtzan_lists())))
    assert source.notes == ("442 / 197 / 290 clips found for train / valid / test; 443 / 197 / 290 are published.",)


def expect(error: type[MixkitError], message: str, **settings: object) -> None:
    with pytest.raises(error) as caught:
        task.build(task.spec("gtzan", **settings)).clips("test")
    assert str(caught.value) == message


def test_what_goes_wrong_is_said(music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path))
    other = "Or name another folder: --set \"task.gtzan.root = 'PATH'\"."
    expect(DataError, f"{tmp_path}/gtzan: no such folder. {ADVICE} {other}")
    missing = "blues, classical, country and 7 more missing"
    expect(SettingError, f"task.gtzan.root is {str(tmp_path)!r}: {missing}. {ADVICE}", root=str(tmp_path))
    expect(DataError, f"{music}: train_filtered.txt is missing. {ADVICE_LISTS}", root=str(music))
    lists = put(tmp_path, gtzan_lists())
    (lists / "test_filtered.txt").write_text("polka/polka.00001.wav\n")
    message = f"{lists}/test_filtered.txt: 'polka/polka.00001.wav' is no excerpt. "
    expect(DataError, message + "Write lines such as blues/blues.00029.wav.", root=str(music), lists=str(lists))
    for genre in GENRES:
        (tmp_path / "old" / genre).mkdir(parents=True)
    (tmp_path / "old" / "rock" / "rock.00000.au").touch()
    root = str(tmp_path / "old")
    message = f"task.gtzan.root is {root!r}: the excerpts are .au files. Convert them to .wav of the same names."
    expect(SettingError, message, root=root)


def test_an_excerpt_in_two_lists_leaves_training(music: Path, tmp_path: Path) -> None:
    put(tmp_path, gtzan_lists())
    with (tmp_path / "train_filtered.txt").open("a") as file:
        file.write((tmp_path / "test_filtered.txt").read_text().splitlines()[0])
    source = GTZAN(root=str(music), lists=str(tmp_path))
    check_splits(source)
    assert source.notes == (
        "444 / 197 / 290 clips found for train / valid / test; 443 / 197 / 290 are published.",
        "1 clip is left out of train: others of the same group are held out (blues.00064).",
    )
