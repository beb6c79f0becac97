"""What published data sets share: their settings, and how folds become splits in which groups stay apart."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from mixkit.errors import SettingError
from mixkit.registry import Clip
from mixkit.tasks.clip import SPLITS, draw, expect_split, some

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


class Published(ABC):
    """A published data set: listed and divided once, when its clips are first asked for.

    Args:
        root: folder of the data; None for the place of that data set in the data folder.
        sample_rate: that the model takes, Hz.
        seconds: that the model takes.
        protocol: by what rule clips come into the splits.
        fold: that is tested, from 1.
        folds: how many the data set has; none where its splits are fixed. `paper-random` deals `RANDOM_FOLDS`.

    Raises:
        SettingError: there is no such fold.
    """

    def __init__(
        self,
        root: str | None,
        sample_rate: int,
        seconds: float,
        protocol: str = "official",
        fold: int = 1,
        folds: int = 0,
    ):
        count = RANDOM_FOLDS if protocol == PAPER_RANDOM else folds
        if folds and not 1 <= fold <= count:
            raise SettingError("fold", f"is {fold}, but there are {count} folds. Use 1 to {count}.")
        self.root, self.sample_rate, self.seconds = root, sample_rate, seconds
        self.protocol, self.fold = protocol, fold
        self.folds = tuple(str(number + 1) for number in range(count))

    def clips(self, split: str) -> tuple[Clip, ...]:
        """The clips of a split, in an order that is always the same.

        Raises:
            MixkitError: there is no such split, or the data are not there or not as published.
        """
        expect_split(split)
        return self._splits.of[split]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user has to know of the listing: what is missing, double or left out."""
        return self._splits.notes

    @cached_property
    def _splits(self) -> Splits:
        return self._divided()

    @abstractmethod
    def _divided(self) -> Splits:
        """Lists the clips and divides them, most by `_by_fold`."""

    def _by_fold(self, listed: Sequence[Listed], notes: Sequence[str]) -> Splits:
        """The fold for test, the next one (after the last, the first) for validation, the others for training.

        Args:
            listed: every clip; `paper-random` forgets their folds and deals them anew.
            notes: what is to be said already.
        """
        if self.protocol == PAPER_RANDOM:
            return Splits(_roles(_deal(listed, len(self.folds)), self.fold, len(self.folds)), (*notes, RANDOM_NOTE))
        return keep_apart(_roles(listed, self.fold, len(self.folds)), notes)


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
