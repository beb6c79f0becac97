"""Entries into train, valid and test. Groups stay whole, and no seed has a say: the same files always part alike."""

import difflib
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mixkit.errors import DataError, SettingError, did_you_mean
from mixkit.tasks.clip import SPLITS, draw, nfc, some
from mixkit.tasks.entry import ClipEntry, fold_name
from mixkit.values import fold_value


def folds_of(entries: Sequence[ClipEntry]) -> tuple[str, ...]:
    """Names of the folds that entries come in; numbers in their order, ahead of words."""
    return tuple(sorted({entry.fold for entry in entries if entry.fold is not None}, key=_order))


def groups_as_folds(entries: Sequence[ClipEntry]) -> list[ClipEntry]:
    """Entries with their group in the place of a fold: each speaker, or device, can be left out in turn.

    Raises:
        SettingError: nothing says of which group a clip is.
    """
    if all(entry.group == nfc(entry.path) for entry in entries):
        fix = "Mark it in the pattern by (?P<group>...), or in the table."
        raise SettingError("task.folder.folds", f"is 'groups', but nothing says of which group a clip is. {fix}")
    return [replace(entry, fold=fold_name(entry.group)) for entry in entries]


def _choices(folds: Sequence[str]) -> str:
    """Folds as the setting takes them."""
    return ", ".join(repr(fold_value(fold)) for fold in folds)


def _order(fold: str) -> tuple[float, str]:
    try:
        return float(fold), ""
    except ValueError:
        return math.inf, fold


@dataclass(frozen=True)
class Division:
    """How to part the entries. What is set here wins over what the files say.

    Args:
        fold: for test; the next one in order is for validation, cyclically, where there are three or more.
        valid_groups: for validation.
        test_groups: for test.
        valid_share: of the clips that are not for test, where nothing else says which are for validation.
        test_share: of all clips, where nothing else says which are for test.
    """

    fold: str | None
    valid_groups: tuple[str, ...]
    test_groups: tuple[str, ...]
    valid_share: float
    test_share: float

    def protocol(self, entries: Sequence[ClipEntry]) -> str:
        """By what rule the entries are parted, in words that stand beside a figure."""
        whole = "files" if all(entry.group == nfc(entry.path) for entry in entries) else "groups"
        if self.test_groups:
            return f"tested on {some(self.test_groups, 10)}"
        if self.fold is not None:
            word = "group" if all(entry.fold == fold_name(entry.group) for entry in entries) else "fold"
            return f"{word} {self.fold} of {len(folds_of(entries))}"
        if any(entry.split for entry in entries):
            return f"given splits, by {whole}"
        return f"{self.test_share:.0%} of the clips, by {whole}"

    def part(self, entries: Sequence[ClipEntry]) -> dict[str, tuple[ClipEntry, ...]]:
        """Entries by split, in the order they came.

        Raises:
            SettingError: there is no such fold or group, or there are folds and none is chosen.
            DataError: some entries name no fold or split, others do, and it matters.
        """
        self._expect_groups(entries)
        splits = [self._chosen(entry, said) for entry, said in zip(entries, self._said(entries), strict=True)]
        if not self.test_groups and self.fold is None and not any(entry.split for entry in entries):
            _cut(entries, splits, "test", self.test_share)
        if "valid" not in splits:
            _cut(entries, splits, "valid", self.valid_share)
        return {name: tuple(e for e, split in zip(entries, splits, strict=True) if split == name) for name in SPLITS}

    def _said(self, entries: Sequence[ClipEntry]) -> list[str]:
        """The split of each entry by its fold, or by its own word."""
        if self.test_groups:
            return ["train"] * len(entries)
        if self.fold is not None:
            return self._by_fold(entries)
        if any(entry.split for entry in entries):
            _expect_all(entries, "split")
            return [str(entry.split) for entry in entries]
        folds = folds_of(entries)
        if folds:
            raise SettingError(
                "task.folder.fold",
                f"is not set, but the clips come in folds: {_choices(folds)}. Set it to the one for test.",
            )
        return ["train"] * len(entries)

    def _by_fold(self, entries: Sequence[ClipEntry]) -> list[str]:
        folds = folds_of(entries)
        if self.fold not in folds:
            known = f"the folds are {_choices(folds)}" if folds else "nothing says which fold a clip is in"
            fix = "Use one of them." if folds else "Mark it in the pattern by (?P<fold>...), or in the table."
            raise SettingError("task.folder.fold", f"is {fold_value(str(self.fold))!r}, but {known}. {fix}")
        _expect_all(entries, "fold")
        test = folds.index(self.fold)
        valid = (test + 1) % len(folds) if len(folds) > 2 else None
        name = {fold: "test" if at == test else "valid" if at == valid else "train" for at, fold in enumerate(folds)}
        return [name[str(entry.fold)] for entry in entries]

    def _chosen(self, entry: ClipEntry, said: str) -> str:
        """What was said, unless a list of groups says otherwise."""
        if entry.group in self.test_groups:
            return "test"
        if entry.group in self.valid_groups:
            return "valid"
        return "train" if self.valid_groups and said == "valid" else said

    def _expect_groups(self, entries: Sequence[ClipEntry]) -> None:
        groups = {entry.group for entry in entries}
        for setting in ("valid_groups", "test_groups"):
            for group in getattr(self, setting):
                if group not in groups:
                    near = difflib.get_close_matches(group, groups, n=10, cutoff=0.5)
                    known = groups if len(groups) <= 20 else near or sorted(groups)[:10]
                    hint = did_you_mean(group, known)
                    raise SettingError(f"task.folder.{setting}", f"names {group!r}, which is no group.{hint}")


def hold_out(entries: Sequence[ClipEntry], share: float) -> set[str]:
    """Groups that together have about a share of the clips of every label, and never all of a label.

    The order of trying is by a hash of the group's name, so a new group moves hardly any other. A group is taken if
    more than half of its clips are still wanted, or if it is the first that can be spared and no other was taken.

    Of a multi-label set, the rarest label is looked after first, since the common ones come along with it; clips
    without a label are held out as if they had one of their own.

    Paper: Sechidis, Tsoumakas and Vlahavas 2011, "On the stratification of multi-label data", for the rarest first.
    """
    if not share:
        return set()
    counts: dict[str, dict[str, int]] = {}
    for entry in entries:
        its = counts.setdefault(entry.group, {})
        for label in _strata(entry):
            its[label] = its.get(label, 0) + 1
    clips = Counter(label for entry in entries for label in _strata(entry))
    groups = Counter(label for labels in counts.values() for label in labels)
    wanted = {label: max(share * count, 1.0) for label, count in clips.items()}
    held: set[str] = set()
    in_order = sorted(counts, key=draw)
    spare = [group for group in in_order if all(groups[label] > 1 for label in counts[group])]
    for group, looked_at in _turns(entries, in_order, counts, clips):
        its = counts[group]
        useful = sum(min(its[label], wanted[label]) for label in looked_at)
        asked = sum(its[label] for label in looked_at)
        if group not in held and 2 * useful > asked and all(groups[label] > 1 for label in its):
            held.add(group)
            for label, count in its.items():
                wanted[label] = max(wanted[label] - count, 0.0)
                groups[label] -= 1
    return held or set(spare[:1])


def _strata(entry: ClipEntry) -> tuple[str, ...]:
    return entry.labels or ("",)


def _turns(
    entries: Sequence[ClipEntry], groups: Sequence[str], counts: Mapping[str, Mapping[str, int]], clips: Counter[str]
) -> Iterator[tuple[str, Collection[str]]]:
    """Groups in the order in which they are tried, each with the labels for which it is."""
    if all(entry.tags is None for entry in entries):
        yield from ((group, counts[group]) for group in groups)
        return
    having: dict[str, list[str]] = defaultdict(list)
    for group in groups:
        for label in counts[group]:
            having[label].append(group)
    for label in sorted(having, key=lambda label: (clips[label], label)):
        yield from ((group, (label,)) for group in having[label])


def _cut(entries: Sequence[ClipEntry], splits: list[str], split: str, share: float) -> None:
    held = hold_out([entry for entry, its in zip(entries, splits, strict=True) if its == "train"], share)
    for at, entry in enumerate(entries):
        if splits[at] == "train" and entry.group in held:
            splits[at] = split


def _expect_all(entries: Sequence[ClipEntry], what: str) -> None:
    mute = [entry.path for entry in entries if getattr(entry, what) is None]
    if mute:
        raise DataError(f"{len(mute)} of {len(entries)} clips name no {what}: {some(mute)}. Name one for every clip.")
