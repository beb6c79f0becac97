"""Recordings that are read once and kept, for stretches of them to be drawn."""

import hashlib
import logging
import os
from pathlib import Path

import torch
from torch import Tensor, nn

from mixkit.audio.read import read
from mixkit.audio.refusal import fix_alone
from mixkit.draw import Draw
from mixkit.errors import DataError, SettingError, printable
from mixkit.tasks.listing import find_audio, no_audio

KEPT = 2**26
"""Samples that are kept at most, 256 MiB: 70 minutes at 16 kHz."""

_log = logging.getLogger(__name__)


class Recordings(nn.Module):
    """Recordings end to end, of which stretches are drawn.

    Args:
        sounds: each `s`, none of them empty.
    """

    sound: Tensor
    starts: Tensor
    lengths: Tensor

    def __init__(self, sounds: list[Tensor]):
        super().__init__()
        lengths = torch.tensor([len(sound) for sound in sounds])
        self.register_buffer("sound", torch.cat(sounds), persistent=False)
        self.register_buffer("starts", lengths.cumsum(0) - lengths, persistent=False)
        self.register_buffer("lengths", lengths, persistent=False)

    def each(self) -> list[Tensor]:
        """The recordings one by one."""
        return list(self.sound.split(self.lengths.tolist()))

    def forward(self, samples: int, draw: Draw) -> Tensor:
        """A stretch for each item, repeated where the recording is shorter: `b samples`."""
        which = draw.integer(1, len(self.lengths))
        length = self.lengths[which]
        begins = torch.where(length < samples, length, length - samples + 1)  # so that no end is taken without need
        begin = (draw.uniform(1) * begins).long()
        place = (begin + torch.arange(samples, device=begin.device)) % length
        return self.sound[self.starts[which] + place]


def read_folder(folder: str, setting: str, sample_rate: int, kind: str = "noise") -> Recordings:
    """All recordings in a folder and below it, as many as can be kept.

    Where they are too many, which ones stay is said by a hash of their paths, and the log says how many.

    Args:
        folder: as the user wrote it.
        setting: where the user wrote it, for errors.
        sample_rate: that is wanted, in Hz.
        kind: what they are, for errors.

    Raises:
        SettingError: there is no such folder.
        DataError: there is no recording in it, or one cannot be used; it is named.
    """
    root = Path(os.path.expanduser(folder)).absolute()  # noqa: PTH111 - keeps an unknown ~name as it is
    shown = printable(root)
    if not root.is_dir():
        what = "which is a file" if root.is_file() else "and there is no such folder"
        raise SettingError(setting, f"is {folder!r}: {shown}, {what}. Name a folder of recordings.")
    found = find_audio(root, "Put what they lead to in their place.")
    for below, reason in found.unreadable:
        raise DataError(f"{reason}.", root / below, "A folder of recordings has to be readable.")
    names = [*found.files, *found.special]
    if not names:
        raise DataError(no_audio(found), root)
    for left_out in found.left_out.listed():
        if left_out.odd:
            _log.warning("%s: %s", shown, left_out)
    paths = [root / name for name in sorted(names, key=lambda name: hashlib.sha256(os.fsencode(name)).digest())]
    sounds: list[Tensor] = []
    room = KEPT
    for path in paths:
        sounds.append(_read(path, sample_rate, kind)[:room])
        room -= len(sounds[-1])
        if not room:
            _log.warning("%s: %d of %d recordings fill %d MiB and are used", shown, len(sounds), len(paths), KEPT >> 18)
            break
    return Recordings(sounds)


def _read(path: Path, sample_rate: int, kind: str) -> Tensor:
    try:
        sound = read(path, sample_rate)
    except DataError as error:  # whose fix is for a clip of a task
        raise DataError(error.reason, path, fix_alone(error.kind), error.kind) from None
    if not sound.any():
        raise DataError(f"digital silence, which is no {kind}.", path, "Remove the file.")
    return sound
