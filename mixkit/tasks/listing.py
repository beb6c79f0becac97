"""Audio files below a folder, found without opening one."""

import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from mixkit.errors import DataError, SettingError
from mixkit.tasks.clip import is_audio, nfc, suffixes
from mixkit.tasks.left_out import Tally, left_out_kind, suffix_of
from mixkit.tasks.progress import Patient


class Skip:
    """What the user leaves out, by patterns over the path below the root; `*` also stands for slashes."""

    def __init__(self, patterns: tuple[str, ...]):
        self.patterns = tuple(map(nfc, patterns))
        self._used: set[str] = set()

    def __call__(self, path: str) -> bool:
        """Whether the path is left out."""
        matching = {pattern for pattern in self.patterns if fnmatchcase(nfc(path), pattern)}
        self._used |= matching
        return bool(matching)

    def expect_used(self) -> None:
        """Refuse a pattern that left nothing out: it is misspelt, or out of date.

        Raises:
            SettingError: there is one.
        """
        for pattern in self.patterns:
            if pattern not in self._used:
                raise SettingError(
                    "task.folder.skip", f"holds {pattern!r}, which matches no audio file. Mend it, or take it out."
                )


@dataclass(frozen=True)
class Found:
    """What a search for recordings found; paths are below the folder, with forward slashes.

    Args:
        files: recordings, sorted by code point.
        special: what is named like a recording, and is no regular file.
        unreadable: folders that cannot be read, each with the reason.
        left_out: everything else.
    """

    files: list[str]
    special: list[str]
    unreadable: list[tuple[str, str]]
    left_out: Tally


def find_audio(
    root: Path, follow: str, skip: Skip | None = None, follow_links: bool = False, patient: Patient | None = None
) -> Found:
    """Searches a folder, and all below it, for files that are named like recordings; none is opened.

    Names that begin with a dot are left out, and so are links that lead out of the folder, to a folder, to nothing, or
    to a file that is listed itself. Where links are followed, a folder is visited once, whatever ways lead there.

    Args:
        root: the folder.
        follow: how links are followed, a sentence.
        skip: what the user leaves out.
        follow_links: whether links that lead out of the folder, or to folders, are followed.
        patient: tells how many files and folders were looked at.
    """
    search = _Search(root, Tally(follow), skip or Skip(()), follow_links, patient or Patient())
    search.patient.begin("searching for recordings")
    search.visit("", search.real_root)
    search.look_at_links()
    search.note_empty_folders()
    return Found(sorted(search.files), sorted(search.special), sorted(search.unreadable), search.left_out)


def expect_found(root: Path, found: Found) -> None:
    """Refuse a search that found nothing, or what cannot be.

    Raises:
        DataError: there is no recording, a folder cannot be read, or what is named like audio is no regular file.
    """
    for folder, reason in found.unreadable:
        raise DataError(f"{reason}.", root / folder, "A data folder has to be readable.")
    for path in found.special:
        raise DataError("not a regular file.", root / path, "Remove it, or list it in task.folder.skip.")
    if not found.files:
        raise DataError(no_audio(found), root)


def no_audio(found: Found) -> str:
    """In words, that a search found nothing; and what it left out."""
    text = f"no audio file. Looked in it and below for {', '.join(suffixes())}, in either case."
    return "\n  ".join([text, *map(str, found.left_out.listed())])


def inside(path: str, folder: str) -> bool:
    """Whether a resolved path is a resolved folder, or below it."""
    return f"{path}{os.sep}".startswith(folder.rstrip(os.sep) + os.sep)


class _Search:
    """A search of one folder after the other; links wait until all else is found, so that they are no first names."""

    def __init__(self, root: Path, left_out: Tally, skip: Skip, follow_links: bool, patient: Patient):
        self.patient = patient
        self.root, self.left_out, self.skip, self.follow_links = root, left_out, skip, follow_links
        self.real_root = os.path.realpath(root)
        self.files: list[str] = []
        self.special: list[str] = []
        self.unreadable: list[tuple[str, str]] = []
        self.links: list[str] = []
        self.real: dict[str, str] = {}  # of each folder below the root, with its slash, where it really is
        self.entered: set[str] = set()  # the same, as a set
        self.visited: set[tuple[int, int]] = set()

    def visit(self, top: str, real: str) -> None:
        """Takes in what is in a folder and below."""
        folders = [(top, real)]
        while folders:
            below, real = folders.pop()
            try:
                if self.follow_links and not self._is_new(real):
                    self.left_out.add("twice", below)
                    continue
                entries = list(os.scandir(real))
            except OSError as error:
                self.unreadable.append((below, str(error.strerror)))
                continue
            self.real[below] = real
            self.entered.add(real)
            for entry in entries:
                self.patient.one()
                if name := self._take(below, entry):
                    folders.append((f"{below}{name}/", os.path.join(real, name)))  # noqa: PTH118

    def _is_new(self, folder: str) -> bool:
        status = os.stat(folder)  # noqa: PTH116
        identity = status.st_dev, status.st_ino
        new = identity not in self.visited
        self.visited.add(identity)
        return new

    def _take(self, below: str, entry: "os.DirEntry[str]") -> str:
        """The name of a folder, to be visited; all else is noted, and nothing given."""
        name, path = entry.name, below + entry.name
        if entry.is_symlink():
            if not name.startswith("."):
                self.links.append(path)
        elif entry.is_dir(follow_symlinks=False):
            return "" if name.startswith(".") else name
        elif name.startswith("."):
            if is_audio(name):
                self.left_out.add("hidden", path)
        elif is_audio(name):
            if self.skip(path):
                self.left_out.add("skipped", path)
            else:
                (self.files if entry.is_file(follow_symlinks=False) else self.special).append(path)
        else:
            self._leave_out(left_out_kind(name), path)
        return ""

    def look_at_links(self) -> None:
        """Takes in links, and what they lead to: folders first, in which there may be more."""
        files: list[tuple[str, str]] = []
        while self.links:
            links, self.links = sorted(self.links), []
            for path in links:
                target = os.path.realpath(self.root / path)
                if os.path.isdir(target):  # noqa: PTH112
                    self._take_folder(f"{path}/", target)
                else:
                    files.append((path, target))
        listed = {self._real(path) for path in self.files} if files else set()
        for path, target in sorted(files):
            if not os.path.exists(target):  # noqa: PTH110
                self._leave_out("leads_nowhere", path if suffix_of(path) else f"{path}/")
            elif not is_audio(path):
                self._leave_out(left_out_kind(path), path)
            elif not (self.follow_links or inside(target, self.real_root)):
                self._leave_out("leads_out", path)
            elif target in listed:
                self.left_out.add("twice", path)
            elif self.skip(path):
                self.left_out.add("skipped", path)
            else:
                listed.add(target)
                (self.files if os.path.isfile(target) else self.special).append(path)  # noqa: PTH113

    def note_empty_folders(self) -> None:
        """Notes the topmost folders in which, with all below, there is no recording."""
        held = {path.rpartition("/")[0] for path in (*self.files, *self.special, *self.left_out.seen())}
        held |= {folder[:at] for folder in held for at, sign in enumerate(folder) if sign == "/"} | {""}
        for folder in self.real:
            above, _, name = folder.rstrip("/").rpartition("/")
            if name and folder.rstrip("/") not in held and above in held:
                self.left_out.add("empty", folder)

    def _take_folder(self, path: str, target: str) -> None:
        if self.skip(path) or self.skip(path.rstrip("/")):
            self.left_out.add("skipped", path)
        elif self.follow_links:
            self.visit(path, target)
        elif not inside(target, self.real_root):
            self.left_out.add("leads_out", path)
        else:
            self.left_out.add("twice" if target in self.entered else "linked_folder", path)

    def _leave_out(self, kind: str, path: str) -> None:
        skipped = kind != "other" and self.skip(path.rstrip("/"))
        self.left_out.add("skipped" if skipped else kind, path)

    def _real(self, path: str) -> str:
        folder, slash, name = path.rpartition("/")
        return os.path.join(self.real[folder + slash], name)  # noqa: PTH118
