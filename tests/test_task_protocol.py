"""What published data sets share: groups kept apart, random order, fragments of recipes."""

from pathlib import Path

import pytest

from mixkit import registry
from mixkit.errors import DataError
from mixkit.recipe import catalog
from mixkit.recipe.gin_file import load_recipe
from mixkit.registry import Clip
from mixkit.tasks.clip import draw
from mixkit.tasks.leakage import check_splits
from mixkit.tasks.published import PAPER_RANDOM, keep_apart

FRAGMENTS = {
    "speech_commands": ("speech_commands", "official lists, V2-35"),
    "speech_commands_12": ("speech_commands", "official lists, V2-12"),
    "urbansound8k": ("urbansound8k", "official"),
    "urbansound8k_random": ("urbansound8k", "paper-random"),
    "ravdess": ("ravdess", "actors"),
    "ravdess_random": ("ravdess", "paper-random"),
    "casia": ("casia", "speakers"),
    "esc50": ("esc50", "official"),
    "esc10": ("esc50", "official, ESC-10"),
    "gtzan": ("gtzan", "fault-filtered"),
}


def clip(name: str, group: str, label: str = "a") -> Clip:
    return Clip(Path(name), label, group)


@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_fragment_names_its_protocol(name: str) -> None:
    task, protocol = FRAGMENTS[name]
    recipe = load_recipe("asm_rh", [f"task/{name}"])
    assert recipe.task.name == task
    source = registry.task.build(recipe.task)  # needs no data
    assert source.protocol == protocol
    assert len(source.labels) == len(set(source.labels)) >= 6
    text = (catalog.shipped() / "task" / f"{name}.gin").read_text()
    assert len(text.splitlines()) <= 10
    assert f"protocol '{protocol.partition(',')[0]}'" in text.splitlines()[0]


def test_what_is_held_out_is_not_learnt() -> None:
    splits = {
        "train": (clip("1", "x"), clip("2", "y"), clip("3", "z")),
        "valid": (clip("4", "y"), clip("5", "v")),
        "test": (clip("6", "x"), clip("7", "v")),
    }
    apart = keep_apart(splits, ["first"])
    assert [str(c.path) for c in apart.of["train"]] == ["3"]
    assert [str(c.path) for c in apart.of["valid"]] == ["4"]
    assert apart.of["test"] == splits["test"]
    assert apart.notes == (
        "first",
        "1 clip is left out of valid: others of the same group are held out (v).",
        "2 clips are left out of train: others of the same group are held out (x, y).",
    )


def test_the_random_order_never_changes() -> None:
    assert "".join(sorted("01234567", key=draw)) == "43017265"


class Leaky:
    """Two speakers, both in training and test; and, if asked, a file in both."""

    sample_rate, seconds, folds, labels, notes = 16_000, 1.0, (), ("a", "b"), ()

    def __init__(self, protocol: str, test: str = "test"):
        self.protocol = protocol
        self._test = test

    def clips(self, split: str) -> tuple[Clip, ...]:
        folder = self._test if split == "test" else split
        return tuple(clip(f"{folder}/{label}.wav", f"speaker {label}", label) for label in self.labels)


def test_the_guard_lets_groups_through_under_one_name_only() -> None:
    check_splits(Leaky(PAPER_RANDOM))
    for protocol in ("official", "random", ""):
        with pytest.raises(DataError) as caught:
            check_splits(Leaky(protocol))
        assert str(caught.value) == (
            "the group speaker a stands in train (train/a.wav) and valid (valid/a.wav) and test (test/a.wav). "
            "So does 1 more group. Keep each group in one split."
        )


def test_the_guard_lets_no_file_through() -> None:
    with pytest.raises(DataError) as caught:
        check_splits(Leaky(PAPER_RANDOM, test="train"))
    assert str(caught.value) == "listed more than once: train/a.wav, train/b.wav. List each clip once."
