"""CASIA: Chinese sentences said in six emotions."""

from pathlib import Path
from typing import Literal

from mixkit.registry import Clip, task
from mixkit.tasks.clip import some
from mixkit.tasks.published import Listed, Published, Splits
from mixkit.tasks.unpacked import find_root, folders, not_there, sounds
from mixkit.values import Count, Location, Positive

EMOTIONS = ("angry", "fear", "happy", "neutral", "sad", "surprise")
SPEAKERS = 4
PUBLISHED = {1_200: "the part that circulates", 9_600: "the whole corpus"}
ADVICE = (
    "The corpus cannot be downloaded: ask its owner, the Institute of Automation of the Chinese Academy of Sciences. "
    "Place a folder for each of the four speakers there, with folders angry, fear, happy, neutral, sad and surprise in "
    "each, and files such as wangzhe/angry/201.wav."
)


@task("casia")
class CASIA(Published):
    """Chinese sentences, each said by four speakers in six emotions.

    No folds are published. Ours are the speakers, in alphabetical order without regard to case: one is tested, the next
    one validates, two train. The speaker is the group. All speakers say the same sentences, so a sentence of the test
    split has been trained on, said by others.

    Layout: SPEAKER/EMOTION/NNN.wav in the root.

    Args:
        root: folder of the data; None for `$MIXKIT_DATA/casia` or `~/.cache/mixkit/casia`.
        fold: that is tested: 1 to 4, or 1 to 10 of `paper-random`.
        protocol: `speakers`; or `paper-random`, ten folds dealt at random (train 8, valid 1, test 1 tenths of each
            emotion, always the same), in which every speaker is trained on and tested. Only to compare with papers
            that did so.
        sample_rate: that the model takes, Hz.
        seconds: that the model takes; shorter clips are padded with silence, longer ones cut.

    Raises:
        SettingError: there is no such fold.
    """

    labels = EMOTIONS

    def __init__(
        self,
        *,
        root: Location | None = None,
        fold: Count = 1,
        protocol: Literal["speakers", "paper-random"] = "speakers",
        sample_rate: Count = 16_000,
        seconds: Positive = 4.0,
    ):
        super().__init__(root, sample_rate, seconds, protocol, fold, SPEAKERS)

    def _divided(self) -> Splits:
        listed = self._listed()
        notes: tuple[str, ...] = ()
        if len(listed) not in PUBLISHED:
            known = " and ".join(f"{name} has {count:,}" for count, name in PUBLISHED.items())
            notes = (f"{len(listed):,} clips found; {known}.",)
        return self._by_fold(listed, notes)

    def _listed(self) -> list[Listed]:
        root = find_root("casia", self.root, (), (), ADVICE)
        speakers = [name for name in folders(root, root) if _emotions(root / name, root)]
        if len(speakers) != SPEAKERS:
            what = f"{len(speakers)} folders of speakers are found" + (f" ({some(speakers, 6)})" if speakers else "")
            raise not_there("casia", self.root, what, ADVICE)
        listed = []
        for number, speaker in enumerate(sorted(speakers, key=str.casefold), start=1):
            for folder in _emotions(root / speaker, root):
                for name in sounds(root / speaker / folder, root):
                    clip = Clip(root / speaker / folder / name, folder.lower(), f"speaker {speaker}")
                    listed.append(Listed(f"{speaker}/{folder}/{name}".casefold(), number, clip))
        return listed


def _emotions(speaker: Path, root: Path) -> tuple[str, ...]:
    return tuple(name for name in folders(speaker, root) if name.lower() in EMOTIONS)
