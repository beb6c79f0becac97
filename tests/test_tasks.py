"""A task cannot leak: no group or file in two splits, no clip twice, the same order every time."""

import dataclasses
from pathlib import Path

import pytest

from mixkit.errors import DataError, MixkitError
from mixkit.registry import Clip, task
from mixkit.tasks.clip import expect_split, some
from mixkit.tasks.leakage import check_splits


@dataclasses.dataclass
class Listed:
    """A task that says what it is told to."""

    train: tuple[Clip, ...]
    valid: tuple[Clip, ...]
    test: tuple[Clip, ...]
    labels: tuple[str, ...] = ("cat", "dog")
    folds: tuple[str, ...] = ()
    sample_rate: int = 16_000
    seconds: float = 1.0
    protocol: str = "official"
    notes: tuple[str, ...] = ()

    def clips(self, split: str) -> tuple[Clip, ...]:
        return tuple(getattr(self, split))


def clip(name: str, label: str = "cat", group: str | None = None, start: float | None = None) -> Clip:
    return Clip(Path("/data") / f"{name}.wav", label, group or name, start)


TRAIN = (clip("a", "cat"), clip("b", "dog"))
SOUND = Listed(TRAIN, (clip("c", "cat"),), (clip("d", "dog"),))


def test_sound_splits_pass() -> None:
    check_splits(SOUND)
    parts = (clip("a", "cat", "g", 0.0), clip("a", "dog", "g", 1.0))
    check_splits(dataclasses.replace(SOUND, train=parts))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"labels": ("cat",)},
            "one class only: cat. A classifier needs clips of at least two labels.",
        ),
        (
            {"labels": ()},
            "one class only: none at all. A classifier needs clips of at least two labels.",
        ),
        (
            {"valid": ()},
            "the split 'valid' is empty. Give it clips, or larger shares to be cut from.",
        ),
        (
            {"train": (clip("a"), clip("e"))},
            "no training clip of dog, only held-out ones such as /data/d.wav. Hold out fewer groups, or leave the "
            "label out.",
        ),
        (
            {"labels": ("cat", "dog", "emu")},
            "no training clip of emu. Hold out fewer groups, or leave the label out.",
        ),
        (
            {"labels": ("cat", "dog"), "test": (clip("d", "emu"),)},
            "/data/d.wav: label 'emu' is none of the task's: cat, dog.",
        ),
        (
            {"train": (*TRAIN, clip("a"))},
            "listed more than once: /data/a.wav. List each clip once.",
        ),
        (
            {"test": (clip("a", "cat", "other", 1.0),)},
            "the file /data/a.wav stands in train (/data/a.wav) and test (/data/a.wav). Keep each file in one split.",
        ),
        (
            {"test": (clip("d", "dog", "b"),)},
            "the group b stands in train (/data/b.wav) and test (/data/d.wav). Keep each group in one split.",
        ),
        (
            {"valid": (clip("c", "cat", "b"),), "test": (clip("d", "dog", "b"), clip("e", "cat", "a"))},
            "the group a stands in train (/data/a.wav) and test (/data/e.wav). So does 1 more group. "
            "Keep each group in one split.",
        ),
        (
            {"train": (clip("\x1b[2J", "cat", "g"), clip("b", "dog")), "test": (clip("d", "dog", "g"),)},
            "the group g stands in train (/data/\\x1b[2J.wav) and test (/data/d.wav). Keep each group in one split.",
        ),
    ],
)
def test_the_guard_names_what_leaks(change: dict[str, tuple[Clip, ...]], message: str) -> None:
    with pytest.raises(DataError) as caught:
        check_splits(dataclasses.replace(SOUND, **change))
    assert str(caught.value) == message


def test_paper_random_lets_groups_through_and_nothing_else() -> None:
    mixed = dataclasses.replace(SOUND, protocol="paper-random", test=(clip("d", "dog", "b"),))
    check_splits(mixed)
    with pytest.raises(DataError) as caught:
        check_splits(dataclasses.replace(mixed, test=(clip("a", "cat", "a", 1.0),)))
    assert str(caught.value) == (
        "the file /data/a.wav stands in train (/data/a.wav) and test (/data/a.wav). Keep each file in one split."
    )


def test_there_are_three_splits() -> None:
    for split in ("train", "valid", "test"):
        expect_split(split)
    with pytest.raises(MixkitError) as caught:
        expect_split("validation")
    assert str(caught.value) == "no split named 'validation'. There are train, valid and test."


def test_a_clip_is_data() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        clip("a").label = "dog"
    assert clip("a") == clip("a")
    assert {clip("a"), clip("a")} == {clip("a")}


def test_many_names_are_cut_short() -> None:
    assert some(["a", "b", "c"]) == "a, b, c"
    assert some(["a", "b", "c", "d"]) == "a, b, c and 1 more"
    assert some([]) == ""


def test_tasks_are_registered_and_cheap_to_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path / "data"))
    assert {"demo", "folder"} <= set(task.names())
    for name in ("demo", "folder"):
        made = task.build(task.spec(name, sample_rate=8000, seconds=1.5))
        assert (made.sample_rate, made.seconds) == (8000, 1.5)
    assert list(tmp_path.iterdir()) == []
