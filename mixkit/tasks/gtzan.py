"""GTZAN: ten genres of music, in the split that was cleaned of its faults."""

import re
from pathlib import Path

from mixkit.errors import DataError, printable
from mixkit.registry import Clip, task
from mixkit.tasks.published import Published, Splits, keep_apart, sizes_of
from mixkit.tasks.unpacked import base_folder, find_root, not_there, read_lines, sounds
from mixkit.values import Count, Location, Positive

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
LISTS = {"train": "train_filtered.txt", "valid": "valid_filtered.txt", "test": "test_filtered.txt"}
PUBLISHED = {"train": 443, "valid": 197, "test": 290}
LINE = re.compile(r"(?:[a-z]+/)?([a-z]+)\.(\d{5})(?:\.[a-z]+)?")  # blues/blues.00029.wav, blues.00029.au, blues.00029
ADVICE = (
    "Nobody is known to offer the data: place your copy there, files such as blues/blues.00000.wav, "
    "100 in each of the ten folders of genres."
)
ADVICE_LISTS = (
    "Place the fault-filtered lists of Kereliuk et al. there (train_filtered.txt, valid_filtered.txt and "
    "test_filtered.txt, which the repositories coreyker/dnn-mgr and jongpillee/music_dataset_split on GitHub have), "
    "or name their folder: --set \"task.gtzan.lists = 'PATH'\"."
)


@task("gtzan")
class GTZAN(Published):
    """Ten genres of music, in excerpts of 30 s.

    Of the 1,000 excerpts, 930 are used, in the fault-filtered split: without copies, versions and distorted excerpts,
    and with every artist in one split only. On random splits networks recognise artists and copies, so figures on them
    mean little. The lists do not name the artists, so the group of a clip is the excerpt itself, and it is the lists
    that keep artists apart.

    Layout: GENRE/GENRE.NNNNN.wav in the root, or in genres/ or genres_original/ of it, and the three lists. A line is
    `blues/blues.00029.wav`, `blues.00029`, or the number of the excerpt among the 1,000, from 1. The originals are
    .au files, which mixkit does not read: convert them.

    Args:
        root: folder of the data; None for `$MIXKIT_DATA/gtzan` or `~/.cache/mixkit/gtzan`.
        lists: folder of the three lists; None for the root.
        sample_rate: that the model takes, Hz; the files have 22,050 Hz.
        seconds: that the model takes.

    Paper: Kereliuk, Sturm and Larsen 2015, arXiv:1507.04761. Data: Tzanetakis and Cook 2002. Its faults: Sturm 2013,
        arXiv:1306.1461.
    """

    labels = GENRES

    def __init__(
        self,
        *,
        root: Location | None = None,
        lists: Location | None = None,
        sample_rate: Count = 16_000,
        seconds: Positive = 30.0,
    ):
        super().__init__(root, sample_rate, seconds, "fault-filtered")
        self.lists = lists

    def _divided(self) -> Splits:
        root = find_root("gtzan", self.root, GENRES, ("genres", "genres_original"), ADVICE)
        there = {genre: frozenset(sounds(root / genre, root)) for genre in GENRES}
        if not any(there.values()) and any(sounds(root / genre, root, ".au") for genre in GENRES):
            raise not_there("gtzan", self.root, "the excerpts are .au files", "Convert them to .wav of the same names.")
        lists = self._find_lists()
        splits = {}
        for split, file in LISTS.items():
            names = sorted(_excerpt(lists / file, line) for line in read_lines(lists / file))
            found = [(genre, f"{genre}.{number}") for genre, number in names if f"{genre}.{number}.wav" in there[genre]]
            splits[split] = tuple(Clip(root / genre / f"{name}.wav", genre, name) for genre, name in found)
        return keep_apart(splits, sizes_of(splits, PUBLISHED))

    def _find_lists(self) -> Path:
        folder = Path(self.lists).expanduser() if self.lists else base_folder("gtzan", self.root)
        lacking = [file for file in LISTS.values() if not (folder / file).is_file()]
        if lacking:
            raise DataError(f"{lacking[0]} is missing.", folder, ADVICE_LISTS)
        return folder


def _excerpt(file: Path, line: str) -> tuple[str, str]:
    """Genre and number of the excerpt that a line means."""
    if line.isdecimal() and 1 <= int(line) <= 1_000:
        genre, number = divmod(int(line) - 1, 100)
        return GENRES[genre], f"{number:05d}"
    match = LINE.fullmatch(line)
    if match is None or match[1] not in GENRES:
        fix = "Write lines such as blues/blues.00029.wav."
        raise DataError(f"{printable(line)!r} is no excerpt.", file, fix)
    return match[1], match[2]
