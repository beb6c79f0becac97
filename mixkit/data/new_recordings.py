"""New labelled recordings for a trained network: labels matched by name, and what it was trained on left out."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from mixkit.data.inspect import inspect_clips
from mixkit.data.kept_clips import digests_of, find_clips
from mixkit.data.leaks import Copy, find_copies, shown_pairs
from mixkit.data.run_split import AudioClassifier, RunSplits, list_splits
from mixkit.data.unusable import usable
from mixkit.data.waveforms import Waveforms
from mixkit.errors import DataError, MixkitError, nearest, printable
from mixkit.recipe.schema import Recipe
from mixkit.registry import Clip, Task, task
from mixkit.runs.clips import RunClip
from mixkit.tasks.clip import nfc, some

NEW = "new"
"""The split that new recordings are, all of them together."""

LEARNED = ("train", "valid")
"""Splits whose clips a network was trained on, or its epoch chosen by."""


@dataclass(frozen=True)
class NewRecordings:
    """New recordings as a network can be tested on them.

    Args:
        splits: of one split, `NEW`.
        unknown: labels that the network does not know, with how many clips have them; those are left out.
        missing: classes of the network of which there is no clip.
        heard: clips that the run was trained on, or chosen by, sample for sample or byte for byte; they are left out.
        likely: likely the same recordings, in another form; they count.
    """

    splits: RunSplits
    unknown: Mapping[str, int]
    missing: tuple[str, ...]
    heard: tuple[str, ...]
    likely: tuple[Copy, ...]


def new_recordings(
    network: AudioClassifier, recipe: Recipe, several: bool, split: str | None, say: Callable[[str], None]
) -> NewRecordings:
    """Finds the clips of another task that a trained network can be tested on.

    Args:
        network: trained.
        recipe: its own, with the other task in it.
        several: whether a clip of the network may have several labels, or none.
        split: of the other task; None for all of them together.
        say: is told what is left out, and why.

    Raises:
        DataError: no clip is left, or some cannot be used.
        MixkitError: the task is not as it has to be.
    """
    source = _whole(recipe)
    every = list_splits(source)
    found = [clip for name, clips in every.items() if split in (None, name) for clip in clips]
    for note in source.notes:
        say(note)
    clips, unknown = _known(found, network.labels, several)
    if unknown:
        say(f"Labels that the network does not know, and their clips: {_counted(unknown, network.labels)}.")
    if not clips:
        raise DataError(
            f"none of the {len(found)} clips has a label that the network knows: it knows {some(network.labels, 10)}, "
            f"and theirs are {some(unknown, 10)}. Rename folders or labels, or name other recordings."
        )
    waveforms = Waveforms(network.sample_rate)
    good, skipped, checked = usable({NEW: clips}, recipe.on_bad_file, waveforms, say)
    trained = () if network.trained_on is None else network.trained_on.read()
    learned = [one for one in trained if one.split in LEARNED and one.skipped is None]
    there = _there(network, learned)
    copies = [
        copy
        for copy in find_copies([*inspect_clips(there, waveforms.examine), *checked])
        if copy.leaks and copy.second.split == NEW
    ]
    same = {copy.second.clip: printable(copy.first.clip.path) for copy in copies if copy.exact}
    same = _same_bytes(good[NEW], learned, waveforms) | same
    left = tuple(clip for clip in good[NEW] if clip not in same)
    likely = tuple(copy for copy in copies if not copy.exact)
    _say_heard(same, likely, len(good[NEW]), say)
    _say_unchecked(network, learned, sum(map(len, there.values())), say)
    if not left:
        raise DataError("every clip was trained on, or the epoch chosen by it. Name recordings that the run never met.")
    held = {label for clip in left for label in clip.labels}
    missing = tuple(label for label in network.labels if label not in held)
    if missing:
        say(f"Classes without a clip: {some(missing, 10)}.")
    splits = RunSplits(network, _named(source, split), {NEW: left}, skipped, waveforms)
    return NewRecordings(splits, unknown, missing, tuple(str(clip.path) for clip in same), likely)


def _whole(recipe: Recipe) -> Task:
    """The task; of one that comes in folds and names none, any: all of them are taken together."""
    source, params = task.build(recipe.task), recipe.task.params
    if "fold" in params and params["fold"] is None and source.folds:
        return task.build(task.spec(recipe.task.name, **{**params, "fold": source.folds[0]}))
    return source


def _named(source: Task, split: str | None) -> str:
    return "all clips" if split is None else f"{source.protocol}, {split}"


def _known(clips: Sequence[Clip], labels: Sequence[str], several: bool) -> tuple[list[Clip], Counter[str]]:
    """The clips whose labels the network knows, and how many have which others."""
    by_name = {nfc(label): label for label in labels}
    kept, unknown = [], Counter[str]()
    for clip in clips:
        if clip.tags is not None and not several:
            raise DataError("clips have several labels, and those of the network have one.", clip.path, "Name others.")
        named = [by_name.get(nfc(label)) for label in clip.labels]
        unknown.update(label for label, its in zip(clip.labels, named, strict=True) if its is None)
        its = tuple(label for label in named if label is not None)
        if several and (its or not clip.labels):  # what else is heard in a clip does not make it useless
            kept.append(replace(clip, label=";".join(its), tags=its))
        elif its:
            kept.append(replace(clip, label=its[0]))
    return kept, unknown


def _counted(unknown: Mapping[str, int], labels: Sequence[str]) -> str:
    parts = []
    for label, count in sorted(unknown.items()):
        near = nearest(label.lower(), {known.lower(): known for known in labels})
        meant = next((known for known in labels if known.lower() == near), None)
        parts.append(f"{printable(label)} ({count}{f', did you mean {meant!r}?' if meant else ''})")
    return some(parts, 10)


def _there(network: AudioClassifier, learned: Sequence[RunClip]) -> dict[str, tuple[Clip, ...]]:
    """The clips that the run was trained on, as far as their files are still there."""
    try:
        listed = list_splits(task.build(network.recipe.task))
    except MixkitError:  # such as a folder that has gone
        return {}
    found = find_clips(learned, listed)
    return {split: tuple(clip for _, clip in found.of(split).there) for split in LEARNED}


def _same_bytes(clips: Sequence[Clip], learned: Sequence[RunClip], waveforms: Waveforms) -> dict[Clip, str]:
    """Clips with the very bytes of one that the run was trained on, wherever that is now."""
    digests = digests_of((clip.path for clip in clips), waveforms.cache)
    known = {(one.sha256, one.start, one.stop): str(one) for one in learned if one.sha256}
    keys = ((clip, (digests[clip.path], clip.start, clip.stop)) for clip in clips)
    return {clip: printable(known[key]) for clip, key in keys if key in known}


def _say_heard(same: Mapping[Clip, str], likely: Sequence[Copy], of: int, say: Callable[[str], None]) -> None:
    if same:
        pairs = [f"{printable(clip.path)} = {trained}" for clip, trained in same.items()]
        say(f"Not counted, since the run was trained on them or chosen by them: {len(same)} of {of} ({some(pairs)}).")
    if likely:
        say(
            f"Likely recordings that the run was trained on, at another sample rate or with other channels "
            f"({len(likely)}). They count; listen to them, and leave them out if they are:\n{shown_pairs(likely)}"
        )


def _say_unchecked(
    network: AudioClassifier, learned: Sequence[RunClip], there: int, say: Callable[[str], None]
) -> None:
    if network.trained_on is None:
        say("The run keeps no list of its clips: whether it was trained on some of these cannot be told.")
    elif there < len(learned):
        gone = len(learned) - there
        say(f"{gone:,} of {len(learned):,} clips of the run are not here: those are compared by their bytes alone.")
