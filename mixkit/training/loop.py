"""Training: from a recipe to a run folder with the best epoch's weights and its figures."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from mixkit.data.duplicates import find_duplicates
from mixkit.draw import Draw
from mixkit.errors import DataError, MixkitError, RunError, printable
from mixkit.evaluation import evaluate
from mixkit.model.mixer import Classifier, build
from mixkit.recipe.schema import Recipe
from mixkit.registry import augmentation, loss, optimizer, schedule, task
from mixkit.run import COMPLETE, Run, environment
from mixkit.tasks.guard import check_splits
from mixkit.tasks.protocol import PAPER_RANDOM
from mixkit.training.checkpoint import load, save_state, save_weights
from mixkit.training.data import CROP_STREAM, Batch, Batches, ClipAudio, Order, Survey, class_weights, survey
from mixkit.training.device import autocast, choose_device, precision_of

SPLITS = ("train", "valid", "test")


class Display(Protocol):
    """What training tells while it goes on."""

    def say(self, text: str) -> None:
        """A sentence for the user."""

    def start(self, epochs: int, batches: int) -> None:
        """Training begins."""

    def batch(self, epoch: int, batch: int, loss: float, clips_per_second: float) -> None:
        """A batch of an epoch is done; both are counted from 1."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        """An epoch is done and validated."""

    def stop(self) -> None:
        """Training has ended, or failed."""


class Quiet:
    """A display that shows nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def start(self, epochs: int, batches: int) -> None:
        """Nothing."""

    def batch(self, epoch: int, batch: int, loss: float, clips_per_second: float) -> None:
        """Nothing."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""


@dataclass
class Prepared:
    """All that training needs, checked, with nothing written yet."""

    recipe: Recipe
    device: torch.device
    precision: str
    model: Classifier
    audio: Mapping[str, ClipAudio]
    protocol: str


def prepare(recipe: Recipe, device: str = "auto", display: Display | None = None) -> Prepared:
    """Builds the network and opens the data, so that every mistake is found before hours are spent.

    Args:
        recipe: what to train.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        display: is told about padding and cutting.

    Raises:
        MixkitError: of any kind: device, data, settings.
    """
    display = display or Quiet()
    place = choose_device(device)
    source = task.build(recipe.task)
    check_splits(source)
    for note in source.notes:
        display.say(note)
    model = build(recipe, len(source.labels))
    model.labels = tuple(source.labels)
    samples = model.features.samples
    clips = {split: source.clips(split) for split in SPLITS}
    lengths = survey([clip for split in SPLITS for clip in clips[split]], samples / model.sample_rate)
    if source.protocol != PAPER_RANDOM:
        _refuse_copies(clips)
    display.say(_lengths(clips, lengths, samples / model.sample_rate, source.protocol))
    audio = {
        split: ClipAudio(
            clips[split], model.labels, model.sample_rate, samples, recipe.train.seed if split == "train" else None
        )
        for split in SPLITS
    }
    precision = precision_of(recipe.train.precision, place)
    return Prepared(recipe, place, precision, model, audio, source.protocol)


def train(
    recipe: Recipe,
    runs: str | Path = "runs",
    name: str | None = None,
    device: str = "auto",
    display: Display | None = None,
) -> Run:
    """Trains a recipe, keeps the best epoch on validation, and reports it on test.

    Args:
        recipe: what to train.
        runs: the folder of run folders.
        name: of the run folder; `RECIPE/001` and on without.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        display: is told how it goes.

    Returns:
        The run, complete.

    Raises:
        MixkitError: before anything is written, if the mistake can be seen by then.
    """
    display = display or Quiet()
    Run.place(recipe, Path(runs), name)
    prepared = prepare(recipe, device, display)
    run = Run.create(recipe, Path(runs), name, environment(str(prepared.device), prepared.precision))
    started = time.monotonic()
    if prepared.model.features.needs_measuring:
        audio = prepared.audio["train"]
        prepared.model.features.measure(audio.waveform(item) for item in range(len(audio)))
    prepared.model.to(prepared.device)
    best = _fit(prepared, run, display)
    _test(prepared, run, best, time.monotonic() - started)
    return run


def _fit(prepared: Prepared, run: Run, display: Display) -> dict[str, Any]:
    recipe, model, device = prepared.recipe, prepared.model, prepared.device
    settings = recipe.train
    audio = prepared.audio["train"]
    weights = class_weights(audio.targets, len(model.labels))
    drawn = weights[torch.tensor(audio.targets)] if settings.balance == "sampler" else None
    order = Order(len(audio), settings.batch_size, settings.seed, drawn)
    batches = Batches(audio, order, device, settings.workers)
    checks = prepared.audio["valid"]
    valid = Batches(checks, Order(len(checks), settings.batch_size), device, settings.workers)
    objective = loss.build(settings.loss, weights if settings.balance == "weights" else None).to(device)
    steps = optimizer.build(settings.optimizer, model.mixer.parameters(), settings.learning_rate)
    step = _Step(prepared, objective, steps)
    best: dict[str, Any] = {}
    torch.manual_seed(settings.seed)
    display.start(settings.epochs, len(batches))
    try:
        for epoch in range(settings.epochs):
            began = time.monotonic()
            mean_loss = _epoch(step, batches, epoch, display)
            seconds = time.monotonic() - began
            found = evaluate(model, valid.epoch(epoch), objective, prepared.precision)
            record = {
                "epoch": epoch + 1,
                "learning_rate": steps.param_groups[0]["lr"],
                "train": {"loss": mean_loss},
                "valid": {key: getattr(found, key) for key in ("loss", "accuracy", "auc", "f1", "recall")},
                "seconds": round(seconds, 3),
                "clips_per_second": round(len(audio) / seconds, 1),
            }
            record["best"] = not best or _rank(record, settings.best) > _rank(best, settings.best)
            run.log(record)
            if record["best"]:
                best = record
                save_weights(run, model, {"epoch": epoch + 1})
            save_state(run, step.state(epoch + 1, best))
            display.epoch(record)
    finally:
        display.stop()
    return best


def _epoch(step: "_Step", batches: Batches, epoch: int, display: Display) -> float:
    losses: list[Tensor] = []
    clips, began = 0, time.monotonic()
    glance = 1 if batches.device.type == "cpu" else 20  # a look at the loss makes a GPU wait
    for number, batch in enumerate(batches.epoch(epoch), start=1):
        losses.append(step(batch, epoch + (number - 1) / len(batches)))
        clips += len(batch.target)
        if number % glance == 0 or number == len(batches):
            recent = torch.stack(losses[-glance:]).mean().item()
            if recent != recent or recent in (float("inf"), float("-inf")):
                raise RunError(
                    f"epoch {epoch + 1}, batch {number}: the loss is {recent}. "
                    "Lower train.learning_rate, or set train.gradient_clip = 1.0."
                )
            display.batch(epoch + 1, number, recent, clips / (time.monotonic() - began))
    return torch.stack(losses).mean().item()


class _Step:
    """One step of training: augment, forward, backward, update."""

    def __init__(self, prepared: Prepared, objective: nn.Module, steps: torch.optim.Optimizer):
        settings = prepared.recipe.train
        self.settings = settings
        self.model = prepared.model
        self.precision = prepared.precision
        self.objective = objective
        self.steps = steps
        self.rate = schedule.build(settings.schedule, settings.epochs)
        self.augmentations = [
            (augmentation.entry(spec.name).facts["on"], augmentation.build(spec), CROP_STREAM + 1 + index)
            for index, spec in enumerate(settings.augmentations)
        ]

    def __call__(self, batch: Batch, epoch: float) -> Tensor:
        for group in self.steps.param_groups:
            group["lr"] = self.settings.learning_rate * self.rate(epoch)
        self.model.train()
        with torch.no_grad():
            target = nn.functional.one_hot(batch.target, len(self.model.labels)).float()
            waveform, target = self._augment("waveform", batch.waveform, target, batch)
            spectrogram = self.model.features(waveform)
            spectrogram, target = self._augment("features", spectrogram, target, batch)
        with autocast(batch.waveform.device, self.precision):
            logits = self.model.mixer(spectrogram)
        loss: Tensor = self.objective(logits, target)
        self.steps.zero_grad(set_to_none=True)
        loss.backward()
        if self.settings.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.model.mixer.parameters(), self.settings.gradient_clip)
        self.steps.step()
        return loss.detach()

    def state(self, epochs: int, best: Mapping[str, Any]) -> dict[str, Any]:
        """All that is needed to go on after that many epochs."""
        return {
            "epochs": epochs,
            "model": self.model.state_dict(),
            "optimizer": self.steps.state_dict(),
            "random": torch.get_rng_state(),
            "best": dict(best),
        }

    def _augment(self, on: str, x: Tensor, target: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        for where, augment, stream in self.augmentations:
            if where == on:
                draw = Draw(self.settings.seed, batch.epoch, batch.items, stream)
                x, target = augment(x, target, draw)
        return x, target


def _test(prepared: Prepared, run: Run, best: Mapping[str, Any], seconds: float) -> None:
    recipe, device = prepared.recipe, prepared.device
    model = load(run.folder, device, recipe.plugins)
    objective = loss.build(recipe.train.loss, None).to(device)
    found = {}
    for split in ("valid", "test"):
        audio = prepared.audio[split]
        batches = Batches(audio, Order(len(audio), recipe.train.batch_size), device, recipe.train.workers)
        found[split] = evaluate(model, batches.epoch(0), objective, prepared.precision).to_json()
    results = {
        "recipe": recipe.name,
        "task": recipe.task.name,
        "protocol": prepared.protocol,
        "fold": recipe.task.params.get("fold"),
        "labels": list(model.labels),
        "seed": recipe.train.seed,
        "epochs": recipe.train.epochs,
        "best_epoch": best["epoch"],
        "chosen_by": f"highest {recipe.train.best} on valid; at a tie the lower loss",
        "parameters": sum(p.numel() for p in model.mixer.parameters()),
        "seconds": round(seconds, 1),
        **found,
    }
    run.write_json(COMPLETE, results)


def _rank(record: Mapping[str, Any], figure: str) -> tuple[float, float]:
    value = record["valid"][figure]
    if value is None:
        raise MixkitError(
            f"valid has no {figure}: it holds one class only. Give it more classes, or set train.best = 'accuracy'."
        )
    return value, -record["valid"]["loss"]


def _refuse_copies(clips: Mapping[str, Any]) -> None:
    leaks = [pair for pair in find_duplicates(clips) if pair.leaks]
    if leaks:
        pairs = "\n".join(
            f"  {printable(str(pair.first))} ({pair.first_split}) = {printable(str(pair.second))} ({pair.second_split})"
            for pair in leaks[:10]
        )
        raise DataError(
            f"{len(leaks)} recordings stand in two splits, byte for byte. Leave one of each pair out:\n{pairs}"
        )


def _lengths(clips: Mapping[str, Any], lengths: Survey, seconds: float, protocol: str) -> str:
    counts = ", ".join(f"{len(clips[split])} {split}" for split in SPLITS)
    text = f"{counts} clips ({protocol}); the model hears {seconds:.2f} s."
    if lengths.shorter:
        text += f" {lengths.shorter} shorter clips are padded with silence at the end."
    if lengths.longer:
        text += f" {lengths.longer} longer clips are cut (anywhere in training, in the centre otherwise)."
    return text
