"""The shards task: clips in tar archives, as `mixkit data pack` writes them."""

import json
import os
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from mixkit.errors import DataError, SettingError, printable
from mixkit.registry import Clip, task
from mixkit.storage.regular import open_regular
from mixkit.tasks.clip import SPLITS, expect_split
from mixkit.tasks.mirror import ABOUT, CLIPS, FIX, is_address, mirror
from mixkit.tasks.progress import ListedOnce
from mixkit.values import Count, Location, Positive


@task("shards")
class Shards(ListedOnce):
    """A large set in few files: tar archives in WebDataset's form, which `mixkit data pack` makes of any task.

    An index beside the archives says what is in them: splits, labels and groups, as the task that was packed had them,
    so no audio is read to list them, and its protocol stays. Each clip is read by itself, in any order: a run on
    shards gives what a run on the files gives, and goes on from where it stopped in the same way.

    Args:
        root: the folder of the shards; `~` is your home, and a relative path begins at the working folder. Or its
            address on a server: `https://example.org/path/to/shards`.
        multi_label: whether clips may have several labels, or none, as those that were packed had.
        sample_rate: that the model takes, Hz.
        seconds: length of a clip that the model takes.
    """

    folds: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        root: Location | None = None,
        multi_label: bool = False,
        sample_rate: Count = 16_000,
        seconds: Positive = 5.0,
    ):
        self.root = root
        self.multi_label = multi_label
        self.sample_rate = sample_rate
        self.seconds = seconds

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Every label, as the task that was packed had them.

        Raises:
            MixkitError: there are no shards, or their index is damaged.
        """
        return tuple(map(str, self._about["labels"]))

    @property
    def protocol(self) -> str:
        """By what rule clips came into the splits before they were packed.

        Raises:
            MixkitError: as of `labels`.
        """
        return str(self._about["protocol"])

    @property
    def notes(self) -> tuple[str, ...]:
        """What was said of the listing when it was packed, and of which task it was.

        Raises:
            MixkitError: as of `labels`.
        """
        return (*map(str, self._about["notes"]), f"Shards of {self._about['packed']}.")

    def count(self, split: str) -> int:
        """How many clips a split has; they are not listed for it.

        Raises:
            MixkitError: as of `clips`.
        """
        expect_split(split)
        return int(self._about["clips"][split])

    def _divided(self) -> dict[str, tuple[Clip, ...]]:
        path, total = self._root / CLIPS, sum(map(self.count, SPLITS))
        found: dict[str, list[Clip]] = {split: [] for split in SPLITS}
        self._patient.begin("reading the index", total)
        place = cache(self._root.joinpath)  # clips of an archive share its path
        try:
            with open_regular(path) as file:
                for line in file:
                    row = json.loads(line)
                    found[row["split"]].append(_clip(row, place))
                    self._patient.one(total)
        except OSError as error:
            raise DataError(f"cannot be read ({error.strerror}).", path, FIX) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"is not what was written ({printable(str(error))}).", path, FIX) from None
        if any(len(found[split]) != self.count(split) for split in SPLITS):
            raise DataError(f"has {sum(map(len, found.values())):,} clips, not {total:,}.", path, FIX)
        return {split: tuple(clips) for split, clips in found.items()}

    @cached_property
    def _about(self) -> dict[str, Any]:
        path = self._root / ABOUT
        try:
            with open_regular(path) as file:
                about = json.load(file)
            several = bool(about["multi_label"])
            about = {key: about[key] for key in ("labels", "protocol", "notes", "packed", "clips")}
            [int(about["clips"][split]) for split in SPLITS]
        except OSError as error:
            fix = "It is no folder of shards: make one of a task by mixkit data pack."
            raise DataError(f"{error.strerror}.", path, fix) from None
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"is not what was written ({printable(str(error))}).", path, FIX) from None
        if several != self.multi_label:
            have = "have several labels each" if several else "have one label each"
            raise SettingError(
                "task.shards.multi_label", f"is {self.multi_label}, but the clips {have}. Set {several}."
            )
        return about

    @cached_property
    def _root(self) -> Path:
        if not self.root:
            raise SettingError(
                "task.shards.root", "is not set. Say where the shards are: --set \"task.shards.root = 'path'\"."
            )
        if is_address(self.root):
            return mirror(self.root, self._patient.tell)
        return Path(os.path.expanduser(self.root)).absolute()  # noqa: PTH111 - keeps an unknown ~name as it is


def _clip(row: Mapping[str, Any], place: Callable[[str], Path]) -> Clip:
    archive, name = row["path"].split("/")
    if archive.startswith("."):
        raise ValueError(f"path {row['path']!r}")
    tags = tuple(map(str, row["tags"])) if "tags" in row else None
    return Clip(place(archive) / name, str(row["label"]), str(row["group"]), tags=tags)
