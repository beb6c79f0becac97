"""Training: from a recipe to a run folder with the best epoch's weights and its figures."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mixkit.errors import MixkitError, RunError
from mixkit.evaluation import evaluate
from mixkit.recipe.gin_file import recipe_from_text
from mixkit.recipe.schema import Recipe
from mixkit.registry import loss, optimizer
from mixkit.run import COMPLETE, Run, environment
from mixkit.training.checkpoint import load, load_state, save_state, save_weights
from mixkit.training.data import Batches, Order, class_weights
from mixkit.training.display import Display, Quiet
from mixkit.training.prepare import Prepared, prepare
from mixkit.training.step import Step


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
    return _complete(prepared, run, display, None)


def resume(
    folder: str | Path, device: str = "auto", display: Display | None = None, plugins: tuple[str, ...] = ()
) -> Run:
    """Goes on with a run that was stopped, from the last epoch that ended; a complete run is left as it is.

    On the same machine the weights and figures are those of a run that was never stopped, to the bit: order, crops
    and augmentation are keyed by seed, epoch and clip, and all else is in the saved state.

    Args:
        folder: the run.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        display: is told how it goes, and what is another than it was and may change the last bits.
        plugins: modules already loaded that the recipe may import.

    Raises:
        RunError: there is no such run.
        DamagedError: the saved state is not what was written.
        MixkitError: the recordings are not what they were.
    """
    display = display or Quiet()
    run = Run.open(Path(folder))
    if run.complete:
        return run
    text = (run.folder / "recipe.gin").read_text()
    prepared = prepare(recipe_from_text(text, run.folder.name, plugins), device, display)
    before, now = run.environment(), environment(str(prepared.device), prepared.precision)
    for key in ("mixkit", "torch", "device", "precision", "threads"):
        if before.get(key) != now[key]:
            display.say(f"{key} was {before.get(key)} and is {now[key]}: the last bits of the figures may differ.")
    return _complete(prepared, run, display, load_state(run))


def _complete(prepared: Prepared, run: Run, display: Display, state: Mapping[str, Any] | None) -> Run:
    if state is None and prepared.model.features.needs_measuring:
        audio = prepared.audio["train"]
        prepared.model.features.measure(audio.waveform(item) for item in range(len(audio)))
    prepared.model.to(prepared.device)
    best = _fit(prepared, run, display, state)
    _test(prepared, run, best)
    return run


def _fit(prepared: Prepared, run: Run, display: Display, state: Mapping[str, Any] | None) -> dict[str, Any]:
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
    step = Step(prepared, objective, steps)
    best: dict[str, Any] = {}
    torch.manual_seed(settings.seed)
    ended = 0
    if state is not None:
        step.go_on(state)
        best, ended = state["best"], state["epochs"]
        display.say(f"{run.folder} goes on after epoch {ended} of {settings.epochs}.")
    run.keep_epochs(ended)
    display.start(settings.epochs, len(batches))
    try:
        for epoch in range(ended, settings.epochs):
            began = time.monotonic()
            mean_loss = _epoch(step, batches, epoch, display)
            speed = len(audio) / (time.monotonic() - began)
            found = evaluate(model, valid.epoch(epoch), objective, prepared.precision)
            record = {
                "epoch": epoch + 1,
                "learning_rate": steps.param_groups[0]["lr"],
                "train": {"loss": mean_loss},
                "valid": {key: getattr(found, key) for key in ("loss", "accuracy", "auc", "f1", "recall")},
                "seconds": round(time.monotonic() - began, 3),
                "clips_per_second": round(speed, 1),
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


def _epoch(step: Step, batches: Batches, epoch: int, display: Display) -> float:
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


def _test(prepared: Prepared, run: Run, best: Mapping[str, Any]) -> None:
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
        "seconds": round(sum(record["seconds"] for record in run.metrics()), 1),
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
