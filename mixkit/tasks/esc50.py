"""ESC-50: fifty kinds of everyday sound, and its part ESC-10."""

import re
from pathlib import Path
from typing import Literal

from mixkit.errors import DataError, SettingError, printable
from mixkit.registry import Clip, task
from mixkit.tasks.published import Listed, Published, Splits, found_of
from mixkit.tasks.unpacked import base_folder, find_root, folders, read_rows, sounds
from mixkit.values import Count, Location, Positive

_NAMES = """
dog rooster pig cow frog cat hen insects sheep crow
rain sea_waves crackling_fire crickets chirping_birds water_drops wind pouring_water toilet_flush thunderstorm
crying_baby sneezing clapping breathing coughing footsteps laughing brushing_teeth snoring drinking_sipping
door_wood_knock mouse_click keyboard_typing door_wood_creaks can_opening washing_machine vacuum_cleaner clock_alarm
clock_tick glass_breaking
helicopter chainsaw siren car_horn engine train church_bells airplane fireworks hand_saw
"""
LABELS = tuple(_NAMES.split())  # the published order of `target`
ESC10 = {  # folders of the older layout
    "001 - Dog bark": "dog",
    "002 - Rain": "rain",
    "003 - Sea waves": "sea_waves",
    "004 - Baby cry": "crying_baby",
    "005 - Clock tick": "clock_tick",
    "006 - Person sneeze": "sneezing",
    "007 - Helicopter": "helicopter",
    "008 - Chainsaw": "chainsaw",
    "009 - Rooster": "rooster",
    "010 - Fire crackling": "crackling_fire",
}
PUBLISHED = {"esc50": 2_000, "esc10": 400}
FOLDS = 5
TABLE = "meta/esc50.csv"
COLUMNS = ("filename", "fold", "target", "category", "src_file")
OLD_NAME = re.compile(r"([1-5])-(\d+)-[A-Z]\.ogg")
ADVICE = "Run `mixkit data get esc50`, or put a copy of the ESC-50 repository there, with meta/ and audio/."
ADVICE_10 = f"{ADVICE} The older ESC-10 also does, with its folders '001 - Dog bark' to '010 - Fire crackling'."


@task("esc50")
class ESC50(Published):
    """Fifty kinds of everyday sound, 40 clips of 5 s each, cut from recordings of Freesound; or ten of them.

    The five folds are the published ones: one is tested, the next one validates, three train. The tested fold never
    chooses the epoch (which AST's script, and many others, do: their figures are a little higher for it). Clips of a
    source recording are a group. Of ESC-50, four recordings (131943, 134049, 209698, 234879) stand in two folds each,
    under two classes; where one of these folds is held out, the clips of the other are left out of training and a note
    says so. The tested fold is always whole.

    Layout: meta/esc50.csv and audio/, in the root or in ESC-50-master/ of it. ESC-10 is read from there, or from its
    older form of its own, `NNN - Name/FOLD-CLIPID-TAKE.ogg`, with the same folds and the labels of ESC-50.

    Args:
        root: folder of the data; None for `$MIXKIT_DATA/esc50` or `~/.cache/mixkit/esc50`.
        subset: all fifty classes, or the ten of ESC-10, in ESC-50's order.
        fold: that is tested, 1 to 5.
        sample_rate: that the model takes, Hz; the files have 44,100 Hz.
        seconds: that the model takes; clips have 5.

    Raises:
        SettingError: there is no such fold.

    Paper: Piczak 2015, ESC: Dataset for Environmental Sound Classification, ACM Multimedia.
    """

    def __init__(
        self,
        *,
        root: Location | None = None,
        subset: Literal["esc50", "esc10"] = "esc50",
        fold: Count = 1,
        sample_rate: Count = 16_000,
        seconds: Positive = 5.0,
    ):
        protocol = "official" if subset == "esc50" else "official, ESC-10"
        super().__init__(root, sample_rate, seconds, protocol, fold, FOLDS)
        self.subset = subset
        self.labels = LABELS if subset == "esc50" else tuple(name for name in LABELS if name in ESC10.values())
        self.published = PUBLISHED[subset]

    def _divided(self) -> Splits:
        listed = self._listed()
        return self._by_fold(listed, found_of(len(listed), self.published))

    def _listed(self) -> list[Listed]:
        old = self._old_root()
        if old is not None and self.subset == "esc10":
            return _old_layout(old)
        if old is not None:
            raise SettingError("task.esc50.subset", f"is 'esc50', but {printable(old)} is ESC-10. Use 'esc10'.")
        advice = ADVICE if self.subset == "esc50" else ADVICE_10
        root = find_root("esc50", self.root, (TABLE, "audio"), ("ESC-50-master", "ESC-50"), advice)
        there = frozenset(sounds(root / "audio", root))
        listed = []
        for where, row in read_rows(root / TABLE, COLUMNS):
            name, fold, target, label = row["filename"], row["fold"], row["target"], row["category"]
            known = fold in self.folds and target in map(str, range(len(LABELS))) and LABELS[int(target)] == label
            if not known or not name.startswith(f"{fold}-{row['src_file']}-"):
                message = f"{name!r}, fold {fold!r}, target {target!r}, category {label!r}"
                raise DataError(f"{where}: {message} do not fit. Put the published table there.")
            if name in there and label in self.labels:
                clip = Clip(root / "audio" / name, label, f"source {row['src_file']}")
                listed.append(Listed(name, int(fold), clip))
        return listed

    def _old_root(self) -> Path | None:
        base = base_folder("esc50", self.root)
        return next((folder for folder in (base, base / "ESC-10", base / "ESC-10-master") if _is_old(folder)), None)


def _is_old(folder: Path) -> bool:
    return all((folder / name).is_dir() for name in ESC10)


def _old_layout(root: Path) -> list[Listed]:
    listed = []
    for folder in folders(root, root):
        for name in sounds(root / folder, root, ".ogg") if folder in ESC10 else ():
            match = OLD_NAME.fullmatch(name)
            if match is None:
                reason, fix = "no name such as 1-100032-A.ogg.", "Take the file out, or put the original there."
                raise DataError(reason, root / folder / name, fix)
            clip = Clip(root / folder / name, ESC10[folder], f"source {match[2]}")
            listed.append(Listed(f"{folder}/{name}", int(match[1]), clip))
    return listed
