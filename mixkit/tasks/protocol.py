"""What published data sets share: where they lie, which names are there, and how folds become splits."""

import csv
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from mixkit.errors import DataError, MixkitError, SettingError, printable
from mixkit.registry import Clip
from mixkit.storage.folders import data_folder
from mixkit.tasks.clip import SPLITS, expect_split, some

PAPER_RANDOM = "paper-random"
"""The one protocol under which recordings of a group may stand in two splits. It goes with every figure."""

RANDOM_FOLDS = 10
RANDOM_NOTE = (
    "protocol paper-random: clips of one group stand in training and test alike. "
    "Such figures lie far above those of held-out groups, and are never to be set beside them."
)


@dataclass(frozen=True)
class Listed:
    """A clip as a data set lists it.

    Args:
        name: the data set's own, unlike every other in it; the same wherever the data lie.
        fold: counted from 1.
        clip: the recording.
    """

    name: str
    fold: int
    clip: Clip


@dataclass(frozen=True)
class Splits:
    """The clips of each split, and what is to be said about them.

    Args:
        of: train, valid and test.
        notes: sentences for the user: what is missing, double, or left out.
    """

    of: Mapping[str, tuple[Clip, ...]]
    notes: tuple[str, ...] = ()

    def clips(self, split: str) -> tuple[Clip, ...]:
        """Those of a split.

        Raises:
            MixkitError: there is no such split.
        """
        expect_split(split)
        return self.of[split]


def find_root(task: str, root: str, needs: Sequence[str], inside: Sequence[str], advice: str) -> Path:
    """The folder that holds a data set: the root that was set, or `NAME` in the data folder, or a folder in it.

    Args:
        task: the registered name.
        root: the setting; empty for `$MIXKIT_DATA/NAME`.
        needs: files and folders that have to be there.
        inside: folders that the archive may have been unpacked into.
        advice: what to place there, a sentence.

    Raises:
        MixkitError: it is not there.
    """
    base = base_folder(task, root)
    for folder in (base, *(base / name for name in inside)):
        if folder.is_dir() and all((folder / need).exists() for need in needs):
            return folder
    lacking = [need for need in needs if not (base / need).exists()]
    raise not_there(task, root, f"{some(lacking)} missing" if base.is_dir() else "no such folder", advice)


def base_folder(task: str, root: str) -> Path:
    """The root that was set, or the place of that data set in the data folder."""
    return Path(os.path.expanduser(root)).absolute() if root else data_folder() / task  # noqa: PTH111 - keeps ~nobody


def not_there(task: str, root: str, what: str, advice: str) -> MixkitError:
    """The error about a root that does not hold the data set."""
    if root:
        return SettingError(f"task.{task}.root", f"is {root!r}: {what}. {advice}")
    advice = f"{advice} Or name another folder: --set \"task.{task}.root = 'PATH'\"."
    return DataError(f"{what}.", base_folder(task, root), advice)


def sounds(folder: Path, root: Path, suffix: str = ".wav") -> tuple[str, ...]:
    """Names of the sound files of a folder, sorted; none is opened, and hidden ones are passed over.

    Raises:
        DataError: the folder cannot be read, or a link leads out of the root.
    """
    with _scan(folder, root) as entries:
        named = (entry for entry in entries if entry.name.endswith(suffix) and not entry.name.startswith("."))
        return tuple(sorted(entry.name for entry in named if _expect_within(entry, root).is_file()))


def folders(folder: Path, root: Path) -> tuple[str, ...]:
    """Names of the folders of a folder, sorted; hidden ones are passed over.

    Raises:
        DataError: the folder cannot be read, or a link leads out of the root.
    """
    with _scan(folder, root) as entries:
        shown = (entry for entry in entries if not entry.name.startswith("."))
        return tuple(sorted(entry.name for entry in shown if entry.is_dir() and _expect_within(entry, root)))


def read_lines(path: Path) -> tuple[str, ...]:
    """The lines of a list, without blank ones.

    Raises:
        DataError: it cannot be read as text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read ({error}).", path, "Put the published list there.") from None
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a published table, each with its place for errors.

    Raises:
        DataError: it cannot be read, or a column is missing.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            lacking = [column for column in columns if column not in (rows.fieldnames or ())]
            if lacking:
                raise DataError(f"no column {some(lacking)}.", path, "Put the published table there.")
            for row in rows:
                yield f"{_show(path)}:{rows.line_num}", {column: row[column] or "" for column in columns}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot be read ({error}).", path, "Put the published table there.") from None


def fold_names(count: int) -> tuple[str, ...]:
    """`1`, `2` and on."""
    return tuple(str(number + 1) for number in range(count))


def expect_fold(fold: int, folds: int) -> int:
    """The fold, if there is such a one.

    Raises:
        SettingError: there is not.
    """
    if not 1 <= fold <= folds:
        raise SettingError("fold", f"is {fold}, but there are {folds} folds. Use 1 to {folds}.")
    return fold


def divide(listed: Sequence[Listed], fold: int, folds: int, notes: Sequence[str], protocol: str = "official") -> Splits:
    """The fold for test, the next one (after the last, the first) for validation, the others for training.

    Args:
        listed: every clip.
        fold: that is tested, from 1.
        folds: how many there are.
        notes: what is to be said already.
        protocol: `paper-random` forgets the folds and deals the clips anew; any other keeps groups apart.
    """
    if protocol == PAPER_RANDOM:
        return Splits(_roles(_deal(listed, folds), fold, folds), (*notes, RANDOM_NOTE))
    return keep_apart(_roles(listed, fold, folds), notes)


def draw(name: str) -> str:
    """A place in a random order that no machine, no seed and no library changes."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()


def keep_apart(splits: Mapping[str, tuple[Clip, ...]], notes: Sequence[str] = ()) -> Splits:
    """Leaves out of training what shares its group with validation or test, and of validation what does with test.

    Test stays as it was published, and what is learnt never saw its recordings.
    """
    held: set[str] = set()
    kept: dict[str, tuple[Clip, ...]] = {}
    said = list(notes)
    for split in reversed(SPLITS):
        kept[split] = tuple(clip for clip in splits[split] if clip.group not in held)
        out = [clip for clip in splits[split] if clip.group in held]
        if out:
            clips = "1 clip is" if len(out) == 1 else f"{len(out)} clips are"
            groups = some(sorted({clip.group for clip in out}), 5)
            said.append(f"{clips} left out of {split}: others of the same group are held out ({groups}).")
        held |= {clip.group for clip in splits[split]}
    return Splits({split: kept[split] for split in SPLITS}, tuple(said))


def found_of(found: int, published: int) -> tuple[str, ...]:
    """A note where the count is not the published one."""
    return () if found == published else (f"{found:,} clips found; {published:,} are published.",)


def sizes_of(splits: Mapping[str, Sequence[Clip]], published: Mapping[str, int]) -> tuple[str, ...]:
    """A note where the sizes of the splits are not the published ones."""
    found = {split: len(splits[split]) for split in SPLITS}
    if found == published:
        return ()
    here, there = (" / ".join(f"{sizes[split]:,}" for split in SPLITS) for sizes in (found, published))
    return (f"{here} clips found for train / valid / test; {there} are published.",)


def _deal(listed: Sequence[Listed], folds: int) -> list[Listed]:
    """Folds at random, always the same, each with its share of every class."""
    drawn = sorted(listed, key=lambda one: (one.clip.label, draw(one.name)))
    return [Listed(one.name, place % folds + 1, one.clip) for place, one in enumerate(drawn)]


def _roles(listed: Sequence[Listed], fold: int, folds: int) -> dict[str, tuple[Clip, ...]]:
    role = {fold: "test", fold % folds + 1: "valid"}
    split: dict[str, list[Clip]] = {name: [] for name in SPLITS}
    for one in sorted(listed, key=lambda one: one.name):
        split[role.get(one.fold, "train")].append(one.clip)
    return {name: tuple(clips) for name, clips in split.items()}


def _scan(folder: Path, root: Path) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
    try:
        if not _lies_within(os.path.realpath(folder), root):
            raise _outside(str(folder), root)
        return os.scandir(folder)
    except OSError as error:
        raise DataError(f"{error.strerror}.", folder, "A data folder has to be readable.") from None


def _expect_within(entry: os.DirEntry[str], root: Path) -> os.DirEntry[str]:
    if entry.is_symlink() and not _lies_within(os.path.realpath(entry.path), root):
        raise _outside(entry.path, root)
    return entry


def _lies_within(resolved: str, root: Path) -> bool:
    return Path(resolved).is_relative_to(os.path.realpath(root))


def _outside(path: str, root: Path) -> DataError:
    return DataError(f"a link that leads out of {_show(root)}.", path, "Put what it leads to in its place.")


def _show(path: Path) -> str:
    return printable(str(path))
