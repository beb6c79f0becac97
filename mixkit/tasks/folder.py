"""The folder task: your own recordings, labelled by their folders, their names or a table."""

import os
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

from mixkit.errors import SettingError, printable
from mixkit.registry import Clip, task
from mixkit.tasks.alike import label_notes
from mixkit.tasks.clip import nfc
from mixkit.tasks.entry import SEPARATOR, ClipEntry, fold_name
from mixkit.tasks.left_out import LeftOut, Tally
from mixkit.tasks.listing import Found, Skip, expect_found, find_audio
from mixkit.tasks.pattern import compile_pattern, expect_classes, read_names
from mixkit.tasks.progress import ListedOnce
from mixkit.tasks.split import Division, folds_of, groups_as_folds
from mixkit.tasks.table import FOLLOW, read_table
from mixkit.tasks.unlabelled import Loose
from mixkit.values import Count, Fold, Location, PathName, Positive, Share


@task("folder")
class Folder(ListedOnce):
    r"""Your own recordings: a folder for each class, names that say the class, or a table.

    Every clip has a group (speaker, source recording, device), which stays in one split; where nothing says, each file
    is a group of its own. Which clips are for test is said by the first of these that there is: `test_groups`, `fold`,
    the files themselves, `test_share`. Seeds never change it.

    Args:
        root: the folder; `~` is your home, and a relative path begins at the working folder.
        pattern: regular expression for the whole path below the root, with forward slashes. `(?P<label>...)` is the
            class; `(?P<group>...)`, `(?P<fold>...)` and `(?P<split>...)` may say more, and so may `(?P<test>...)`
            and `(?P<valid>...)`: a file where they match is in that split. None: the topmost folder is the class.
        table: CSV or Parquet file below the root, with the columns path (below the root) and label, and if need be
            split, fold, group, start and stop (seconds). Files that it does not list are left alone. Or a data set of
            Hugging Face with its audio: a Parquet file, or a folder of them or of `save_to_disk`.
        fold: the test fold, a number or a name; the next is for validation, cyclically, and the others train.
        folds: what a fold is: as the pattern or the table names it, or each group, to leave out one speaker after the
            other.
        valid_groups: groups for validation.
        test_groups: groups for test.
        valid_share: share of the clips that are not for test to cut for validation, group by group, about evenly over
            the labels, where nothing else says.
        test_share: share of all clips to cut for test, alike.
        skip: patterns of paths to leave out; `*` stands for anything, `/` too.
        follow_links: whether links to folders, and links that lead out of the root, are followed. A folder is visited
            once, whatever ways lead there.
        multi_label: a clip may have several labels, `dog;rain`, or an empty one where nothing of the list is heard.
            Train it with `train.loss = @loss.bce()`. Without it, `dog;rain` is one label like any other. A cell of a
            table may be a list as Python writes it, too: `['dog', 'rain']`.
        separator: what stands between several labels.
        sample_rate: that the model takes, Hz.
        seconds: length of a clip that the model takes.

    Raises:
        SettingError: two settings contradict each other, or the pattern cannot be used.
    """

    def __init__(
        self,
        *,
        root: Location | None = None,
        pattern: str | None = None,
        table: PathName | None = None,
        fold: Fold | None = None,
        folds: Literal["named", "groups"] = "named",
        valid_groups: tuple[str, ...] = (),
        test_groups: tuple[str, ...] = (),
        valid_share: Share = 0.1,
        test_share: Share = 0.2,
        skip: tuple[str, ...] = (),
        follow_links: bool = False,
        multi_label: bool = False,
        separator: str = SEPARATOR,
        sample_rate: Count = 16_000,
        seconds: Positive = 5.0,
    ):
        if pattern is not None and table is not None:
            raise SettingError("table", "is set beside pattern. Labels come from one of them: set the other to None.")
        if fold is not None and test_groups:
            raise SettingError("test_groups", "is set beside fold. Choose what to test on by one of them.")
        if separator != SEPARATOR and not multi_label:
            fix = "Set task.folder.multi_label = True as well, or leave it out."
            raise SettingError("separator", f"is {separator!r}, but a clip has one label. {fix}")
        if not separator.isprintable() or not separator.strip() or any(map(str.isalnum, separator)):
            raise SettingError("separator", f"is {separator!r}. Use a sign that is in no label, such as ',' or '|'.")
        for group in valid_groups:
            if group in test_groups:
                raise SettingError("valid_groups", f"names {group!r}, and so does test_groups. A group has one split.")
        self.root = root
        self.table = table
        self.skip = skip
        self.follow_links = follow_links
        self.multi_label = multi_label
        self.separator = separator
        self.sample_rate = sample_rate
        self.seconds = seconds
        self._pattern = None if pattern is None else compile_pattern(pattern)
        self._separator = separator if multi_label else None
        self._by_group = folds == "groups"
        self._division = Division(
            None if fold is None else fold_name(str(fold)),
            tuple(map(nfc, valid_groups)),
            tuple(map(nfc, test_groups)),
            valid_share,
            test_share,
        )

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Every label, each once, sorted.

        Raises:
            MixkitError: the folder, the names or the table are not as they have to be.
        """
        return tuple(sorted({label for entry in self._entries for label in entry.labels}))

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of the listing: what is left out, labels that may be several, clips that have none.

        Raises:
            MixkitError: the folder, the names or the table are not as they have to be.
        """
        return (*map(str, self.left_out), *self._label_notes())

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What the search left out, by reason; nothing where a table lists the clips.

        Raises:
            MixkitError: the folder, the names or the table are not as they have to be.
        """
        return self._listed[1].listed()

    def _label_notes(self) -> Iterator[str]:
        yield from label_notes(self.labels, self._separator)
        mute = sum(not entry.labels for entry in self._entries)
        if mute:
            yield f"{mute} of {len(self._entries)} clips have no label: nothing of the list is heard there."

    @cached_property
    def folds(self) -> tuple[str, ...]:
        """Names of the folds that the recordings come in, numbers in their order; empty where there are none.

        Raises:
            MixkitError: the folder, the names or the table are not as they have to be.
        """
        return folds_of(self._entries)

    @cached_property
    def protocol(self) -> str:
        """By what rule clips came into the splits.

        Raises:
            MixkitError: the folder, the names or the table are not as they have to be.
        """
        return self._division.protocol(self._entries)

    def without_labels(self) -> Loose | None:
        """The recordings by themselves, where one lies in no folder that could be its label; None elsewhere.

        Raises:
            MixkitError: the folder is not as it has to be.
        """
        if self._pattern is not None or self.table is not None:
            return None
        found, skip = self._found
        if all("/" in path for path in found.files):
            return None
        skip.expect_used()
        return Loose(self._root, found, self._division)

    def _divided(self) -> dict[str, tuple[Clip, ...]]:
        self._patient.begin("dividing clips", len(self._entries))
        place = lru_cache(1)(self._root.joinpath)  # sections of a recording follow each other, and share its path
        return {
            split: tuple(Clip(place(one.path), one.label, one.group, one.start, one.stop, one.tags) for one in entries)
            for split, entries in self._division.part(self._entries).items()
        }

    @property
    def _entries(self) -> list[ClipEntry]:
        return self._listed[0]

    @cached_property
    def _listed(self) -> tuple[list[ClipEntry], Tally]:
        left_out = Tally(FOLLOW)
        if self.table is None:
            found, skip = self._found
            left_out = found.left_out
            entries = read_names(self._root, found.files, self._pattern, self._separator)
            expect_classes(self._root, entries, left_out, self._pattern, self._separator)
        else:
            skip = Skip(self.skip)
            entries = read_table(self._root, self.table, skip, self._separator, self.follow_links, self._patient)
        skip.expect_used()
        return groups_as_folds(entries) if self._by_group else entries, left_out

    @cached_property
    def _found(self) -> tuple[Found, Skip]:
        skip = Skip(self.skip)
        found = find_audio(self._root, FOLLOW, skip, self.follow_links, self._patient)
        expect_found(self._root, found)
        return found, skip

    @cached_property
    def _root(self) -> Path:
        if not self.root:
            raise SettingError(
                "task.folder.root", "is not set. Say where the recordings are: --set \"task.folder.root = 'path'\"."
            )
        root = Path(os.path.expanduser(self.root)).absolute()  # noqa: PTH111 - keeps an unknown ~name as it is
        if not root.is_dir():
            what = "which is a file" if root.is_file() else "and there is no such folder"
            raise SettingError(
                "task.folder.root", f"is {self.root!r}: {printable(root)}, {what}. Name the folder of recordings."
            )
        return root
