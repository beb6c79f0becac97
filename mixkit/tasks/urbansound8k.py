"""UrbanSound8K: ten kinds of city noise, cut from field recordings."""

from typing import Literal

from mixkit.errors import DataError
from mixkit.registry import Clip, task
from mixkit.tasks.published import Listed, Published, Splits, found_of
from mixkit.tasks.unpacked import find_root, read_rows, sounds
from mixkit.values import Count, Location, Positive

LABELS = (  # the published order of classID
    "air_conditioner",
    "car_horn",
    "children_playing",
    "dog_bark",
    "drilling",
    "engine_idling",
    "gun_shot",
    "jackhammer",
    "siren",
    "street_music",
)
FOLDS = 10
TABLE = "metadata/UrbanSound8K.csv"
COLUMNS = ("slice_file_name", "fsID", "fold", "classID", "class")
ADVICE = "Run `mixkit data get urbansound8k`, or unpack UrbanSound8K.tar.gz, so that audio/ and metadata/ are there."


@task("urbansound8k")
class UrbanSound8K(Published):
    """Ten kinds of city noise, in slices of up to 4 s that were cut from 1,297 field recordings.

    The ten folds are the published ones and are never shuffled: one is tested, the next one validates, eight train.
    Slices of a recording (its fsID) are a group. The publishers kept them in one fold, but for five recordings
    (77751, 106905, 132016, 176638, 180937) of which slices of another class stand in another fold; where that fold is
    held out, they are left out of training and a note says so. The tested fold is always whole.

    Layout: metadata/UrbanSound8K.csv, audio/fold1/ to audio/fold10/, in the root or in UrbanSound8K/ of it.

    Args:
        root: folder of the data; None for `$MIXKIT_DATA/urbansound8k` or `~/.cache/mixkit/urbansound8k`.
        fold: that is tested, 1 to 10.
        protocol: `official`; or `paper-random`, ten folds dealt at random (train 8, valid 1, test 1 tenths of each
            class, always the same), in which slices of one recording are trained on and tested. Only to compare with
            papers that did so: the same network scores 83.9 % on the official folds and 98.1 % on random ones
            (doi 10.35377/saucis.1830726).
        sample_rate: that the model takes, Hz; the files have from 8,000 to 192,000 Hz.
        seconds: that the model takes; slices have up to 4.

    Raises:
        SettingError: there is no such fold.

    Paper: Salamon et al. 2014, A Dataset and Taxonomy for Urban Sound Research, ACM Multimedia.
    """

    labels = LABELS
    published = 8_732

    def __init__(
        self,
        *,
        root: Location | None = None,
        fold: Count = 1,
        protocol: Literal["official", "paper-random"] = "official",
        sample_rate: Count = 16_000,
        seconds: Positive = 4.0,
    ):
        super().__init__(root, sample_rate, seconds, protocol, fold, FOLDS)

    def _divided(self) -> Splits:
        root = find_root("urbansound8k", self.root, (TABLE, "audio"), ("UrbanSound8K",), ADVICE)
        folders = {fold: root / "audio" / f"fold{fold}" for fold in self.folds}
        there = {fold: frozenset(sounds(folder, root)) for fold, folder in folders.items() if folder.is_dir()}
        listed = []
        for where, row in read_rows(root / TABLE, COLUMNS):
            name, label = row["slice_file_name"], row["class"]
            number, code = row["fold"], row["classID"]
            known = number in self.folds and code in map(str, range(len(LABELS))) and LABELS[int(code)] == label
            if not known or not name.startswith(f"{row['fsID']}-{code}-"):
                message = f"{name!r}, fsID {row['fsID']!r}, fold {number!r}, classID {code!r}, class {label!r}"
                raise DataError(f"{where}: {message} do not fit. Put the published table there.")
            if name in there.get(number, ()):
                clip = Clip(folders[number] / name, label, f"recording {row['fsID']}")
                listed.append(Listed(name, int(number), clip))
        return self._by_fold(listed, found_of(len(listed), self.published))
