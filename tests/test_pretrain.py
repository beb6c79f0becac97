"""Pretraining as a run: which clips it uses, that it learns, goes on to the same bits, and is a start for others."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import mixkit
from mixkit.data.run_split import source_of
from mixkit.errors import DataError, MixkitError, RunError
from mixkit.recipe.gin_file import recipe_from_text
from mixkit.recipe.schema import Recipe
from mixkit.runs.clips import read_clips
from mixkit.runs.folder import Run
from mixkit.runs.pretrained import Pretrained
from mixkit.study.definition import Study, load_study
from mixkit.study.plan import plan
from mixkit.training.display import TrainingDisplay
from mixkit.training.loop import resume, train
from mixkit.training.pretrain import PretrainStep, step_of
from tests.conftest import Said

Command = Callable[..., Said]

NETWORK = (
    "task.folder.seconds = 0.5",
    "features.log_mel.bins = 32",
    "model.width = 16",
    "model.depth = 2",
    "train.batch_size = 8",
    "train.average = 0.9",
    "train.precision = 'float32'",
)
SMALL = (*NETWORK, "pretrain.masked = 0.5", "train.epochs = 3")


@pytest.fixture(scope="module")
def loose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 recordings of three tones each, some in the folder itself and some deep in it."""
    root, dice, time = tmp_path_factory.mktemp("loose"), np.random.default_rng(0), np.arange(8000) / 16_000
    (root / "deep" / "er").mkdir(parents=True)
    for number in range(30):
        sound = sum(0.2 * np.sin(2 * np.pi * pitch * time) for pitch in dice.uniform(200, 6000, 3))
        folder = root if number < 25 else root / "deep" / "er"
        soundfile.write(folder / f"{number}.wav", sound + 0.01 * dice.standard_normal(8000), 16_000)
    return root


def recipe(root: Path, *lines: str, name: str = "asm_rh", pretrain: bool = True) -> Recipe:
    on = ("recipe.pretrain = @pretrain()",) if pretrain else ()
    return mixkit.load_recipe(name, ["task/folder"], settings=[*on, f"task.folder.root = '{root}'", *lines])


@pytest.fixture(scope="module")
def pretrained(loose: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """100 updates on the loose recordings."""
    lines = (*SMALL, "train.epochs = 25", "pretrain.shape = 'frames'")
    return train(recipe(loose, *lines), tmp_path_factory.mktemp("runs"), "mine", device="cpu")


def test_all_loose_recordings_are_used(pretrained: Run) -> None:
    clips = read_clips(pretrained.folder / "clips.jsonl")
    assert len(clips) == 30
    assert {clip.split for clip in clips} == {"train", "valid"}
    assert {(clip.label, clip.tags) for clip in clips} == {("", ())}
    ended = pretrained.ended()
    assert isinstance(ended, Pretrained)
    assert (ended.clips, ended.held_out) == (27, 3)
    assert ended.protocol == "no labels, 10% of the recordings to choose the epoch by"


def test_it_learns_to_tell_what_is_hidden(pretrained: Run) -> None:
    """Steady tones go on through hidden moments."""
    first, last = (pretrained.metrics()[at]["valid"] for at in (0, -1))
    assert set(first) == {"loss", "contrastive_accuracy", "reconstruction_error"}
    assert last["reconstruction_error"] < 0.7 * first["reconstruction_error"]
    assert last["contrastive_accuracy"] > 1.3 * first["contrastive_accuracy"]
    assert last["loss"] < 0.7 * first["loss"]


def test_the_epoch_with_the_lowest_loss_is_kept(pretrained: Run) -> None:
    ended, records = pretrained.ended(), pretrained.metrics()
    assert isinstance(ended, Pretrained)
    best = min(records, key=lambda record: record["valid"]["loss"])
    assert (ended.best_epoch, ended.valid) == (best["epoch"], best["valid"])
    assert ended.chosen_by == "lowest loss on valid"
    assert Pretrained.from_json(json.loads((pretrained.folder / "results.json").read_text())) == ended


def test_the_test_split_is_not_read(tones: Path, tmp_path: Path) -> None:
    """A labelled folder keeps the very test clips that a training would have."""
    labelled = recipe(tones, *NETWORK, "train.epochs = 1", pretrain=False)
    splits = {split: source_of(labelled).clips(split) for split in ("train", "valid", "test")}
    for clip in splits["test"]:
        clip.path.write_bytes(b"no sound")
    told: list[str] = []

    class Listens(TrainingDisplay):
        def say(self, text: str) -> None:
            told.append(text)

    run = train(recipe(tones, *SMALL, "train.epochs = 1"), tmp_path, device="cpu", display=Listens())
    used = {clip.path for clip in read_clips(run.folder / "clips.jsonl")}
    assert used == {str(clip.path.relative_to(tones)) for split in ("train", "valid") for clip in splits[split]}
    assert "Labels are not used, and of the test split nothing is read." in told
    assert f"{len(splits['train'])} train, {len(splits['valid'])} valid clips (20% of the clips, by files); " in str(
        told
    )
    assert any(text.startswith("Of each clip, ") and "cells are hidden, in squares of 3 to 5" in text for text in told)
    with pytest.raises(DataError, match="cannot be used"):
        train(labelled, tmp_path / "labelled", device="cpu")


def test_without_clips_to_hold_out_it_is_refused(loose: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        train(recipe(loose, *SMALL, "task.folder.valid_share = 0.0"), tmp_path, device="cpu")
    assert str(refused.value) == "the split 'valid' is empty. Give it clips, or larger shares to be cut from."
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["asm_rh", "ast"])
def test_a_stopped_run_goes_on_to_the_same_bits(name: str, loose: Path, tmp_path: Path) -> None:
    mine = recipe(loose, *SMALL, "pretrain.augment = True", "train.accumulation = 2", name=name)
    whole = train(mine, tmp_path / "whole", "run", device="cpu")

    class Stop(TrainingDisplay):
        def batch(self, epoch: int, batch: int, loss: float, clips_per_second: float) -> None:
            if epoch == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(mine, tmp_path / "stopped", "run", device="cpu", display=Stop())
    stopped = resume(tmp_path / "stopped" / "run", device="cpu")
    assert stopped.metrics() == whole.metrics()
    one, other = (mixkit.load(run.folder).state_dict() for run in (whole, stopped))
    assert any(key.startswith("pretraining.contrastive") for key in one)
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert whole.ended() == stopped.ended()


def test_a_batch_in_parts_is_the_same_step(loose: Path, tmp_path: Path) -> None:
    lines = ("train.epochs = 1", "train.average = None")
    one, parts = (
        train(recipe(loose, *SMALL, *lines, *more, name="ast"), tmp_path, device="cpu").metrics()[0]
        for more in ((), ("train.accumulation = 3",))
    )
    assert parts["train"]["loss"] == pytest.approx(one["train"]["loss"], rel=1e-5)
    assert parts["valid"]["loss"] == pytest.approx(one["valid"]["loss"], rel=1e-4)


def test_another_run_starts_from_it(pretrained: Run, tones: Path, tmp_path: Path) -> None:
    """All but the head is taken, and its features are measured anew."""
    mine = recipe(
        tones,
        *NETWORK,
        "train.init = @weights.run()",
        f"weights.run.path = '{pretrained.folder}'",
        "train.epochs = 2",
        "train.freeze = ['body']",
        pretrain=False,
    )
    run = train(mine, tmp_path, device="cpu")
    (start,) = (event for event in run.events() if event["event"] == "started_from")
    theirs, ours = (mixkit.load(folder) for folder in (pretrained.folder, run.folder))
    assert start["left"] == ["head.linear"]
    assert start["parameters"] == sum(p.numel() for p in ours.mixer.parameters()) - sum(
        p.numel() for p in ours.mixer.head.parameters()
    )
    held = theirs.mixer.state_dict()
    frozen = {name for name in held if not name.startswith("head.")}
    assert all(torch.equal(held[name], ours.mixer.state_dict()[name]) for name in frozen)
    assert run.results().test.value("accuracy") is not None


def test_pretraining_goes_on_from_a_pretraining(pretrained: Run, loose: Path, tmp_path: Path) -> None:
    lines = ("train.init = @weights.run()", f"weights.run.path = '{pretrained.folder}'", "train.epochs = 1")
    fresh, begun = (
        train(recipe(loose, *SMALL, "pretrain.shape = 'frames'", *more, "train.epochs = 1"), tmp_path, device="cpu")
        for more in ((), lines)
    )
    assert begun.metrics()[0]["train"]["loss"] < fresh.metrics()[0]["train"]["loss"]


def test_its_own_recipe_says_all(pretrained: Run, loose: Path) -> None:
    text = (pretrained.folder / "recipe.gin").read_text()
    found = recipe_from_text(text, "asm_rh")
    assert "recipe.pretrain = @pretrain()" in text
    assert found.pretrain is not None
    assert (found.pretrain.shape, found.pretrain.masked, found.best) == ("frames", 0.5, "loss")
    assert found.all_augmentations == ()
    plain = recipe(loose, *NETWORK, pretrain=False)
    assert (plain.pretrain, plain.best) == (None, "accuracy")
    assert "recipe.pretrain = None" in mixkit.to_gin(plain)


def test_augmentation_is_on_where_it_is_asked_for(loose: Path) -> None:
    assert recipe(loose, "pretrain.augment = True").all_augmentations == recipe(loose, pretrain=False).all_augmentations


def test_it_knows_no_classes(pretrained: Run, mixkit_command: Command, loose: Path, tmp_path: Path) -> None:
    folder = pretrained.folder
    unknown = (
        "the network is pretrained on recordings without labels, and knows no classes yet. "
        "Fine-tune it, and ask that run: mixkit train RECIPE --from RUN"
    )
    for command in (
        ("evaluate", folder),
        ("predict", folder, loose),
        ("export", folder, "--to", "torch", "--out", tmp_path / "model.pt2"),
    ):
        said = mixkit_command(*command)
        assert (said.code, said.err) == (2, f"error: {unknown}\n")
    with pytest.raises(MixkitError) as refused:
        mixkit.load(folder).predict(loose / "0.wav")
    assert str(refused.value) == unknown
    said = mixkit_command("report", folder, "--out", tmp_path / "report")
    figures = f"{folder} is pretrained on recordings without labels, and has no figures of classes."
    assert said.code == 2
    shown = mixkit_command("show", folder)
    assert (shown.code, shown.out.count("pretrained on 27 clips without labels: loss ")) == (0, 1)
    assert "pretrained on 27 clips without labels: loss " in repr(pretrained)
    assert f"{figures} Fine-tune it: mixkit train RECIPE --from {folder}" in said.err


def test_it_embeds(pretrained: Run, loose: Path) -> None:
    assert mixkit.load(pretrained.folder).embed(loose / "0.wav").shape == (16,)


def test_its_line_among_the_runs(pretrained: Run, mixkit_command: Command) -> None:
    said = mixkit_command("runs", pretrained.folder.parent, "--json")
    (line,) = json.loads(said.out)
    ended = pretrained.ended()
    assert isinstance(ended, Pretrained)
    assert (line["state"], line["epochs"], line["best"], line["test"]) == ("complete", 25, "loss", None)
    assert line["valid"] == ended.valid["loss"]
    assert line["note"] == "no labels, 10% of the recordings to choose the epoch by, pretrained"


def test_the_command(loose: Path, tones: Path, tmp_path: Path, mixkit_command: Command) -> None:
    """From recordings without labels to a fine-tuned network, as a user types it; and each end says what is next."""
    words = [word for line in (*NETWORK, "train.epochs = 1") for word in ("--set", line)]
    runs = tmp_path / "runs"
    common = ("--with", "task/folder", *words, "--runs", runs, "--device", "cpu")
    dry = mixkit_command("pretrain", "asm_rh", *common, "--set", f"task.folder.root = '{loose}'", "--dry-run")
    assert dry.code == 0, dry.err
    assert not runs.exists()
    said = mixkit_command("pretrain", "asm_rh", *common, "--set", f"task.folder.root = '{loose}'", "--name", "first")
    assert said.code == 0, said.err
    assert "30 recordings without labels, as not each lies in a folder that could be one; none is kept for" in said.out
    assert f"--from {runs / 'first'}" in said.out.replace("\n", " ")
    again = mixkit_command("pretrain", "--resume", runs / "first")
    assert "is complete: nothing is left to train." in again.out.replace("\n", " ")
    said = mixkit_command(
        *("train", "asm_rh", *common, "--set", f"task.folder.root = '{tones}'", "--from", runs / "first")
    )
    assert said.code == 0, said.err
    assert "parameters start from" in said.out


def test_a_misspelt_setting_is_found(mixkit_command: Command) -> None:
    said = mixkit_command("pretrain", "asm_rh", "--set", "pretrain.mask = 0.5", "--dry-run")
    assert said.code == 2
    assert "pretrain.mask is no setting. Did you mean 'masked'?" in said.err
    said = mixkit_command("train", "asm_rh", "--set", "pretrain.masked = 0.5", "--dry-run")
    assert "nothing uses pretrain.masked. Remove it, or write @pretrain() where it is due." in said.err


def test_a_whole_network_has_no_cells(mixkit_command: Command) -> None:
    said = mixkit_command("pretrain", "asm_rh", "--set", "recipe.network = @network.cnn()", "--dry-run")
    assert said.code == 2
    assert "recipe.pretrain hides cells of a model's grid, and @network.cnn() has none. Take a recipe with" in said.err


def test_a_study_refuses_it(tmp_path: Path) -> None:
    path = tmp_path / "study.gin"
    path.write_text(
        "study.base = 'asm_rh.gin'\nstudy.arms = {\n    'plain': [],\n"
        "    'masked': ['recipe.pretrain = @pretrain()'],\n}\n"
    )
    study = load_study(str(path))
    assert isinstance(study, Study)
    with pytest.raises(RunError) as refused:
        plan(study, tmp_path / "runs")
    assert str(refused.value) == (
        "arm 'masked' pretrains (recipe.pretrain), and what is compared is figures of classes. Pretrain first, mixkit "
        "pretrain, and start from that run: train.init = @weights.run()."
    )


def test_features_pool_and_head_stay(loose: Path, tmp_path: Path) -> None:
    """Features that learned could make smaller what is to be told."""
    learned = ("recipe.features = @features.pcen()", "features.pcen.learned = True", "features.pcen.bins = 32")
    own = [line for line in SMALL if not line.startswith("features.log_mel")]
    mine = recipe(loose, *own, *learned, "train.epochs = 1", "train.layer_decay = 0.9")
    run = train(mine, tmp_path, device="cpu")
    before, after = (dict(one.named_parameters()) for one in (mixkit.build(mine, 0), mixkit.load(run.folder)))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    parts = {name.removeprefix("mixer.").partition(".")[0] for name in before}
    assert parts == {"features", "stem", "blocks", "norm", "head", "pretraining"}
    assert {name.removeprefix("mixer.").partition(".")[0] for name in moved} == parts - {"features", "head"}
    assert {name for name in before if name.startswith("pretraining.")} <= moved


def test_which_step_it_is(loose: Path) -> None:
    from mixkit.training.prepare import prepare

    assert isinstance(step_of(prepare(recipe(loose, *SMALL), "cpu")), PretrainStep)
