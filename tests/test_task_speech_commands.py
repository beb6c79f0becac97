"""SpeechCommands in its published layout: lists, speakers, 35 and 12 classes, silence, and what goes wrong."""

from collections import Counter
from pathlib import Path

import pytest

from mixkit.errors import DataError, MixkitError, SettingError
from mixkit.registry import task
from mixkit.tasks import speech_commands
from mixkit.tasks.clip import SPLITS
from mixkit.tasks.leakage import check_splits
from mixkit.tasks.speech_commands import ARCHIVES, SIZES, SpeechCommands
from tests.archives import NOISES, SPEAKERS, put, speaker, speech_commands_test_set
from tests.archives import speech_commands as files

LABELS = (
    "backward bed bird cat dog down eight five follow forward four go happy house learn left marvin nine no off on one "
    "right seven sheila six stop three tree two up visual wow yes zero"
)
COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
ADDED = ("backward", "follow", "forward", "learn", "visual")
COUNT_NOTE = "1,155 clips found; 105,829 are published."
SIZE_NOTE = "840 / 140 / 175 clips found for train / valid / test; 84,843 / 9,981 / 11,005 are published."
ADVICE = "Run `mixkit data get speech_commands`, or unpack speech_commands_v0.02.tar.gz there."
ADVICE_1 = (
    "Unpack speech_commands_v0.01.tar.gz into a folder of its own; "
    "`mixkit data get speech_commands` fetches version 0.02."
)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put(tmp_path_factory.mktemp("speech_commands"), files())


def test_the_lists_make_the_splits(words: Path) -> None:
    source = SpeechCommands(root=str(words))
    check_splits(source)
    assert source.labels == tuple(LABELS.split())
    assert source.protocol == "official lists, V2-35"
    assert source.folds == ()
    assert [len(source.clips(split)) for split in SPLITS] == [35 * count for count in SPEAKERS.values()]
    groups = {split: {clip.group for clip in source.clips(split)} for split in SPLITS}
    assert groups["valid"] == {f"speaker {speaker(number)}" for number in range(24, 28)}
    assert groups["test"] == {f"speaker {speaker(number)}" for number in range(28, 33)}
    assert source.clips("train")[0].path.parent.name == "backward"
    assert all(clip.label == clip.path.parent.name for clip in source.clips("train"))


def test_the_published_sizes_are_expected(words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert SIZES == {"train": 84_843, "valid": 9_981, "test": 11_005}
    assert sum(SIZES.values()) == ARCHIVES["0.02"][0] == 105_829
    assert ARCHIVES["0.01"] == (64_721, 3_081)
    assert SpeechCommands(root=str(words)).notes == (COUNT_NOTE, SIZE_NOTE)
    monkeypatch.setitem(speech_commands.ARCHIVES, "0.02", (1155, 4890))
    assert SpeechCommands(root=str(words)).notes == (SIZE_NOTE,)
    for split, size in {"train": 840, "valid": 140, "test": 175}.items():
        monkeypatch.setitem(speech_commands.SIZES, split, size)
    assert SpeechCommands(root=str(words)).notes == ()


def test_the_whole_of_it_has_the_published_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names alone, for 105,829 files take longer to make than all other tests."""
    names: dict[str, list[str]] = {word: [] for word in LABELS.split()}
    for first, (split, size) in enumerate(SIZES.items()):
        lines = []
        for number in range(size):
            word = LABELS.split()[number % 35]
            names[word].append(f"{first}{number // 35:07x}_nohash_0.wav")
            lines.append(f"{word}/{names[word][-1]}\n")
        if split != "train":
            (tmp_path / speech_commands.LISTS[split]).write_text("".join(lines))
    for word in names:
        (tmp_path / word).mkdir()
    monkeypatch.setattr(speech_commands, "sounds", lambda folder, _: tuple(names.get(folder.name, NOISES)))
    source = SpeechCommands(root=str(tmp_path))
    check_splits(source)
    assert source.notes == ()
    assert [len(source.clips(split)) for split in SPLITS] == [84_843, 9_981, 11_005]


def test_twelve_classes_have_a_tenth_of_silence_and_unknown(words: Path) -> None:
    source = SpeechCommands(root=str(words), variant="v2-12")
    check_splits(source)
    assert source.labels == ("_silence_", "_unknown_", *COMMANDS)
    assert source.protocol == "official lists, V2-12"
    for split, speakers in SPEAKERS.items():
        counts = Counter(clip.label for clip in source.clips(split))
        tenth = speakers  # ten commands each, a tenth of them
        assert counts == {"_silence_": tenth, "_unknown_": tenth, **dict.fromkeys(COMMANDS, speakers)}
    unknown = [clip for clip in source.clips("train") if clip.label == "_unknown_"]
    assert not {clip.path.parent.name for clip in unknown} & set(COMMANDS)
    assert len({clip.path.parent.name for clip in unknown}) > 10
    again = SpeechCommands(root=str(words), variant="v2-12")
    assert all(again.clips(split) == source.clips(split) for split in SPLITS)


def test_a_tenth_is_rounded_up_as_in_the_published_counts() -> None:
    commands = {"train": 30_769, "valid": 3_703}  # of version 0.02
    assert {split: n + 2 * -(-n // 10) for split, n in commands.items()} == {"train": 36_923, "valid": 4_445}


def test_silence_is_sections_of_noise_that_serves_one_split(words: Path) -> None:
    source = SpeechCommands(root=str(words), variant="v2-12")
    silence = {split: [c for c in source.clips(split) if c.label == "_silence_"] for split in SPLITS}
    files = {split: {clip.path.stem for clip in clips} for split, clips in silence.items()}
    assert files == {"train": set(NOISES[:4]), "valid": {"running_tap"}, "test": {"white_noise"}}
    assert [(clip.start, clip.stop) for clip in silence["valid"]] == [
        (0.0, 1.0),
        (14.75, 15.75),
        (29.5, 30.5),
        (44.25, 45.25),
    ]
    for clips in silence.values():
        assert len({(clip.path, clip.start) for clip in clips}) == len(clips)
        assert all(clip.stop is not None and clip.stop <= 60 for clip in clips)
        assert all(clip.group == f"noise {clip.path.name}" for clip in clips)


def test_silence_has_room_for_the_whole_data_set(words: Path) -> None:
    sections = list(speech_commands._silence(words, "train", 3_077))
    assert len({(clip.path, clip.start) for clip in sections}) == 3_077
    assert max(clip.stop or 0 for clip in sections) <= 60
    assert set(Counter(clip.path for clip in sections).values()) == {769, 770}


def test_the_official_test_set(tmp_path: Path) -> None:
    put(tmp_path / "speech_commands_v0.02", files())
    put(tmp_path / "speech_commands_test_set_v0.02", speech_commands_test_set())
    source = SpeechCommands(root=str(tmp_path), variant="v2-12", test="archive")
    check_splits(source)
    assert source.protocol == "official lists and test set, V2-12"
    assert source.notes == (COUNT_NOTE, "test set: 60 clips found; 4,890 are published.")
    tested = source.clips("test")
    assert Counter(clip.label for clip in tested) == dict.fromkeys(source.labels, 5)
    assert {clip.path.parents[1].name for clip in tested} == {"speech_commands_test_set_v0.02"}
    assert [clip.group for clip in tested if clip.label == "_unknown_"] == sorted(
        f"speaker {speaker(number)}" for number in range(28, 33)
    )
    assert tested[0].group == "file 28.wav"


def test_version_one_has_thirty_words(tmp_path: Path) -> None:
    put(tmp_path, files(words=[word for word in LABELS.split() if word not in ADDED]))
    source = SpeechCommands(root=str(tmp_path), variant="v1-12")
    check_splits(source)
    assert source.protocol == "official lists, V1-12"
    assert [len(source.clips(split)) for split in SPLITS] == [12 * count for count in SPEAKERS.values()]
    assert source.notes == ("990 clips found; 64,721 are published.",)


def test_a_speaker_in_two_splits_leaves_training(tmp_path: Path) -> None:
    put(tmp_path, files())
    (tmp_path / "wow" / f"{speaker(30)}_nohash_7.wav").touch()
    source = SpeechCommands(root=str(tmp_path))
    check_splits(source)
    note = f"1 clip is left out of train: others of the same group are held out (speaker {speaker(30)})."
    assert source.notes[-1] == note


def expect(error: type[MixkitError], message: str, **settings: object) -> None:
    with pytest.raises(error) as caught:
        task.build(task.spec("speech_commands", **settings)).clips("test")
    assert str(caught.value) == message


def test_what_goes_wrong_is_said(words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path))
    other = "Or name another folder: --set \"task.speech_commands.root = 'PATH'\"."
    expect(DataError, f"{tmp_path}/speech_commands: no such folder. {ADVICE} {other}")
    missing = "validation_list.txt, testing_list.txt, backward and 34 more missing"
    root = str(tmp_path)
    expect(SettingError, f"task.speech_commands.root is {root!r}: {missing}. {ADVICE}", root=root)
    expect(
        SettingError,
        "task.speech_commands.test is 'archive', which has 12 classes. Use 'lists', or variant = 'v2-12'.",
        test="archive",
    )
    root = str(words)
    message = f"task.speech_commands.root is {root!r}: version 0.02 is found, not 0.01. {ADVICE_1}"
    expect(SettingError, message, root=root, variant="v1-12")
    message = (
        f"{words}/speech_commands_test_set_v0.02: the official test set is missing. "
        "Unpack speech_commands_test_set_v0.02.tar.gz into a folder of that name, "
        "or set task.speech_commands.test = 'lists'."
    )
    expect(DataError, message, root=root, variant="v2-12", test="archive")


def test_other_lists_and_noises_are_refused(tmp_path: Path) -> None:
    put(tmp_path, files())
    root = str(tmp_path)
    (tmp_path / "testing_list.txt").write_text("wov/0_nohash_0.wav\n")
    message = f"{tmp_path}/testing_list.txt: 'wov/0_nohash_0.wav' is of no word. Put the published list there."
    expect(DataError, message, root=root)
    (tmp_path / "testing_list.txt").write_text(f"wow/{speaker(30)}_nohash_0.wav\n")
    for name in NOISES[:4]:
        (tmp_path / "_background_noise_" / f"{name}.wav").unlink()
    message = f"{tmp_path}/_background_noise_: 2 files. Put the six published ones there."
    expect(DataError, message, root=root, variant="v2-12")
