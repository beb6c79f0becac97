"""Any task into tar shards, in WebDataset's form, with an index beside them: `mixkit data pack`."""

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from scipy.io import wavfile

from mixkit.audio.recording import open_recording
from mixkit.data.run_split import faults_of, list_splits
from mixkit.download.archive import INDEX, TAR, VERSION, line_of, open_inside
from mixkit.errors import DataError, printable
from mixkit.registry import Clip, Spec, Task, task
from mixkit.storage.atomic import new_folder
from mixkit.tasks.clip import draw
from mixkit.tasks.mirror import ABOUT, CLIPS
from mixkit.tasks.progress import Progress

HEADER = 512  # bytes of a tar ahead of each file
FULL = 2**15  # of a sample in 16 bits


@dataclass(frozen=True)
class Packed:
    """What was written.

    Args:
        clips: of each split.
        shards: how many.
        size: bytes of all of them.
        settings: lines by which `task.shards` takes the clips as the task that was packed does.
    """

    clips: dict[str, int]
    shards: int
    size: int
    settings: tuple[str, ...]


def pack(spec: Spec, folder: Path, shards: int, progress: Progress) -> Packed:
    """Writes the clips of a task as tar archives, and an index of them.

    Each split has archives of its own, one at least. The order within a split is by chance, the same every time, so
    that whoever reads the archives from end to end meets the labels well mixed. The bytes of a recording are kept as
    they are; a section of one is cut out, as FLAC where 16 bits hold every sample and as floating-point WAV elsewhere,
    so that not a bit is lost of what is read from it.

    Args:
        spec: the task.
        folder: not there yet; it has everything or is not there.
        shards: how many archives to write, over all splits.
        progress: is told how many clips are packed.

    Raises:
        DataError: the task cannot be trained on, a clip cannot be read, or the folder is there or cannot be written.
    """
    source = task.build(spec)
    splits = list_splits(source, progress)
    for fault in faults_of(spec.name, source, splits):
        raise fault
    if folder.exists():
        raise DataError("is there already.", folder, "Name a folder that is not.")
    try:
        with new_folder(folder) as fresh:
            return _write(source, spec, splits, fresh, shards, progress)
    except OSError as error:
        fix = "Name another folder, or make room."
        raise DataError(f"cannot be written ({error.strerror or error}).", folder, fix) from None


def _write(
    source: Task, spec: Spec, splits: Mapping[str, Sequence[Clip]], folder: Path, shards: int, progress: Progress
) -> Packed:
    total = sum(map(len, splits.values()))
    rows: list[dict[str, Any]] = []
    size = number = done = 0
    for split, clips in splits.items():
        count = min(max(1, round(shards * len(clips) / total)), len(clips))
        order = sorted(range(len(clips)), key=lambda item: draw(f"{split} {item}"))
        bounds = [round(len(clips) * place / max(count, 1)) for place in range(count + 1)]
        placed: dict[int, dict[str, Any]] = {}
        for place, (first, last) in enumerate(pairwise(bounds)):
            name = f"{split}-{place:06d}{TAR}"
            with _Archive(folder / name) as archive:
                for item in order[first:last]:
                    placed[item] = archive.add(split, clips[item], done)
                    done += 1
                    progress("packing", done, total)
            size, number = size + (folder / name).stat().st_size, number + 1
        rows += [{"split": split, **placed[item], **_said(clip)} for item, clip in enumerate(clips)]
    index = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    counts = {split: len(clips) for split, clips in splits.items()}
    about = {
        "labels": source.labels,
        "protocol": source.protocol,
        "notes": source.notes,
        "packed": f"{spec.name}, fold {spec.params['fold']}" if spec.params.get("fold") else spec.name,
        "multi_label": any(clip.tags is not None for clips in splits.values() for clip in clips),
        "clips": counts,
        "index": {"size": len(index), "sha256": hashlib.sha256(index).hexdigest()},
    }
    (folder / CLIPS).write_bytes(index)
    (folder / ABOUT).write_text(json.dumps(about, indent=2))
    several = ("task.shards.multi_label = True", "train.loss = @loss.bce()") if about["multi_label"] else ()
    heard = f"task.shards.sample_rate = {source.sample_rate}", f"task.shards.seconds = {source.seconds}"
    return Packed(counts, number, size, (*heard, *several))


class _Archive:
    """A tar archive that is written, and the index of where its files begin."""

    def __init__(self, path: Path):
        self._path = path
        self._file = path.open("wb")
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 - closed below
        self._lines: list[str] = []

    def __enter__(self) -> "_Archive":
        return self

    def __exit__(self, *error: object) -> None:
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        index = "".join([f"{VERSION} {len(self._lines)}\n", *self._lines])
        self._path.with_suffix(INDEX).write_text(index)

    def add(self, split: str, clip: Clip, number: int) -> dict[str, Any]:
        """Adds a clip; gives its path below the folder of the archives, and where and what its bytes are."""
        stem = re.sub(r"[^\w-]+", "_", clip.path.stem, flags=re.ASCII)[:60]
        key, (suffix, audio) = f"{number:07d}-{stem}", _audio(clip)
        about = {**_said(clip), "split": split, "file": printable(clip.path.name)}
        named = [(f"{key}{suffix}", audio), (f"{key}.json", json.dumps(about).encode())]
        files = [(name, self._put(name, content), len(content)) for name, content in named]
        self._lines.append(line_of(files))
        name, start, size = files[0]
        sha256 = hashlib.sha256(audio).hexdigest()
        return {"path": f"{self._path.name}/{name}", "start": start, "size": size, "sha256": sha256}

    def _put(self, name: str, content: bytes) -> int:
        """Where the content begins. The header is the same whoever packs, and whenever."""
        start = self._file.tell() + HEADER
        header = tarfile.TarInfo(name)
        header.size = len(content)
        self._tar.addfile(header, io.BytesIO(content))
        return start


def _said(clip: Clip) -> dict[str, Any]:
    tags = {} if clip.tags is None else {"tags": clip.tags}
    return {"label": clip.label, "group": clip.group, **tags}


def _audio(clip: Clip) -> tuple[str, bytes]:
    """Suffix and bytes of what is heard in a clip."""
    if clip.start is not None or clip.stop is not None:
        return _section(clip)
    try:
        with open_inside(clip.path) as file:
            return clip.path.suffix.lower(), file.read()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}).", clip.path) from None


def _section(clip: Clip) -> tuple[str, bytes]:
    with open_recording(clip.path, clip.start, clip.stop) as recording:
        audio, rate = np.concatenate(list(recording.blocks())), recording.header.sample_rate
    whole = audio * FULL
    exact = bool((whole == np.rint(whole)).all() and whole.min() >= -FULL and whole.max() < FULL)
    content = io.BytesIO()
    if exact:
        soundfile.write(content, whole.astype(np.int16), rate, format="FLAC", subtype="PCM_16")
        return ".flac", content.getvalue()
    wavfile.write(content, rate, audio)  # libsndfile would write the time of day into it
    return ".wav", content.getvalue()
