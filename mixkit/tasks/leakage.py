"""The guard of the splits: nothing that is trained on is tested on. It needs no audio, only the listing."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from mixkit.errors import DataError, printable
from mixkit.registry import Clip, Task
from mixkit.tasks.clip import SPLITS, expect_whole, some
from mixkit.tasks.published import PAPER_RANDOM

_Splits = Mapping[str, Sequence[Clip]]


def check_splits(task: Task) -> None:
    """See that a task can be learnt and cannot leak: each recording, and each group, in one split only.

    A task whose `protocol` is `paper-random` splits groups on purpose and says so with every figure. Of it, only the
    groups are let through: a recording stands in one split all the same.

    Raises:
        DataError: there is one class only, a split is empty or without a label, a class is missing in training, a
            clip is listed twice, or a file or a group stands in two splits; the files are named.
    """
    expect_whole(task)
    if len(task.labels) < 2:
        raise DataError(
            f"one class only: {some(task.labels) or 'none at all'}. A classifier needs clips of at least two labels."
        )
    splits = {split: task.clips(split) for split in SPLITS}
    _expect_clips(splits, task.labels)
    _expect_once(splits)
    _expect_apart(splits, "file", lambda clip: str(clip.path))
    if task.protocol != PAPER_RANDOM:
        _expect_apart(splits, "group", lambda clip: clip.group)


def _expect_clips(splits: _Splits, labels: Sequence[str]) -> None:
    for split, clips in splits.items():
        if not clips:
            raise DataError(f"the split {split!r} is empty. Give it clips, or larger shares to be cut from.")
        if not any(clip.labels for clip in clips):
            raise DataError(f"no clip of the split {split!r} has a label. Give it some that have.")
    for clip in (clip for clips in splits.values() for clip in clips):
        for label in clip.labels:
            if label not in labels:
                raise DataError(f"{printable(clip.path)}: label {label!r} is none of the task's: {some(labels, 20)}.")
    trained = {label for clip in splits["train"] for label in clip.labels}
    missing = [label for label in labels if label not in trained]
    if missing:
        held_out = [printable(clip.path) for clips in splits.values() for clip in clips if missing[0] in clip.labels]
        found = f", only held-out ones such as {held_out[0]}" if held_out else ""
        raise DataError(f"no training clip of {some(missing)}{found}. Hold out fewer groups, or leave the label out.")


def _expect_once(splits: _Splits) -> None:
    listed = Counter((clip.path, clip.start, clip.stop) for clips in splits.values() for clip in clips)
    twice = [path for (path, _, _), times in listed.items() if times > 1]
    if twice:
        raise DataError(f"listed more than once: {some(map(str, twice))}. List each clip once.")


def _expect_apart(splits: _Splits, what: str, name: Callable[[Clip], str]) -> None:
    first: dict[str, dict[str, Clip]] = defaultdict(dict)
    for split, clips in splits.items():
        for clip in clips:
            first[name(clip)].setdefault(split, clip)
    shared = [(named, found) for named, found in first.items() if len(found) > 1]
    if not shared:
        return
    named, found = shared[0]
    where = " and ".join(f"{split} ({printable(clip.path)})" for split, clip in found.items())
    more = f" So {_do(len(shared) - 1, what)}." if len(shared) > 1 else ""
    raise DataError(f"the {what} {printable(named)} stands in {where}.{more} Keep each {what} in one split.")


def _do(count: int, what: str) -> str:
    return f"does 1 more {what}" if count == 1 else f"do {count} more {what}s"
