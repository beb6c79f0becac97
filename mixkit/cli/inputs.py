"""The recordings that a command is given: files, folders, standard input."""

import os
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from mixkit.audio.refusal import fix_alone
from mixkit.audio.spool import spooled
from mixkit.audio.waveform import Waveform, open_file
from mixkit.errors import DataError, MixkitError
from mixkit.tasks.clip import is_audio, suffixes
from mixkit.tasks.listing import inside

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
def inputs(named: Sequence[str]) -> Iterator[list[Input]]:
    """The recordings behind names: a file, a folder with all below it, or `-` for a sound file on standard input.

    Of a folder, what has the suffix of audio is taken, sorted by path. Left out are hidden files and folders, links to
    folders, links that lead nowhere or out of the folder, and what was found before by another name. A file that is
    named itself is taken whatever it is called.

    Args:
        named: paths, or `-`.

    Raises:
        MixkitError: standard input is a terminal, or holds more than a sound file of 1 GiB.
    """
    with ExitStack() as kept:
        found: list[Input] = []
        for name in named:
            if name == STDIN:
                found.append(Input(STDIN, kept.enter_context(_stdin())))
            elif os.path.isdir(name):  # noqa: PTH112
                found += _below(name)
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


def _below(folder: str) -> list[Input]:
    root = os.path.realpath(folder)
    faults: list[Input] = []
    files: dict[tuple[int, int], str] = {}
    # Files come before links, so that what has both goes by its own name.
    for entry in sorted(_walk(folder, faults), key=lambda entry: (entry.is_symlink(), entry.path)):
        target = os.path.realpath(entry.path)
        if entry.is_symlink() and not (inside(target, root) and os.path.isfile(target)):  # noqa: PTH113
            continue
        status = entry.stat()
        files.setdefault((status.st_dev, status.st_ino), entry.path)
    if not files and not faults:
        return [Input(folder, None, f"no recordings in it or below ({', '.join(suffixes())}).")]
    return sorted([*(Input(path, path) for path in files.values()), *faults], key=lambda one: one.name)


def _walk(folder: str, faults: list[Input]) -> Iterator["os.DirEntry[str]"]:
    """What is named like audio below a folder; folders that cannot be read go to `faults`."""
    folders = [folder]
    while folders:
        here = folders.pop()
        try:
            entries = list(os.scandir(here))
        except OSError as error:
            faults.append(Input(here, None, f"cannot be read ({error.strerror})."))
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif is_audio(entry.name):
                yield entry
