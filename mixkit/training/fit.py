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
from mixkit.checkpoints.weights import BEST, REFITTED, save_weights, saved_epoch
from mixkit.data.batches import Batch, Batches, Order, class_weights
from mixkit.errors import DamagedError, RunError, Stopped
from mixkit.runs.folder import Run
from mixkit.training.budget import Budget
from mixkit.training.figures import rank
from mixkit.training.memory import explained, peak
from mixkit.training.nan_guard import NanGuard
from mixkit.training.prepare import Prepared
from mixkit.training.pretrain import step_of
from mixkit.training.progress import RunProgress, state_example
from mixkit.training.refit import part_of
from mixkit.training.session import Session


class Fit:
    """Trains, epoch by epoch.

    Args:
        prepared: network, data and settings.
        run: where they are written.
        session: display, signals and processes.
        refit: how long this is, if it is a refit: nothing is validated then, and the last weights are kept.
    """

    def __init__(self, prepared: Prepared, run: Run, session: Session, refit: Budget | None = None):
        self.prepared, self.whole, self.display = prepared, run, session.display
        self.run, self.weights = (run, BEST) if refit is None else (part_of(run, session.processes.same), REFITTED)
        self.signals, self.processes = session.signals, session.processes
        self.settings = settings = prepared.recipe.train
        device = prepared.device
        audio = prepared.splits.audio("train", settings.seed)
        weights = class_weights(audio.targets)
        # A clip without a label is drawn as often as one of a class that is neither rare nor common.
        likely = torch.where(audio.targets.any(1), audio.targets @ weights, 1.0)
        drawn = likely if settings.balance == "sampler" and prepared.recipe.pretrain is None else None
        share = self.processes.rank, self.processes.ranks
        order = Order(len(audio), settings.batch_size, settings.seed, drawn, *share)
        self.batches = Batches(audio, order, device, settings.workers)
        self.valid = prepared.splits.batches("valid", device, *share) if refit is None else None
        self.budget = refit or prepared.budget
        self.step = step_of(prepared, self.processes, weights if settings.balance == "weights" else None)
        self.guard = NanGuard(self.step, audio.clips, self.run)
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
        check_state(path, state, state_example(self.step.state(), state))
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
        self.display.say(f"{'The refit goes' if self.valid is None else 'Goes'} on after {at}.")

    def __call__(self) -> RunProgress:
        """All epochs that are left; gives how far it is then.

        Raises:
            Stopped: a signal asked for it; the state is saved.
            MixkitError: a number is not finite, memory or disk are full, a clip cannot be read.
        """
        self.display.opened(self.run.folder)
        self.display.start(self.budget, self.prepared.recipe.best)
        try:
            with self.signals.finishing(), explained(self.settings):
                for epoch in range(self.progress.epochs, self.budget.epochs):
                    if self._is_over():
                        break
                    self._train(epoch)
                    self._end(epoch)
        finally:
            self.display.stop()
        return self.progress

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

    def _end(self, epoch: int) -> None:
        progress, began = self.progress, time.monotonic()
        self.guard.settle()
        if not progress.losses:
            raise RunError(f"epoch {epoch + 1}: every step was left out. Lower train.learning_rate.")
        mean = self._losses().mean().item()
        found = {} if self.valid is None else self._validated(epoch, self.valid)
        record: dict[str, Any] = {
            "epoch": epoch + 1,
            "steps": self.budget.up_to(epoch + 1),
            "learning_rate": self.step.rate_after(self.budget.up_to(epoch + 1) - 1),
            "train": {"loss": mean},
            **found,
        }
        seconds = progress.seconds + time.monotonic() - began
        clips = min(self.batches.order.count, self.budget.of_epoch(epoch) * self.settings.batch_size)
        times = {
            "epoch": epoch + 1,
            "seconds": round(seconds, 3),
            "clips_per_second": round(clips / progress.seconds, 1),
            "waiting": round(progress.waiting, 3),
            "memory": peak(self.prepared.device),
        }
        best = record if found.get("best") else progress.best
        self.progress = RunProgress(epoch + 1, best=best, record=record, times=times)
        # State, weights, log: whoever is killed between two of them finds in the state what the next one lacks.
        self._save()
        if self._is_kept() and self.processes.first:
            save_weights(self.whole, self.step.evaluated_model, epoch + 1, self.weights)
        self.run.log(record, times)
        self.display.epoch({**record, **times})
        if self.processes.any(self.signals.asked is not None)[0]:
            self._leave()

    def _validated(self, epoch: int, valid: Batches) -> dict[str, Any]:
        """The figures on validation, and whether they are the best so far."""
        found = self.step.validated(self._until_asked(valid.epoch(epoch)))
        before, by = self.progress.best, self.prepared.recipe.best
        return {"valid": found, "best": not before or rank(found, by) > rank(before["valid"], by)}

    def _is_kept(self) -> bool:
        """Whether the weights are kept as they are now: at the end of the best epoch, or of a whole refit."""
        progress = self.progress
        kept = self.budget.epochs if self.valid is None else progress.best.get("epoch")
        return progress.epochs == kept and not progress.batches

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
        if self._is_kept() and saved_epoch(self.whole, self.weights) != progress.epochs:
            save_weights(self.whole, self.step.evaluated_model, progress.epochs, self.weights)
        prune(run, state)  # older ones that a kill has left

    def _losses(self) -> Tensor:
        """The losses of the epoch's batches so far, each over all processes, in all of them."""
        own = self.progress.losses
        shares = self.processes.all(torch.stack(own).double().cpu() if own else torch.empty(0))
        return torch.stack(shares).mean(0).float()

    def _leave(self) -> None:
        number, of = self.signals.asked or 15, " of the refit" if self.valid is None else ""
        at = f"after epoch {self.progress.epochs}{of}, batch {self.progress.batches}"
        self.run.event("stopped", signal=number, epochs=self.progress.epochs, batches=self.progress.batches)
        command = "train" if self.prepared.recipe.pretrain is None else "pretrain"
        raise Stopped(number, f"{at}. Go on: mixkit {command} --resume {shlex.quote(str(self.whole.folder))}")

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
