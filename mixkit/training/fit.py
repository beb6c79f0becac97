"""The epochs of a run: steps, validation, the best so far, and states to go on from."""

import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mixkit.checkpoints.compare import check_optimizer, check_state
from mixkit.checkpoints.state import prune, save_state
from mixkit.checkpoints.weights import save_weights, saved_epoch
from mixkit.data.batches import Batch, Batches, Order, class_weights
from mixkit.errors import DamagedError, RunError, Stopped
from mixkit.runs.folder import Run
from mixkit.training.evaluate import evaluate
from mixkit.training.figures import rank
from mixkit.training.memory import explained, peak
from mixkit.training.nan_guard import NanGuard
from mixkit.training.prepare import Prepared
from mixkit.training.progress import RunProgress
from mixkit.training.session import Session
from mixkit.training.step import Step


class Fit:
    """Trains, epoch by epoch.

    Args:
        prepared: network, data and settings.
        run: where they are written.
        session: display, signals and processes.
    """

    def __init__(self, prepared: Prepared, run: Run, session: Session):
        self.prepared, self.run, self.display = prepared, run, session.display
        self.signals, self.processes = session.signals, session.processes
        self.settings = settings = prepared.recipe.train
        device = prepared.device
        audio = prepared.splits.audio("train", settings.seed)
        weights = class_weights(audio.targets)
        # A clip without a label is drawn as often as one of a class that is neither rare nor common.
        likely = torch.where(audio.targets.any(1), audio.targets @ weights, 1.0)
        drawn = likely if settings.balance == "sampler" else None
        share = self.processes.rank, self.processes.ranks
        order = Order(len(audio), settings.batch_size, settings.seed, drawn, *share)
        self.batches = Batches(audio, order, device, settings.workers)
        self.valid = prepared.splits.batches("valid", device, *share)
        self.budget = prepared.budget
        self.step = Step(prepared, self.processes, weights if settings.balance == "weights" else None)
        self.guard = NanGuard(self.step, audio.clips, run)
        self.progress = RunProgress()
        self.saved = time.monotonic()
        torch.manual_seed(settings.seed + 1_000_003 * self.processes.rank)

    def go_on(self, path: Path, state: Mapping[str, Any]) -> None:
        """Takes up a saved state.

        Args:
            path: its file, for errors.
            state: as `load_state` gave it.

        Raises:
            DamagedError: it is not the state of this run.
        """
        check_state(path, state, self._example(state))
        check_optimizer(path, state["optimizer"], self.step.steps)
        progress = RunProgress.from_state(path, state["progress"])
        if state["run"] != self.run.identity:
            raise DamagedError(f"{path} belongs to another run.")
        self.step.go_on(state)
        self.progress = progress
        if self.processes.first:
            self._mend(path)
        at = f"epoch {progress.epochs} of {self.budget.epochs}"
        if progress.batches:
            at += f", {progress.batches} of {self.budget.of_epoch(progress.epochs)} batches of the next"
        self.display.say(f"Goes on after {at}.")

    def __call__(self) -> dict[str, Any]:
        """All epochs that are left; gives the record of the best.

        Raises:
            Stopped: a signal asked for it; the state is saved.
            MixkitError: a number is not finite, memory or disk are full, a clip cannot be read.
        """
        self.display.opened(self.run.folder)
        self.display.start(self.budget, self.settings.best)
        try:
            with self.signals.finishing(), explained(self.settings):
                for epoch in range(self.progress.epochs, self.budget.epochs):
                    if self._is_over():
                        break
                    self._train(epoch)
                    self._validate(epoch)
        finally:
            self.display.stop()
        return self.progress.best

    def _train(self, epoch: int) -> None:
        progress, step = self.progress, self.step
        before_it, many = self.budget.up_to(epoch), self.budget.of_epoch(epoch)
        clips, began, before = 0, time.monotonic(), progress.seconds
        glance = 1 if self.prepared.device.type == "cpu" else 20  # a look at the loss makes a GPU wait
        source = self._timed(self.batches.epoch(epoch, progress.batches, many))
        for number, batch in enumerate(source, start=progress.batches + 1):
            result = step(batch, before_it + number - 1)
            self.guard(result, batch, f"epoch {epoch + 1}, batch {number}, step {before_it + number}")
            if not result.left_out:
                progress.losses.append(result.loss)
            progress.batches = number
            progress.seconds = before + time.monotonic() - began
            clips += batch.total
            if number % glance == 0 or number == many:
                recent = torch.stack(progress.losses[-glance:]).mean().item() if progress.losses else float("nan")
                self.display.batch(epoch + 1, number, recent, clips / (time.monotonic() - began))
            self._between(epoch, number)

    def _between(self, epoch: int, number: int) -> None:
        """Saves and stops, if it is time to."""
        if number == self.budget.of_epoch(epoch):
            return  # validation comes next, and a state after it
        done = self.budget.up_to(epoch) + number
        every, minutes = self.settings.save_every_steps, self.settings.save_every_minutes
        due = every is not None and done % every == 0
        late = minutes is not None and time.monotonic() - self.saved > 60 * minutes
        stop, late = self.processes.any(self.signals.asked is not None, late)
        if stop or due or late:
            self._save()
        if stop:
            self._leave()

    def _validate(self, epoch: int) -> None:
        progress, began = self.progress, time.monotonic()
        self.guard.settle()
        if not progress.losses:
            raise RunError(f"epoch {epoch + 1}: every step was left out. Lower train.learning_rate.")
        mean = self._losses().mean().item()
        found = evaluate(
            self.step.evaluated_model,
            self._until_asked(self.valid.epoch(epoch)),
            self.step.objective,
            self.prepared.precision,
            self.processes,
        )
        record: dict[str, Any] = {
            "epoch": epoch + 1,
            "steps": self.budget.up_to(epoch + 1),
            "learning_rate": self.step.steps.param_groups[0]["lr"],
            "train": {"loss": mean},
            "valid": found.headline(),
        }
        best = progress.best
        record["best"] = not best or rank(record["valid"], self.settings.best) > rank(best["valid"], self.settings.best)
        seconds = progress.seconds + time.monotonic() - began
        clips = min(self.batches.order.count, self.budget.of_epoch(epoch) * self.settings.batch_size)
        times = {
            "epoch": epoch + 1,
            "seconds": round(seconds, 3),
            "clips_per_second": round(clips / progress.seconds, 1),
            "waiting": round(progress.waiting, 3),
            "memory": peak(self.prepared.device),
        }
        self.progress = RunProgress(epoch + 1, best=record if record["best"] else best, record=record, times=times)
        # State, weights, log: whoever is killed between two of them finds in the state what the next one lacks.
        self._save()
        if record["best"] and self.processes.first:
            save_weights(self.run, self.step.evaluated_model, epoch + 1)
        self.run.log(record, times)
        self.display.epoch({**record, **times})
        if self.processes.any(self.signals.asked is not None)[0]:
            self._leave()

    def _save(self) -> None:
        self.guard.settle()
        progress = replace(self.progress, losses=list(self._losses()))
        state = {**self.step.state(), "progress": progress.to_state(), "run": self.run.identity}
        if self.processes.first:
            save_state(self.run, self.budget.up_to(progress.epochs) + progress.batches, state)
        self.saved = time.monotonic()

    def _mend(self, state: Path) -> None:
        """Writes what a kill right after a state kept from being written: weights of the best epoch, its record."""
        run, progress = self.run, self.progress
        run.keep_epochs(progress.epochs)
        if progress.epochs and all(record["epoch"] != progress.epochs for record in run.metrics()):
            run.keep_epochs(progress.epochs - 1)
            run.log(progress.record, progress.times)
        best = progress.best.get("epoch")
        if best == progress.epochs and not progress.batches and saved_epoch(run) != best:
            save_weights(run, self.step.evaluated_model, best)
        prune(run, state)  # older ones that a kill has left

    def _losses(self) -> Tensor:
        """The losses of the epoch's batches so far, each over all processes, in all of them."""
        own = self.progress.losses
        shares = self.processes.all(torch.stack(own).double().cpu() if own else torch.empty(0))
        return torch.stack(shares).mean(0).float()

    def _leave(self) -> None:
        number = self.signals.asked or 15
        at = f"after epoch {self.progress.epochs}, batch {self.progress.batches}"
        self.run.event("stopped", signal=number, epochs=self.progress.epochs, batches=self.progress.batches)
        raise Stopped(number, f"{at}. Go on: mixkit train --resume {shlex.quote(str(self.run.folder))}")

    def _is_over(self) -> bool:
        patience, best = self.settings.patience, self.progress.best
        return patience is not None and bool(best) and self.progress.epochs - best["epoch"] >= patience

    def _until_asked(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        for batch in batches:
            if self.processes.any(self.signals.asked is not None)[0]:
                self._save()
                self._leave()
            yield batch

    def _timed(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        while True:
            began = time.monotonic()
            batch = next(batches, None)
            self.progress.waiting += time.monotonic() - began
            if batch is None:
                return
            yield batch

    def _example(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """What a state of this run looks like; the optimizer's is looked at by itself."""
        own, random = self.step.state(), state.get("random")
        return {
            **own,
            "optimizer": state.get("optimizer"),
            # As many as there were processes, and of whatever kind of device.
            "random": random if isinstance(random, list) and all(map(_is_rng_state, random)) else own["random"],
            "progress": RunProgress.example(state.get("progress")),
            "run": "",
        }


def _is_rng_state(found: Any) -> bool:
    kinds = {"cpu", "cuda"}
    return isinstance(found, dict) and found.keys() == kinds and all(isinstance(found[kind], Tensor) for kind in kinds)
