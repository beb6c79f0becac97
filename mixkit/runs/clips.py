"""The clips of a run, as its folder keeps them: which files, with what in them, were trained on and which held out."""

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import get_type_hints

from mixkit.errors import DamagedError, printable
from mixkit.registry import Clip
from mixkit.runs.results import text
from mixkit.storage.regular import open_regular
from mixkit.tasks.clip import SPLITS
from mixkit.values import fit

FILE = "clips.jsonl"
LARGEST = 2**30  # bytes of a list that is read: 5 million clips


@dataclass(frozen=True)
class RunClip:
    """A clip of a run.

    Args:
        split: train, valid or test.
        path: of the file below the folder of all clips, with forward slashes.
        label: what is heard.
        start: seconds, or None for the beginning.
        stop: seconds, or None for the end.
        tags: in a multi-label set, every label that is heard.
        skipped: why it could not be used and was left out, or None.
        sha256: of the bytes of the file.
    """

    split: str
    path: str
    label: str
    start: float | None = None
    stop: float | None = None
    tags: tuple[str, ...] | None = None
    skipped: str | None = None
    sha256: str = ""

    @property
    def key(self) -> tuple[str, float | None, float | None]:
        """What tells it from the others, whichever way a file system writes its letters."""
        return unicodedata.normalize("NFC", self.path), self.start, self.stop

    def at(self, path: Path) -> Clip:
        """The clip, where its file lies now."""
        return Clip(path, self.label, self.path, self.start, self.stop, self.tags)

    def __str__(self) -> str:
        return self.path if self.start is None else f"{self.path} from {self.start:g} s"


def to_bytes(clips: Iterable[RunClip]) -> bytes:
    """The list as a file: a JSON document a line, which keeps every name, whatever its bytes."""
    rows = ({key: value for key, value in vars(clip).items() if value is not None} for clip in clips)
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


@dataclass(frozen=True)
class KeptClips:
    """The list that a trained network belongs to, read when it is asked for.

    Args:
        path: of the file.
        sha256: of what was written, as the weights say.
    """

    path: Path
    sha256: str

    def read(self) -> tuple[RunClip, ...]:
        """The clips, split after split.

        Raises:
            DamagedError: the list is not there, or is not the one that the network was trained on.
        """
        return read_clips(self.path, self.sha256)


def kept_in(folder: Path) -> KeptClips | None:
    """The list that a run folder keeps; None of a run that was made before there were any."""
    try:
        with open_regular(folder / FILE) as file:
            return KeptClips(folder / FILE, hashlib.file_digest(file, "sha256").hexdigest())  # type: ignore[arg-type]
    except OSError:
        return None


def read_clips(path: Path, sha256: str | None = None) -> tuple[RunClip, ...]:
    """The clips of a run.

    Args:
        path: of the file, maybe a stranger's.
        sha256: that it has to have; None for any.

    Raises:
        DamagedError: it is not what mixkit wrote.
    """
    where, fix = printable(path), "Take it from a copy of the run, or train anew."
    try:
        with open_regular(path) as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise DamagedError(f"{where} cannot be read ({error.strerror}): which clips were held out? {fix}") from None
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise DamagedError(f"{where} is not the list of clips that this network was trained on. {fix}")
    if len(content) > LARGEST:
        raise DamagedError(f"{where} has more than {LARGEST:,} bytes. {fix}")
    try:
        return tuple(_clip(json.loads(line)) for line in content.split(b"\n") if line)
    except Exception as error:  # whatever is in the file
        raise DamagedError(f"{where} is no list of clips ({text(str(error))}). {fix}") from None


_KINDS = get_type_hints(RunClip)


def _clip(row: dict[str, object]) -> RunClip:
    clip = RunClip(**{name: fit(value, _KINDS[name], name) for name, value in row.items()})
    if clip.split not in SPLITS:
        raise ValueError(f"split {clip.split!r}")
    place = PurePosixPath(clip.path)
    if place.is_absolute() or ".." in place.parts:
        raise ValueError(f"path {clip.path!r} leaves the folder of the clips")
    return clip
