"""Decoded and resampled audio, kept on disk so that each recording is decoded once."""

import hashlib
import os
import shutil
import stat
import time
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import soundfile
import torch
import torchaudio
from torch import Tensor

from mixkit.audio import chunks, decoder, ffmpeg, flac, header, links, mp3, mp3_frames, ogg, pieces, tags
from mixkit.audio import facts as examining
from mixkit.audio import read as reading
from mixkit.audio import recording as decoding
from mixkit.audio import resample as resampling
from mixkit.audio import sketch as sketching
from mixkit.audio.facts import AudioFacts, Examination
from mixkit.audio.header import Header
from mixkit.audio.read import collected, inspect, read
from mixkit.audio.recording import open_recording
from mixkit.audio.resample import resampled
from mixkit.audio.store import Store
from mixkit.download.archive import archive_of, is_fast, open_inside, sha256_of
from mixkit.errors import DataError
from mixkit.storage.folders import data_folder, nearest
from mixkit.tasks.clip import BY_FFMPEG

VARIABLE = "MIXKIT_AUDIO_CACHE"
MOST = 20.0  # GiB, or a tenth of the disk where that is less
SETTLED = 2.0  # seconds since the last change, after which the times of a file tell every later one
DECODING = (decoding, decoder, ffmpeg, header, links, chunks, flac, mp3, mp3_frames, ogg, pieces, tags)
PLAIN = ("AIFF", "WAV", "WAVEX")


class AudioCache:
    """Reads recordings as `mixkit.audio.read` does, from disk where they were decoded before.

    An entry is found by the SHA-256 of the recording's bytes, the section, the sample rate, and all that decides the
    samples: our decoder and resampler, libsndfile, torch, and the processor's instructions. It holds float32, which is
    what the resampler gives: the bits are those of a new decoding. A WAV or AIFF of the wanted rate is not kept, since
    it is read as fast as an entry; unless it lies on a server, or in a Parquet table.

    The hash of a recording is kept beside, with device, inode, size and times of the file, so that its bytes are not
    read again. That is safe because the system sets a file's change time (ctime) at each write and nobody else can,
    and because nothing is kept of a file that changed within the last two seconds, in which a second change might not
    show.

    Args:
        store: where entries are; None decodes each time.
    """

    def __init__(self, store: Store | None):
        self.store = store
        self._digests: dict[str, tuple[str, str]] = {}  # stamp and SHA-256 of the files that this process has met

    @classmethod
    def of_user(cls) -> "AudioCache":
        """The cache below the data folder; its size is `$MIXKIT_AUDIO_CACHE` in GiB, where 0 turns it off.

        Raises:
            DataError: the variable is no number.
        """
        size = most()
        return cls(Store(folder(), size) if size else None)

    def read(
        self, path: str | os.PathLike[str], sample_rate: int, start: float | None = None, stop: float | None = None
    ) -> Tensor:
        """A recording, or a section of it, as mono float32: `s`.

        Args:
            path: a WAV, FLAC, OGG, MP3 or AIFF file.
            sample_rate: wanted, in Hz.
            start: where the section begins, in seconds; None for the beginning.
            stop: where it ends, in seconds; None for the end.

        Raises:
            DataError: the recording cannot be used.
        """
        source = None if self.store is None or _is_plain(path, sample_rate) else self._identify(path)
        if self.store is None or source is None:
            return read(path, sample_rate, start, stop)
        stamp, digest = source
        key = _audio_key(path, digest, sample_rate, start, stop)
        if known := self.store.get(key):
            return torch.frombuffer(known, dtype=torch.float32)
        audio = read(path, sample_rate, start, stop)
        if _stamp(path) == stamp:
            self.store.put(key, audio.numpy().data)
        return audio

    def examine(
        self, path: str | os.PathLike[str], sample_rate: int, start: float | None = None, stop: float | None = None
    ) -> tuple[AudioFacts, Tensor | None]:
        """What is known of a recording, decoded for it if need be; then the audio, which is kept, comes as well.

        Args:
            path: as for `read`.
            sample_rate: of the audio, in Hz.
            start: as for `read`.
            stop: as for `read`.

        Raises:
            DataError: the recording cannot be used.
        """
        source = self._identify(path)
        stamp, digest = source or ("", "")
        key = _key("facts", _version(*DECODING, examining, sketching), _helper(path), digest, start, stop)
        if self.store is not None and source and (known := self.store.get(key)):
            return AudioFacts.from_bytes(known), None
        with open_recording(path, start, stop) as recording:
            examination = Examination(recording.header)
            blocks = examination.follow(recording.blocks())
            audio = collected(resampled(blocks, recording.header.sample_rate, sample_rate))
        facts = examination.facts()
        if self.store is not None and source and _stamp(path) == stamp:
            if not _is_plain(path, sample_rate, recording.header):
                self.store.put(_audio_key(path, digest, sample_rate, start, stop), audio.numpy().data)
            self.store.put(key, facts.to_bytes())
        return facts, audio

    def digest(self, path: str | os.PathLike[str]) -> str:
        """SHA-256 of the bytes of a file, which are not read again before it changes.

        Raises:
            DataError: it cannot be read.
        """
        if source := self._identify(path):
            return source[1]
        try:
            with open_inside(path) as file:
                return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        except OSError as error:
            raise DataError(f"cannot be read ({error.strerror}).", path) from None

    def _identify(self, path: str | os.PathLike[str]) -> tuple[str, str] | None:
        """Stamp and SHA-256 of a file; None where it cannot be told when it changes."""
        if (stamp := _stamp(path)) is None:
            return None
        if sha256_of(path):
            return stamp, stamp
        place = os.path.abspath(path)  # noqa: PTH100 - a Path is slower
        known = self._digests.get(place)
        if known is None or known[0] != stamp:
            digest = self._digest(path, place, stamp)
            if digest is None:
                return None
            known = self._digests[place] = (stamp, digest)
        return known

    def _digest(self, path: str | os.PathLike[str], place: str, stamp: str) -> str | None:
        key = _key("digest", place, stamp)
        if self.store is not None and (known := self.store.get(key)):
            return known.hex()
        try:
            with open_inside(path) as file:
                digest = hashlib.file_digest(file, "sha256").digest()  # type: ignore[arg-type]
        except OSError:  # the decoder meets it as well, and names it
            return None
        if _stamp(path) != stamp:
            return None
        if self.store is not None:
            self.store.put(key, digest)
        return digest.hex()

    def __reduce__(self) -> tuple[Any, ...]:
        """For a worker: it meets the files that it reads by itself."""
        return AudioCache, (self.store,)


def stored() -> Store:
    """The user's cache as it lies on the disk, to be counted or emptied.

    Raises:
        DataError: there is no folder for it.
    """
    return Store(folder(), 0)


def folder() -> Path:
    """Where the user's cache is.

    Raises:
        DataError: there is no home folder to have one in.
    """
    return data_folder() / "audio_cache"


def most() -> int:
    """Bytes that the user's cache may take; 0 turns it off.

    Raises:
        DataError: `$MIXKIT_AUDIO_CACHE` is no number.
    """
    chosen = os.environ.get(VARIABLE, "")
    try:
        limit = float(chosen) if chosen else MOST
    except ValueError:
        limit = -1.0
    if not 0 <= limit < 2**20:
        raise DataError(f"{VARIABLE} is {chosen!r}. Give GiB for the audio cache, such as 20, or 0 for none.")
    if chosen:
        return int(limit * 2**30)
    return min(int(limit * 2**30), shutil.disk_usage(nearest(folder())).total // 10)


def _stamp(path: str | os.PathLike[str]) -> str | None:
    """What changes whenever a file, or its archive, does; None for one that has just changed, or is no regular file."""
    if sha256 := sha256_of(path):
        return sha256
    try:
        status = os.stat(archive_of(path) or path)  # noqa: PTH116 - a Path is slower
    except (OSError, ValueError):
        return None
    settled = status.st_ctime + SETTLED < time.time()
    if not stat.S_ISREG(status.st_mode) or not settled:
        return None
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return " ".join(map(str, (status.st_dev, status.st_ino, status.st_size, *times)))


def _is_plain(path: str | os.PathLike[str], sample_rate: int, known: Header | None = None) -> bool:
    if not os.fspath(path).lower().endswith((".wav", ".aif", ".aiff")) or not is_fast(path):
        return False
    found = known or inspect(path)
    return found.kind in PLAIN and found.sample_rate == sample_rate


def _audio_key(
    path: str | os.PathLike[str], digest: str, sample_rate: int, start: float | None, stop: float | None
) -> bytes:
    return _key("audio", _version(*DECODING, reading, resampling), _helper(path), digest, sample_rate, start, stop)


def _helper(path: str | os.PathLike[str]) -> str:
    """What decides besides about a recording that another program decodes."""
    return ffmpeg.identity() if os.fspath(path).lower().endswith(BY_FFMPEG) else ""


@cache
def _version(*modules: ModuleType) -> str:
    """All that decides what is made of a recording besides its bytes."""
    code = b"".join(Path(str(module.__file__)).read_bytes() for module in modules)
    libraries = (soundfile.__libsndfile_version__, torch.__version__, torchaudio.__version__, np.__version__)
    processor = torch.backends.cpu.get_cpu_capability()
    return " ".join((hashlib.sha256(code).hexdigest(), *libraries, processor))


def _key(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).digest()
