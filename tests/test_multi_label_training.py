"""Several labels a clip, or none: how they are learnt, measured and shown."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import mixkit
from mixkit.audio.augment import Mixup
from mixkit.data.batches import class_weights, targets
from mixkit.draw import Draw
from mixkit.errors import MixkitError, SettingError
from mixkit.registry import Clip, loss, task
from mixkit.tasks.clip import SPLITS
from mixkit.training.figures import figures
from mixkit.training.labels import check_labels
from tests.conftest import Said


def clip(name: str, *tags: str) -> Clip:
    return Clip(Path("/data") / f"{name}.wav", ";".join(tags), name, tags=tags)


def test_targets_and_weights() -> None:
    wanted = targets([clip("a", "cat", "dog"), clip("b"), clip("c", "dog")], ("cat", "dog"))
    assert wanted.tolist() == [[1, 1], [0, 0], [0, 1]]
    assert class_weights(wanted).tolist() == pytest.approx([1.5, 0.75])
    heard, asked = Mixup(16_000, rate=1.0)(torch.eye(3), wanted, Draw(0, 0, torch.arange(3), 0))
    torch.testing.assert_close(asked, heard @ wanted, msg="labels are mixed as the sounds are")


SCORES = torch.tensor([[0.9, 0.6, 0.1], [0.8, 0.3, 0.4], [0.6, 0.7, 0.2], [0.1, 0.2, 0.3]])
TARGET = torch.tensor([[1.0, 1, 0], [1, 0, 1], [0, 1, 0], [0, 0, 0]])


def test_figures_by_hand() -> None:
    found = figures(SCORES, TARGET, 0.5, ("a", "b", "c"), multi_label=True)
    assert found.value("accuracy") == pytest.approx(2 / 4), "the first and the last have every label right"
    assert found.per_class["map"] == pytest.approx({"a": 1.0, "b": 1.0, "c": 1.0})
    assert found.value("map") == pytest.approx(1.0)
    assert found.value("auc") == pytest.approx(1.0)
    assert found.per_class["recall"] == pytest.approx({"a": 1.0, "b": 1.0, "c": 0.0})
    assert found.value("recall") == pytest.approx(2 / 3)
    assert found.value("f1") == pytest.approx((4 / 5 + 1 + 0) / 3)
    assert (found.confusion, found.threshold) == (None, 0.5)
    worse = figures(SCORES.roll(1, 0), TARGET, 0.5, ("a", "b", "c"), multi_label=True)
    by_hand = {"a": (1 / 1 + 2 / 4) / 2, "b": (1 / 3 + 2 / 4) / 2, "c": 1 / 4}
    assert worse.per_class["map"] == pytest.approx(by_hand)
    assert worse.value("map") == pytest.approx(sum(by_hand.values()) / 3)


def test_figures_agree_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="extra mixkit[parity] is not installed")
    dice = torch.Generator().manual_seed(0)
    scores, target = torch.rand(300, 4, generator=dice), (torch.rand(300, 4, generator=dice) < 0.3).long()
    target[:, 3] = 0  # a class that the split does not hold
    found = figures(scores, target, 0.0, ("a", "b", "c", "none"), multi_label=True)
    held, asked, answered = scores[:, :3].numpy(), target[:, :3].numpy(), (scores > 0.5).long().numpy()
    assert found.value("map") == pytest.approx(metrics.average_precision_score(asked, held, average="macro"), abs=1e-6)
    assert found.value("auc") == pytest.approx(metrics.roc_auc_score(asked, held, average="macro"), abs=1e-6)
    assert found.value("f1") == pytest.approx(metrics.f1_score(asked, answered[:, :3], average="macro"), abs=1e-6)
    assert found.value("accuracy") == pytest.approx(metrics.accuracy_score(target.numpy(), answered), abs=1e-6)
    assert list(found.per_class["map"]) == ["a", "b", "c"]


def settings(root: Path, *lines: str) -> list[str]:
    own = ["train.epochs = 6", "train.batch_size = 8", "train.learning_rate = 4e-3", "model.depth = 2"]
    return [f"task.folder.root = {str(root)!r}", "task.folder.seconds = 0.5", "model.width = 32", *own, *lines]


def clips_of(recipe: Any) -> list[Clip]:
    made = task.build(recipe.task)
    return [clip for split in SPLITS for clip in made.clips(split)]


def test_what_loss_and_task_have_to_agree_on(chords: Path) -> None:
    def recipe(*lines: str) -> Any:
        return mixkit.load_recipe("asm_rh", ["task/folder_tags"], settings(chords, *lines))

    good = recipe()
    assert check_labels(good, clips_of(good)) == ()
    with pytest.raises(SettingError) as wrong_loss:
        check_labels(recipe("train.loss = @loss.cross_entropy()"), clips_of(good))
    assert str(wrong_loss.value) == (
        "train.loss is 'cross_entropy', for one label a clip, but task.folder.multi_label is True. "
        "Set train.loss = @loss.bce()."
    )
    assert check_labels(recipe("train.best = 'accuracy'"), clips_of(good)) == (
        "train.best is 'accuracy', which of a multi-label set is the share of clips with every label right. "
        "A finer choice: train.best = 'map'.",
    )
    one_label = recipe("task.folder.multi_label = False")
    with pytest.raises(MixkitError) as undeclared:
        check_labels(one_label, [clip("a", "cat")])
    assert str(undeclared.value) == (
        "the task folder gives tags to /data/a.wav, but is not multi-label. "
        "Give it a setting multi_label, and set that to True."
    )
    with pytest.raises(MixkitError) as untagged:
        check_labels(good, [Clip(Path("/data/a.wav"), "cat", "a")])
    assert str(untagged.value) == (
        "the task folder is multi-label, but /data/a.wav has no tags. Give every clip its tags."
    )
    single = mixkit.load_recipe("asm_rh")
    assert check_labels(single, [Clip(Path("/data/a.wav"), "cat", "a")]) == ()
    assert not mixkit.build(single, 10).multi_label


def test_a_loss_says_that_it_takes_several_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {name: loss.entry(name).facts["multi_label"] for name in ("bce", "cross_entropy")} == {
        "bce": True,
        "cross_entropy": False,
    }
    monkeypatch.setattr(loss, "_entries", {name: loss.entry(name) for name in loss.names()})

    @loss("focal", multi_label=True)
    def focal(class_weights: torch.Tensor | None) -> None:
        """Looks harder at what is hard."""

    recipe = mixkit.load_recipe("asm_rh", ["task/folder_tags"], ["train.loss = @loss.focal()"])
    assert check_labels(recipe, [clip("a", "cat")]) == ()


def test_it_learns_is_measured_and_drawn(
    chords: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mixkit_command: Callable[..., Said],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A third to a half of the clips have each tone, so chance is an mAP of about 0.45 and an AUC of one half."""
    monkeypatch.chdir(tmp_path)
    lines = settings(chords, "train.augmentations = [@augmentation.mixup()]", "train.balance = 'sampler'")
    arguments = [part for line in lines for part in ("--set", line)]
    said = mixkit_command("train", "asm_rh", "--with", "task/folder_tags", *arguments, "--device", "cpu")
    assert said.code == 0, said
    assert "clips have no label: nothing of the list is heard there." in said.out
    run = tmp_path / "runs/asm_rh/001"
    results = json.loads((run / "results.json").read_text())
    test = results["test"]
    assert test["map"] > 0.8
    assert test["auc"] > 0.8
    assert test["threshold"] == 0.5
    assert test["confusion"] is None
    assert results["chosen_by"].startswith("highest map on valid")
    assert {path.name for path in (run / "figures").iterdir()} >= {"classes.png", "curves.png", "spectrograms.png"}
    assert not (run / "figures/confusion.png").exists()
    assert "subset accuracy" in said.out
    assert f"test mAP {test['map']:.1%}, AUC {test['auc']:.1%}" in said.out
    again = json.loads(mixkit_command("evaluate", run, "--split", "test", "--json", "--device", "cpu").out)["test"]
    assert again["map"] == pytest.approx(test["map"])
    assert again["average_precision"] == pytest.approx(test["average_precision"])
    assert "average precision" in mixkit_command("evaluate", run, "--device", "cpu").out
    (chords / "clips.csv").write_text("path,label\n" + "\n".join(f"{n:02d}.wav,low;deep" for n in range(80)))
    other = mixkit_command("evaluate", run, "--device", "cpu")
    assert other.code == 0, other
    assert "Counted with the labels of the run: 13 labelled otherwise" in caplog.text
