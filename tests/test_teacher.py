"""Distillation: the loss by its closed form, the teacher as it was, and a stopped run that goes on to the same bits."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import mixkit
from mixkit.checkpoints.weights import save_weights
from mixkit.data.batches import Batch
from mixkit.data.run_split import RunSplits
from mixkit.data.waveforms import Waveforms
from mixkit.errors import RunError, SettingError
from mixkit.recipe.schema import Recipe
from mixkit.registry import Clip, augmentation, distillation
from mixkit.runs.clips import read_clips
from mixkit.runs.folder import Run
from mixkit.training.display import TrainingDisplay
from mixkit.training.loop import resume, train
from mixkit.training.prepare import Prepared
from mixkit.training.step import Step
from mixkit.training.teacher import Teacher
from tests.conftest import Said

SMALL = (
    *("task.demo.clips = 6", "task.demo.seconds = 0.5", "model.width = 16", "model.depth = 2", "train.epochs = 2"),
    *("train.batch_size = 8", "train.precision = 'float32'", "train.average = None"),
)
CLASSES = ("a", "b", "c", "d")
BARE = ("task.augmentations = []", "train.augmentations = []")

Made = Callable[..., Path]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Writes a network of noise as a run, and gives its folder."""

    def write(*lines: str, labels: tuple[str, ...] = CLASSES, seed: int = 1) -> Path:
        model = mixkit.build(
            mixkit.load_recipe("mlp_mixer", settings=[*SMALL, "model.width = 24", *lines]), len(labels)
        )
        model.labels = labels
        torch.manual_seed(seed)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        run = Run.create(model.recipe, tmp_path / "teachers")
        save_weights(run, model, 1)
        return run.folder

    return write


def recipe(folder: Path, *lines: str) -> Recipe:
    return mixkit.load_recipe("asm_rh", ["stem/patches"], settings=[*SMALL, f"train.teacher = {str(folder)!r}", *lines])


def learning(folder: Path, *lines: str, labels: tuple[str, ...] = CLASSES) -> tuple[Step, Teacher]:
    """A step of a small network that learns from a run."""
    settings = recipe(folder, *lines)
    model = mixkit.build(settings, len(labels))
    model.labels = labels
    teacher = Teacher(settings, model.features, labels)
    splits = RunSplits(model, "", {"train": (Clip(Path("a.wav"), "a", "a"),) * 80}, (), Waveforms(16_000))
    augmentations = [augmentation.build(spec, model.sample_rate) for spec in settings.all_augmentations]
    prepared = Prepared(settings, torch.device("cpu"), "float32", model, splits, augmentations, teacher=teacher)
    return Step(prepared), teacher


def batch(clips: int = 8, seed: int = 1) -> Batch:
    waveform = torch.randn(clips, 8000, generator=torch.Generator().manual_seed(seed))
    return Batch(waveform, torch.eye(4)[torch.arange(clips) % 4], torch.arange(clips), 0, clips)


def logits(*, seed: int, scale: float = 3.0) -> Tensor:
    return scale * torch.randn(5, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def entropy_terms(p: Tensor, q: Tensor) -> Tensor:
    """KL by its definition, number by number."""
    return p * (p / q).log()


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_soft_labels_by_the_equation(temperature: float) -> None:
    z, theirs = logits(seed=0).requires_grad_(), logits(seed=1)
    for multi_label in (False, True):
        made = distillation.build(distillation.spec("soft", temperature=temperature), multi_label)
        found = made(z, theirs)
        if multi_label:
            q, p = 1 / (1 + (-z / temperature).exp()), 1 / (1 + (-theirs / temperature).exp())
            wanted = temperature**2 * (entropy_terms(p, q) + entropy_terms(1 - p, 1 - q)).mean(1)
            gradient = temperature * (q - p) / 4
        else:
            q, p = ((x / temperature).exp() for x in (z, theirs))
            q, p = q / q.sum(1, keepdim=True), p / p.sum(1, keepdim=True)
            wanted, gradient = temperature**2 * entropy_terms(p, q).sum(1), temperature * (q - p)
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
        (slope,) = torch.autograd.grad(found.sum(), z)
        torch.testing.assert_close(slope, gradient.detach(), rtol=0, atol=1e-12)
        assert float(made(theirs, theirs).abs().max()) < 1e-12, "nothing is left to learn of oneself"


def test_hard_labels_by_the_equation() -> None:
    z, theirs = logits(seed=0), logits(seed=1)
    spec = distillation.spec("hard")
    one, several = (distillation.build(spec, multi_label)(z, theirs) for multi_label in (False, True))
    shares = z.exp() / z.exp().sum(1, keepdim=True)
    torch.testing.assert_close(one, -shares[range(5), theirs.argmax(1)].log(), rtol=0, atol=1e-12)
    scores = 1 / (1 + (-z).exp())
    answers = (theirs > 0).double()
    wanted = -(answers * scores.log() + (1 - answers) * (1 - scores).log()).mean(1)
    torch.testing.assert_close(several, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("lines", [(), ("train.distillation = @distillation.soft()", "distillation.soft.weight = 0.3")])
@pytest.mark.parametrize("parts", [1, 3])
def test_a_step_is_that_of_both_losses(made: Made, lines: tuple[str, ...], parts: int) -> None:
    """The share of each is told by hand, of networks that hear the whole batch at once; also where it is in parts."""
    step, teacher = learning(made(), *BARE, f"train.accumulation = {parts}", *lines)
    one, own = batch(), teacher.model(batch().waveform).double()
    with torch.no_grad():
        ours = step.model(one.waveform).double()
    labels = -(ours.log_softmax(1) * one.target).sum(1).mean()
    if lines:
        wanted = 0.7 * labels + 0.3 * 9 * entropy_terms((own / 3).softmax(1), (ours / 3).softmax(1)).sum(1).mean()
    else:
        wanted = 0.5 * labels - 0.5 * ours.log_softmax(1)[range(8), own.argmax(1)].mean()
    assert float(step(one, 1).loss) == pytest.approx(float(wanted), rel=1e-5)


def test_the_teacher_stays_as_it_is(made: Made) -> None:
    """Never trained, in no state, and it leaves the generators alone."""
    step, teacher = learning(made("block.drop_path = 0.5", "model.norm = 'batch'"))
    before = {name: tensor.clone() for name, tensor in teacher.model.state_dict().items()}
    state = {name: tuple(tensor.shape) for name, tensor in step.state()["model"].items()}
    random = torch.get_rng_state()
    teacher(step.heard(teacher, step.varied(batch())))
    assert torch.equal(torch.get_rng_state(), random)
    for done in range(3):
        step(batch(), done)
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.model.state_dict().items())
    assert not teacher.model.training
    assert all(weight.grad is None and not weight.requires_grad for weight in teacher.model.parameters())
    assert {name: tuple(tensor.shape) for name, tensor in step.model.state_dict().items()} == state
    own = {id(weight) for weight in step.model.parameters()}
    assert {id(weight) for group in step.steps.param_groups for weight in group["params"]} == own


def test_both_hear_the_same(made: Made) -> None:
    """Waveforms, masks and mixtures are varied by the same numbers; the control: other clips are varied otherwise."""
    lines = ["train.augmentations = [@augmentation.gain(), @augmentation.power_mixup(), @augmentation.spec_augment()]"]
    step, teacher = learning(made(), *lines)
    teacher.model.features.load_state_dict(step.model.features.state_dict())
    varied = step.varied(batch())
    spectrogram, _ = step.augmented(varied)
    heard = step.heard(teacher, varied)
    assert torch.equal(heard, spectrogram)
    assert not torch.equal(heard, teacher.features(batch().waveform))
    others = replace(varied, items=varied.items + 8)
    assert not torch.equal(step.heard(teacher, others), spectrogram)


def test_classes_are_matched_by_name(made: Made) -> None:
    folder = made(labels=("d", "x", "b", "a"))
    step, teacher = learning(folder, *BARE)
    assert str(teacher) == (
        f"Taught by {folder} (mlp_mixer, {teacher.parameters:,} parameters). It does not know c: there the labels "
        "teach alone. What it knows beside the classes here is left aside: x."
    )
    own = teacher.model(batch().waveform)
    answers = teacher(step.heard(teacher, batch()))
    torch.testing.assert_close(answers, own[:, [3, 2, 0]])
    assert step.distilled
    ours = torch.randn(8, 4)
    apart = -ours[:, [0, 1, 3]].log_softmax(1)[range(8), answers.argmax(1)]
    apart[batch().target[:, 2] == 1] = 0  # of c it can say nothing right
    wanted = 0.5 * -(ours.log_softmax(1) * batch().target).sum(1).mean() + 0.5 * apart.mean()
    torch.testing.assert_close(step.distilled(ours, batch().target, step.heard(teacher, batch())), wanted)


def test_scores_go_from_one_kind_of_loss_to_the_other(made: Made) -> None:
    """What excludes each other for the one and not for the other: the scores are kept."""
    for theirs, ours in (("cross_entropy", "bce"), ("bce", "cross_entropy")):
        step, teacher = learning(made(f"train.loss = @loss.{theirs}()"), f"train.loss = @loss.{ours}()", *BARE)
        own = teacher.model(batch().waveform)
        found = teacher(step.heard(teacher, batch()))
        if ours == "bce":
            torch.testing.assert_close(found.sigmoid(), own.softmax(1), rtol=0, atol=2e-6)
        else:
            scores = own.sigmoid()
            torch.testing.assert_close(found.softmax(1), scores / scores.sum(1, keepdim=True))
        assert float(step(batch(), 1).loss) > 0


def test_another_rate_and_length(made: Made) -> None:
    """The teacher hears the batch at its own rate, and cut or filled up as its own recipe says."""
    folder = made("task.demo.sample_rate = 8000", "task.demo.seconds = 0.25")
    step, teacher = learning(folder, *BARE)
    time = torch.arange(8000) / 16_000
    tone = (2 * torch.pi * 440 * time).sin()
    heard = teacher.waveform(tone[None])
    assert heard.shape == (1, 2000)
    middle = (2 * torch.pi * 440 * (torch.arange(2000) + 1000) / 8000).sin()
    assert float((heard[0, 100:-100] - middle[100:-100]).abs().max()) < 0.01
    assert step(batch(), 1).loss.isfinite()


@pytest.mark.parametrize(
    ("theirs", "lines", "labels", "message"),
    [
        (
            ("features.log_mel.bins = 32",),
            ("train.augmentations = []",),
            CLASSES,
            "train.teacher hears 32 bins x {frames} frames of 0.5 s, and this network 64 bins x {frames} frames of "
            "0.5 s: time_roll would vary other sounds in one than in the other. Give both the same features and "
            "seconds, or leave these out of train.augmentations and task.augmentations.",
        ),
        (
            (),
            (),
            ("a", "x", "y"),
            "train.teacher names {path}, which knows a of the classes of demo; 2 is the least. Its own are a, b, c, d. "
            "Take one that was trained on them.",
        ),
    ],
)
def test_what_is_refused(
    made: Made, theirs: tuple[str, ...], lines: tuple[str, ...], labels: tuple[str, ...], message: str
) -> None:
    folder = made(*theirs)
    with pytest.raises(SettingError) as caught:
        learning(folder, *lines, labels=labels)
    frames = mixkit.build(recipe(folder), 4).features.frames
    assert str(caught.value) == message.format(path=folder, frames=frames)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ("train.distillation = @distillation.soft()",),
            "train.distillation is soft(weight=0.1, temperature=3.0), but there is no teacher. Name a run: "
            "train.teacher = 'runs/NAME'.",
        ),
        (
            ("train.teacher = 'runs/none'",),
            "runs/none is no folder. Name a run, such as runs/asm_rh/001.",
        ),
        (("train.teacher = ''",), "train.teacher is ''. It takes a path or None."),
    ],
)
def test_what_check_says(lines: tuple[str, ...], message: str, mixkit_command: Callable[..., Said]) -> None:
    said = mixkit_command("check", "asm_rh", *[word for line in (*SMALL, *lines) for word in ("--set", line)])
    assert said.code == 2
    assert message in said.err


def test_a_whole_run(small_run: Path, tmp_path: Path, mixkit_command: Callable[..., Said]) -> None:
    """Told before, kept with the run, and stopped it goes on to the same bits, with the teacher elsewhere."""
    folder = tmp_path / "big"
    shutil.copytree(small_run, folder)
    lines = ["model.width = 16", "model.depth = 2", "task.demo.clips = 4", "task.demo.seconds = 0.5"]
    lines += ["train.epochs = 2", f"train.teacher = {str(folder)!r}", "train.distillation = @distillation.soft()"]
    words = [word for line in lines for word in ("--set", line)]
    for command, told in ((("check",), "forward: a step is about 1.3 times"), (("train", "--dry-run"), " MFLOP ")):
        said = mixkit_command(command[0], "asm_rh", *words, *command[1:])
        assert said.code == 0, said.err
        assert f"Taught by {folder} (asm_rh, " in said.out
        assert told in said.out
        assert "has learned from" not in said.out

    class Stop(TrainingDisplay):
        """Ends the run in its second epoch."""

        def batch(self, epoch: int, batch: int, loss: float, clips_per_second: float) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    taught = mixkit.load_recipe("asm_rh", settings=lines)
    whole = train(taught, tmp_path, "whole", device="cpu")
    with pytest.raises(KeyboardInterrupt):
        train(taught, tmp_path, "stopped", device="cpu", display=Stop())
    with pytest.raises(RunError, match=r"\n  teacher_weights: \w{12}\.\.\., now \w{12}\.\.\.\n"):
        resume(tmp_path / "stopped", device="cpu", settings=(f"train.teacher = {str(whole.folder)!r}",))
    folder.rename(tmp_path / "moved")
    stopped = resume(tmp_path / "stopped", device="cpu", settings=(f"train.teacher = {str(tmp_path / 'moved')!r}",))
    assert state(stopped).keys() == state(Run(small_run)).keys()
    assert all(torch.equal(tensor, state(whole)[name]) for name, tensor in state(stopped).items())
    assert [one["train"] for one in stopped.metrics()] == [one["train"] for one in whole.metrics()]
    assert whole.metrics()[0]["train"] != Run(small_run).metrics()[0]["train"], "without a teacher it learns otherwise"
    assert (whole.results().teacher, Run(small_run).results().teacher) == (f"{folder} (asm_rh)", None)
    assert whole.environment()["teacher"] == str(folder)
    assert len(whole.environment()["conditions"]["teacher_weights"]) == 64
    events = [json.loads(line) for line in (whole.folder / "events.jsonl").read_text().splitlines()]
    (told,) = (event for event in events if event["event"] == "taught_by")
    assert (told["path"], told["parameters"], told["missing"]) == (str(folder), Run(small_run).results().parameters, [])


def test_clips_that_the_teacher_has_learned_from(small_run: Path) -> None:
    """Those of its training split, by their content; the control: what is trained on here is no leak."""
    kept = read_clips(small_run / "clips.jsonl")
    settings = mixkit.load_recipe("asm_rh", settings=["task.demo.seconds = 0.5", f"train.teacher = {str(small_run)!r}"])
    teacher = Teacher(settings, mixkit.build(settings, 10).features)
    assert teacher.learned_from(kept) == ()
    swapped = {"train": "test", "test": "train", "valid": "valid"}
    found = teacher.learned_from([replace(clip, split=swapped[clip.split], path=f"b/{clip.path}") for clip in kept])
    assert found == tuple(f"b/{clip.path}" for clip in kept if clip.split == "train")


def state(run: Run) -> dict[str, Tensor]:
    return mixkit.load(run.folder).mixer.state_dict()
