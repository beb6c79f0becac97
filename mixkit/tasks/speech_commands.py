"""SpeechCommands: single words, said by thousands of people."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from mixkit.errors import DataError, SettingError, printable
from mixkit.registry import Clip, task
from mixkit.tasks.clip import SPLITS, draw
from mixkit.tasks.published import Published, Splits, found_of, keep_apart, sizes_of
from mixkit.tasks.unpacked import base_folder, find_root, not_there, read_lines, sounds
from mixkit.values import Count, Location, Positive

_WORDS = """
backward bed bird cat dog down eight five follow forward four go happy house learn left marvin nine
no off on one right seven sheila six stop three tree two up visual wow yes zero
"""
WORDS = tuple(_WORDS.split())  # of version 0.02, in alphabetical order
ADDED = ("backward", "follow", "forward", "learn", "visual")  # by version 0.02
COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
SILENCE, UNKNOWN = "_silence_", "_unknown_"
NOISE = "_background_noise_"
NOISE_SECONDS = 60.0  # length of the shortest of the published noise files
SECTION = 1.0  # seconds, as a word has
LISTS = {"valid": "validation_list.txt", "test": "testing_list.txt"}
SIZES = {"train": 84_843, "valid": 9_981, "test": 11_005}  # of v2-35
ADVICE = {
    "0.01": (
        "Unpack speech_commands_v0.01.tar.gz into a folder of its own; "
        "`mixkit data get speech_commands` fetches version 0.02."
    ),
    "0.02": "Run `mixkit data get speech_commands`, or unpack speech_commands_v0.02.tar.gz there.",
}
ARCHIVES = {"0.01": (64_721, 3_081), "0.02": (105_829, 4_890)}  # words, and clips of the official test set


@task("speech_commands")
class SpeechCommands(Published):
    """Single words of about a second, said by thousands of people at their own microphones.

    The splits are those of the published lists: validation_list.txt, testing_list.txt, and for training all else. The
    speaker, which is what stands before `_nohash_` in a file name, is the group; the lists were drawn by it, so nobody
    is heard in two splits (if someone were, the clips would leave training, and a note would say so). Recordings of
    noise are no class of the 35. Labels are in alphabetical order; AST's label file has an order of its own.

    With 12 classes, `_silence_` and `_unknown_` stand before ten commands, as in the authors' code. As there, each of
    both has a tenth of the number of commands of its split, rounded up; `_unknown_` is drawn from all other words.

    Layout: WORD/SPEAKER_nohash_N.wav, the two lists and `_background_noise_`, in the root or in
    speech_commands_v0.02/ (or 0.01) of it, or where torchaudio unpacks it.

    Args:
        root: folder of the data; None for `$MIXKIT_DATA/speech_commands` or `~/.cache/mixkit/speech_commands`.
        variant: version of the data and number of classes. Figures of one never stand beside those of another.
        test: of the 12 classes: `lists`, the test split made like the others, or `archive`, the clips of the official
            speech_commands_test_set_v0.02 (or 0.01) in the root.
        sample_rate: that the model takes, Hz; the files have 16,000 Hz.
        seconds: that the model takes; shorter clips are padded with silence.

    Raises:
        SettingError: the official test set is asked for with 35 classes.

    Paper: Warden 2018, arXiv:1804.03209.

    Differs: in what the authors' code draws anew in each run. Our unknown words are always the same, in an order drawn
        by their names. Our silence is sections of 1 s, evenly spread over the first minute of noise files, as loud as
        they are (theirs is quieter, and partly zeros), and a noise file serves one split: in alphabetical order the
        last for test, the one before for validation, the others for training. How the silence of the official test
        set was made is not published; it may stem from the same noises.
    """

    def __init__(
        self,
        *,
        root: Location | None = None,
        variant: Literal["v2-35", "v2-12", "v1-12"] = "v2-35",
        test: Literal["lists", "archive"] = "lists",
        sample_rate: Count = 16_000,
        seconds: Positive = 1.0,
    ):
        if test == "archive" and variant == "v2-35":
            raise SettingError("test", "is 'archive', which has 12 classes. Use 'lists', or variant = 'v2-12'.")
        source = "official lists" if test == "lists" else "official lists and test set"
        super().__init__(root, sample_rate, seconds, f"{source}, {variant.upper()}")
        self.variant = variant
        self.test = test
        self.version = "0.01" if variant == "v1-12" else "0.02"
        self.words = tuple(word for word in WORDS if self.version == "0.02" or word not in ADDED)
        self.labels = WORDS if variant == "v2-35" else (SILENCE, UNKNOWN, *COMMANDS)

    def _divided(self) -> Splits:
        root = self._find()
        words = {word: sounds(root / word, root) for word in self.words}
        said = _by_split(root, words)
        notes = found_of(sum(map(len, words.values())), ARCHIVES[self.version][0])
        if self.variant != "v2-35":
            said = {split: _twelve(root, split, clips) for split, clips in said.items()}
        else:
            notes += sizes_of(said, SIZES)
        if self.test == "archive":
            said["test"] = self._archive(root)
            notes += tuple(f"test set: {note}" for note in found_of(len(said["test"]), ARCHIVES[self.version][1]))
        return keep_apart(said, notes)

    def _find(self) -> Path:
        name = f"speech_commands_v{self.version}"
        advice = ADVICE[self.version]
        needs = (*LISTS.values(), *self.words)
        root = find_root("speech_commands", self.root, needs, (name, f"SpeechCommands/{name}"), advice)
        if self.version == "0.01" and (root / ADDED[0]).exists():
            raise not_there("speech_commands", self.root, "version 0.02 is found, not 0.01", advice)
        return root

    def _archive(self, root: Path) -> tuple[Clip, ...]:
        name = f"speech_commands_test_set_v{self.version}"
        places = (base_folder("speech_commands", self.root) / name, root / name)
        folder = next((place for place in places if (place / SILENCE).is_dir()), None)
        if folder is None:
            advice = f"Unpack {name}.tar.gz into a folder of that name, or set task.speech_commands.test = 'lists'."
            raise DataError("the official test set is missing.", places[0], advice)
        paths = [folder / label / file for label in self.labels for file in sounds(folder / label, folder)]
        return tuple(Clip(path, path.parent.name, _speaker(path.name)) for path in paths)


def _by_split(root: Path, words: Mapping[str, Sequence[str]]) -> dict[str, tuple[Clip, ...]]:
    listed = {split: frozenset(_listed(root / file, words)) for split, file in LISTS.items()}
    found: dict[str, list[Clip]] = {split: [] for split in SPLITS}
    for word, names in words.items():
        for name in names:
            split = next((split for split in LISTS if f"{word}/{name}" in listed[split]), "train")
            found[split].append(Clip(root / word / name, word, _speaker(name)))
    return {split: tuple(clips) for split, clips in found.items()}


def _listed(path: Path, words: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for line in read_lines(path):
        if line.partition("/")[0] not in words:
            raise DataError(f"{printable(line)!r} is of no word.", path, "Put the published list there.")
        yield line


def _twelve(root: Path, split: str, clips: Sequence[Clip]) -> tuple[Clip, ...]:
    commands = sorted((clip for clip in clips if clip.label in COMMANDS), key=lambda clip: COMMANDS.index(clip.label))
    others = sorted(
        (clip for clip in clips if clip.label not in COMMANDS), key=lambda clip: draw(f"{clip.label}/{clip.path.name}")
    )
    tenth = math.ceil(len(commands) / 10)
    unknown = sorted(others[:tenth], key=lambda clip: clip.path)
    return (*_silence(root, split, tenth), *(Clip(clip.path, UNKNOWN, clip.group) for clip in unknown), *commands)


def _silence(root: Path, split: str, count: int) -> Iterator[Clip]:
    noises = sounds(root / NOISE, root)
    if len(noises) < 3:
        raise DataError(f"{len(noises)} files.", root / NOISE, "Put the six published ones there.")
    files = {"train": noises[:-2], "valid": noises[-2:-1], "test": noises[-1:]}[split]
    step = (NOISE_SECONDS - SECTION) / max(1, math.ceil(count / len(files)))
    for number in range(count):
        turn, place = divmod(number, len(files))
        start = round(turn * step, 3)
        yield Clip(root / NOISE / files[place], SILENCE, f"noise {files[place]}", start, round(start + SECTION, 3))


def _speaker(name: str) -> str:
    """`bed_3ff840aa_nohash_0.wav.wav`, as the official test set has it, is of speaker 3ff840aa."""
    speaker, marked, _ = name.partition("_nohash_")
    return f"speaker {speaker.rpartition('_')[2]}" if marked else f"file {name}"
