"""What can be fetched, from where, under which licence; and what to place where for the data that cannot.

No checksum here is our own: each says who published it, or, where its publisher gives none, who recorded it. A data
set without one is not fetched, for nobody could tell what came.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import urlsplit

from mixkit.errors import DataError, did_you_mean


@dataclass(frozen=True)
class Checksum:
    """How to tell that a file is the published one.

    Args:
        kind: md5 tells damage, but not forgery; where it is all that was published, the connection has to be trusted.
        value: hexadecimal.
        published: by whom; where that is not the publisher of the data, what it was recorded from.
    """

    kind: Literal["sha256", "md5"]
    value: str
    published: str

    def of(self, path: Path) -> str:
        """The same kind of checksum of a file."""
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.new(self.kind, usedforsecurity=False)).hexdigest()


@dataclass(frozen=True)
class Archive:
    """A file on a server.

    Args:
        address: http or https.
        size: bytes.
        checksum: of the file.
        unpacked: bytes of all that is in it, roughly; for the disk.
        files: how many files and folders may be in it.
        inside: a folder at the top of the archive whose contents are wanted without it.
    """

    address: str
    size: int
    checksum: Checksum
    unpacked: int
    files: int
    inside: str = ""

    @property
    def name(self) -> str:
        """Of the file."""
        return PurePosixPath(urlsplit(self.address).path).name


@dataclass(frozen=True)
class Source:
    """A data set and how to come by it.

    Args:
        name: of the task, and of its folder.
        title: as its authors call it.
        licence: what one may do with it.
        home: the page about it, where there is a lasting one.
        archive: to be fetched; None where that is not possible.
        by_hand: why it cannot be fetched, or may not always be, and what to do; `{folder}` is where it belongs.
    """

    name: str
    title: str
    licence: str
    home: str = ""
    archive: Archive | None = None
    by_hand: str = ""

    def advice(self, folder: Path) -> str:
        """How to come by the data by hand, in a sentence or two; empty where fetching is all there is to know."""
        return self.by_hand.format(folder=folder)


_SPEECH_COMMANDS = Archive(
    address="https://download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
    size=2_428_923_189,  # as the server announces it; the same in ESPnet's recipe
    checksum=Checksum(
        "sha256",
        "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
        "torchaudio.datasets.SPEECHCOMMANDS",
    ),
    unpacked=3_800_000_000,
    files=120_000,  # 105,829 words, 6 noises, lists, 36 folders
)

_URBANSOUND8K = Archive(
    address="https://zenodo.org/records/1203745/files/UrbanSound8K.tar.gz",
    size=6_023_741_708,  # as Zenodo announces it
    checksum=Checksum("md5", "9aa69802bbf37fb986f71ec1483a196e", "Zenodo record 1203745; the same in soundata"),
    unpacked=7_100_000_000,
    files=20_000,  # 8,732 slices
    inside="UrbanSound8K",
)

_RAVDESS = Archive(
    address="https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip",
    size=208_468_073,  # Zenodo record 1188976
    checksum=Checksum("md5", "bc696df654c87fed845eb13823edef8a", "Zenodo record 1188976"),
    unpacked=620_000_000,
    files=4_000,  # 1,440 recordings, 24 folders
)

_ESC50 = Archive(
    # The newest commit as of November 2025. GitHub packs it for whoever asks and promises no bytes, but those who wrote
    # them down, in September 2026 the last, got the same ones. Should that end, `by_hand` says how to go on.
    address="https://github.com/karolpiczak/ESC-50/archive/33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6.zip",
    size=645_832_161,  # recorded with the checksum
    checksum=Checksum(
        "sha256",
        "661183a6f53ef04f12c9bd618fed0ddc1713280d6c94a5a5431e844ba6f6a21f",
        "its author gives none; several public projects that fetched this commit recorded the same",
    ),
    unpacked=900_000_000,  # 2,000 clips of 441,044 bytes, and what is beside them
    files=4_000,  # 2,000 clips
    inside="ESC-50-33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6",
)

SOURCES: Mapping[str, Source] = {
    source.name: source
    for source in (
        Source(
            "speech_commands",
            "Speech Commands V2 (Warden 2018)",
            "CC BY 4.0",
            "https://arxiv.org/abs/1804.03209",
            _SPEECH_COMMANDS,
        ),
        Source(
            "urbansound8k",
            "UrbanSound8K (Salamon, Jacoby, Bello 2014)",
            "CC BY-NC: not for commercial use",
            "https://zenodo.org/records/1203745",
            _URBANSOUND8K,
        ),
        Source(
            "ravdess",
            "RAVDESS, speech (Livingstone, Russo 2018)",
            "CC BY-NC-SA 4.0: not for commercial use",
            "https://zenodo.org/records/1188976",
            _RAVDESS,
        ),
        Source(
            "esc50",
            "ESC-50 (Piczak 2015)",
            "CC BY-NC, clip by clip in its LICENSE: not for commercial use; ESC-10: CC BY",
            "https://github.com/karolpiczak/ESC-50",
            _ESC50,
            by_hand=(
                "GitHub packs it anew for every download, and may do so in another way one day. Git verifies what it "
                "fetches (about 600 MB):  "
                "git clone --depth 1 https://github.com/karolpiczak/ESC-50 {folder}  "
                "Then {folder}/meta/esc50.csv and {folder}/audio/1-100032-A-0.wav are there."
            ),
        ),
        Source(
            "fsdd",
            "Free Spoken Digit Dataset (Jackson and others)",
            "CC BY-SA 4.0",
            "https://github.com/Jakobovski/free-spoken-digit-dataset",
            by_hand=(
                "GitHub packs it anew for every download, so there is no checksum to verify an archive by. Git "
                "verifies what it fetches:  "
                "git clone --depth 1 https://github.com/Jakobovski/free-spoken-digit-dataset {folder}  "
                "Then {folder}/recordings/0_george_0.wav is there."
            ),
        ),
        Source(
            "gtzan",
            "GTZAN genres (Tzanetakis, Cook 2002)",
            "unclear: the music belongs to its publishers",
            by_hand=(
                "It has no public address that works. Place your copy so that {folder}/blues/blues.00000.wav and so "
                "on are there, 100 in each of the ten folders of genres, and beside them the three lists of the split."
            ),
        ),
        Source(
            "casia",
            "CASIA Chinese emotional corpus",
            "ask its owner, the Institute of Automation of the Chinese Academy of Sciences",
            by_hand=(
                "It cannot be downloaded freely: ask its owner. Place your copy so that "
                "{folder}/SPEAKER/EMOTION/201.wav and so on are there: a folder for each speaker, and in it one each "
                "for angry, fear, happy, neutral, sad and surprise."
            ),
        ),
    )
}


def source_of(name: str) -> Source:
    """The source of a data set.

    Raises:
        DataError: nothing is known of that name.
    """
    if name not in SOURCES:
        raise DataError(f"no data set named {name!r}.{did_you_mean(name, SOURCES)}")
    return SOURCES[name]
