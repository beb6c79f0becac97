"""RAVDESS: actors who say, or sing, two sentences in eight emotions."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from mixkit.registry import Clip, task
from mixkit.tasks.clip import some
from mixkit.tasks.published import Listed, Published, Splits, found_of
from mixkit.tasks.unpacked import find_root, folders, not_there, sounds
from mixkit.values import Count, Location, Positive

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")  # codes 01 to 08
SUNG = 6  # nobody sings disgust or surprise
CHANNELS = {"speech": ("01",), "song": ("02",), "both": ("01", "02")}
PUBLISHED = {"speech": 1_440, "song": 1_012, "both": 2_452}  # song lacks actor 18
ACTORS_PER_FOLD = 4
FOLDS = 24 // ACTORS_PER_FOLD
# modality (03: audio only), channel, emotion, intensity, statement, repetition, actor
NAME = re.compile(r"03-(0[12])-(0[1-8])-0[12]-0[12]-0[12]-(0[1-9]|1\d|2[0-4])\.wav")
DEEPEST = 3  # folders below the root
ADVICE = (
    "Run `mixkit data get ravdess`, or unpack Audio_Speech_Actors_01-24.zip there, "
    "for files such as Actor_12/03-01-06-01-02-01-12.wav."
)
ADVICE_SONG = "Unpack Audio_Song_Actors_01-24.zip there; `mixkit data get ravdess` fetches speech alone."


@task("ravdess")
class RAVDESS(Published):
    """Two sentences in eight emotions and two strengths, said by 24 actors, 60 clips each.

    No folds are published. Ours leave actors out: fold 1 holds actors 1 to 4, fold 2 actors 5 to 8, up to fold 6 with
    21 to 24, so each has two men (odd numbers) and two women. One fold is tested, the next one validates, 16 actors
    train. The actor is the group. Neutral has half as many clips as the others, so look at recall beside accuracy.

    Layout: folders Actor_01 to Actor_24, or all files in one folder, in the root or up to three folders below. A file
    that stands there twice (a copy that circulates holds everything twice) is listed once, and a note says so.

    Args:
        root: folder of the data; None for `$MIXKIT_DATA/ravdess` or `~/.cache/mixkit/ravdess`.
        fold: that is tested: 1 to 6, or 1 to 10 of `paper-random`.
        protocol: `actors`; or `paper-random`, ten folds dealt at random (train 8, valid 1, test 1 tenths of each
            emotion, always the same), in which every actor is trained on and tested. Only to compare with papers that
            did so.
        channel: `speech`; `song`, which has the first six emotions and 23 actors; or `both`.
        sample_rate: that the model takes, Hz; the files have 48,000 Hz.
        seconds: that the model takes; shorter clips are padded with silence, longer ones cut.

    Raises:
        SettingError: there is no such fold.

    Paper: Livingstone and Russo 2018, doi 10.1371/journal.pone.0196391.
    """

    def __init__(
        self,
        *,
        root: Location | None = None,
        fold: Count = 1,
        protocol: Literal["actors", "paper-random"] = "actors",
        channel: Literal["speech", "song", "both"] = "speech",
        sample_rate: Count = 16_000,
        seconds: Positive = 5.0,
    ):
        super().__init__(root, sample_rate, seconds, protocol, fold, FOLDS)
        self.channel = channel
        self.labels = EMOTIONS[:SUNG] if channel == "song" else EMOTIONS
        self.published = PUBLISHED[channel]

    def _divided(self) -> Splits:
        advice = {"song": ADVICE_SONG, "both": f"{ADVICE} {ADVICE_SONG}"}.get(self.channel, ADVICE)
        root = find_root("ravdess", self.root, (), (), advice)
        listed: dict[str, Listed] = {}
        doubles = []
        for path in sorted(_files(root, root), key=lambda path: (len(path.parts), path)):
            match = NAME.fullmatch(path.name)
            if match is None or match[1] not in CHANNELS[self.channel]:
                continue
            if path.name in listed:
                doubles.append(str(path.relative_to(root)))
                continue
            clip = Clip(path, EMOTIONS[int(match[2]) - 1], f"actor {match[3]}")
            listed[path.name] = Listed(path.name, (int(match[3]) - 1) // ACTORS_PER_FOLD + 1, clip)
        if not listed:
            channel = "speech or song" if self.channel == "both" else self.channel
            raise not_there("ravdess", self.root, f"no file of {channel} is found", advice)
        notes = (*found_of(len(listed), self.published), *_doubled(doubles))
        return self._by_fold(list(listed.values()), notes)


def _files(folder: Path, root: Path, depth: int = 0) -> Iterator[Path]:
    for name in sounds(folder, root):
        yield folder / name
    for name in folders(folder, root) if depth < DEEPEST else ():
        yield from _files(folder / name, root, depth + 1)


def _doubled(paths: Sequence[str]) -> tuple[str, ...]:
    if not paths:
        return ()
    files = "1 file stands" if len(paths) == 1 else f"{len(paths):,} files stand"
    return (f"{files} there twice and counted once; passed over: {some(paths)}.",)
