"""The recordings that a command is given: files, folders, standard input."""

import os
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mixkit.audio.refusal import fix_alone
from mixkit.audio.spool import spooled
from mixkit.audio.waveform import Waveform, open_file
from mixkit.errors import DataError, MixkitError
from mixkit.tasks.clip import suffixes
from mixkit.tasks.left_out import LeftOut
from mixkit.tasks.listing import find_audio

FOLLOW = "To hear them, name what they lead to."
STDIN = "-"


@dataclass(frozen=True)
class Input:
    """A recording.

    Args:
        name: as the user named it, or found below a folder that the user named.
        path: where it is, or None.
        fault: why there is nothing to read, or None.
    """

    name: str
    path: str | None = None
    fault: str | None = None

    @contextmanager
    def open(self, sample_rate: int) -> Iterator[Waveform]:
        """Its sound.

        Args:
            sample_rate: of the waveform, in Hz.

        Raises:
            DataError: it cannot be used; the message begins with its name and says why.
        """
        if self.path is None:
            raise DataError(self.fault or "", self.name)
        try:
            with open_file(self.path, sample_rate) as waveform:
                yield waveform
        except DataError as error:
            bad = error.kind in ("empty", "damaged")  # nothing that this file could do would help
            fix = "" if bad else fix_alone(error.kind)
            raise DataError(error.reason, self.name, fix, error.kind) from None


@contextmanager
def inputs(
    named: Sequence[str], tell: Callable[[str, LeftOut], None] = lambda folder, left_out: None
) -> Iterator[list[Input]]:
    """The recordings behind names: a file, a folder with all below it, or `-` for a sound file on standard input.

    Of a folder, what has the suffix of audio is taken, sorted by path. Left out are hidden files and folders, links to
    folders, links that lead nowhere or out of the folder, and what was found before by another name. A file that is
    named itself is taken whatever it is called.

    Args:
        named: paths, or `-`.
        tell: is given each folder that is named, and what is left out of it that may be wanted.

    Raises:
        MixkitError: standard input is a terminal, or holds more than a sound file of 1 GiB.
    """
    with ExitStack() as kept:
        found: list[Input] = []
        for name in named:
            if name == STDIN:
                found.append(Input(STDIN, kept.enter_context(_stdin())))
            elif os.path.isdir(name):  # noqa: PTH112
                found += _below(name, tell)
            else:
                found.append(Input(name, name))
        yield found


def escaped(name: str) -> str:
    r"""A name for data files, that can be turned back.

    A backslash becomes `\\`, a byte that is no UTF-8 `\xNN`, a character that steers instead of showing (control,
    direction, line) `\uNNNN` or `\UNNNNNNNN`. All else stays as it is.
    """
    return "".join(map(_escape, name))


def _escape(character: str) -> str:
    number = ord(character)
    if character == "\\":
        return "\\\\"
    if 0xDC80 <= number <= 0xDCFF:  # how Python keeps a byte that it cannot decode
        return f"\\x{number - 0xDC00:02x}"
    if unicodedata.category(character) in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"):
        return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
    return character


def _stdin() -> AbstractContextManager[str]:
    """A file of what comes from standard input."""
    if sys.stdin.isatty():
        raise MixkitError("'-' is a sound file on standard input, which is a terminal. Pipe one: ... - < clip.wav")
    return spooled(sys.stdin.buffer, f"'{STDIN}'", " on standard input")


def _below(folder: str, tell: Callable[[str, LeftOut], None]) -> list[Input]:
    found = find_audio(Path(folder), FOLLOW)
    faults = [Input(os.path.join(folder, path), None, f"cannot be read ({why}).") for path, why in found.unreadable]  # noqa: PTH118
    files: dict[object, str] = {path: path for path in found.special}
    for path in found.files:  # a file with several names goes by the first
        status = os.stat(os.path.join(folder, path))  # noqa: PTH116, PTH118
        files.setdefault((status.st_dev, status.st_ino), path)
    for left_out in found.left_out.listed():
        if left_out.odd:  # who names a folder knows that notes and pictures in it are no recordings
            tell(folder, left_out)
    if not files and not faults:
        return [Input(folder, None, f"no recordings in it or below ({', '.join(suffixes())}).")]
    paths = (os.path.join(folder, path) for path in files.values())  # noqa: PTH118
    return sorted([*(Input(path, path) for path in paths), *faults], key=lambda one: one.name)
