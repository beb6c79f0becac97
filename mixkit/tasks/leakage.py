"""The guard of the splits: nothing that is trained on is tested on. It needs no audio, only the listing."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from mixkit.errors import DataError, printable
from mixkit.registry import Clip, Task
from mixkit.tasks.clip import SPLITS, expect_whole, some
from mixkit.tasks.published import PAPER_RANDOM
from mixkit.tasks.unlabelled import USED

Splits = Mapping[str, Sequence[Clip]]


def check_splits(task: Task) -> None:
    """See that a task can be learnt and cannot leak.

    Raises:
        DataError: the first of `split_faults`.
    """
    expect_whole(task)
    for fault in split_faults({split: task.clips(split) for split in SPLITS}, task.labels, task.protocol):
        raise fault


def split_faults(splits: Splits, labels: Sequence[str], protocol: str) -> Iterator[DataError]:
    """What keeps splits from being trained on: each recording, and each group, has to stand in one of them only.

    Under the protocol `paper-random` groups are split on purpose, which is said with every figure. Only they are let
    through: a recording stands in one split all the same.

    Args:
        splits: all clips.
        labels: of the task.
        protocol: by which it is split.

    Yields:
        There is one class only, a split is empty or without a label, a class is missing in training, a clip is listed
        twice, or a file or a group stands in two splits (of kind `file` and `group`); the files are named.
    """
    if len(labels) < 2:
        named = some(labels) or "none at all"
        yield DataError(f"one class only: {named}. A classifier needs clips of at least two labels.")
    yield from _of_clips(splits, labels)
    yield from _listed_twice(splits)
    yield from _apart(splits, "file", lambda clip: clip.path)
    if protocol != PAPER_RANDOM:
        yield from _apart(splits, "group", lambda clip: clip.group)


def unlabelled_faults(splits: Splits) -> Iterator[DataError]:
    """What keeps clips without labels from being pretrained on.

    Args:
        splits: all clips; none is asked of the test split.

    Yields:
        A split is empty, a clip is listed twice, or a file stands in two splits.
    """
    for split in USED:
        if not splits[split]:
            yield DataError(f"the split {split!r} is empty. Give it clips, or larger shares to be cut from.")
    yield from _listed_twice(splits)
    yield from _apart(splits, "file", lambda clip: clip.path)


def _of_clips(splits: Splits, labels: Sequence[str]) -> Iterator[DataError]:
    for split, clips in splits.items():
        if not clips:
            yield DataError(f"the split {split!r} is empty. Give it clips, or larger shares to be cut from.")
        elif not any(clip.labels for clip in clips):
            yield DataError(f"no clip of the split {split!r} has a label. Give it some that have.")
    known = frozenset(labels)
    foreign = ((clip, label) for clips in splits.values() for clip in clips for label in clip.labels)
    for clip, label in foreign:
        if label not in known:
            yield DataError(f"{printable(clip.path)}: label {label!r} is none of the task's: {some(labels, 20)}.")
            break
    trained = {label for clip in splits["train"] for label in clip.labels}
    missing = [label for label in labels if label not in trained]
    if missing and splits["train"]:
        held_out = [printable(clip.path) for clips in splits.values() for clip in clips if missing[0] in clip.labels]
        found = f", only held-out ones such as {held_out[0]}" if held_out else ""
        yield DataError(f"no training clip of {some(missing)}{found}. Hold out fewer groups, or leave the label out.")


def _listed_twice(splits: Splits) -> Iterator[DataError]:
    listed = Counter((clip.path, clip.start, clip.stop) for clips in splits.values() for clip in clips)
    twice = [path for (path, _, _), times in listed.items() if times > 1]
    if twice:
        yield DataError(f"listed more than once: {some(map(str, twice))}. List each clip once.")


def _apart(splits: Splits, what: str, name: Callable[[Clip], object]) -> Iterator[DataError]:
    first: dict[object, str] = {}  # of each name, the split in which it came first
    shared = {
        named
        for split, clips in splits.items()
        for named in map(name, clips)
        if first.setdefault(named, split) != split
    }
    if shared:
        named = next(named for named in first if named in shared)
        found = {split: next((clip for clip in clips if name(clip) == named), None) for split, clips in splits.items()}
        where = " and ".join(f"{split} ({printable(clip.path)})" for split, clip in found.items() if clip)
        more = f" So {_do(len(shared) - 1, what)}." if len(shared) > 1 else ""
        reason = f"the {what} {printable(named)} stands in {where}.{more}"
        yield DataError(f"{reason} Keep each {what} in one split.", kind=what)


def _do(count: int, what: str) -> str:
    return f"does 1 more {what}" if count == 1 else f"do {count} more {what}s"
