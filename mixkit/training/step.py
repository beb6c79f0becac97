"""One step of training: augment, forward, backward, update."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mixkit.draw import Draw
from mixkit.registry import augmentation, schedule
from mixkit.training.data import CROP_STREAM, Batch
from mixkit.training.device import autocast
from mixkit.training.prepare import Prepared


class Step:
    """Takes a batch, moves the weights, and gives the loss.

    Args:
        prepared: network, device and settings.
        objective: the loss.
        steps: the optimizer.
    """

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
        """The loss of a batch, that many epochs into the run."""
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
        """All that is needed to go on after that many epochs; data and augmentation are keyed by epoch and item."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return {
            "epochs": epochs,
            "model": self.model.state_dict(),
            "optimizer": self.steps.state_dict(),
            "random": {"cpu": torch.get_rng_state(), "cuda": cuda},
            "best": dict(best),
        }

    def go_on(self, state: Mapping[str, Any]) -> None:
        """Takes up what `state` left."""
        self.model.load_state_dict(state["model"])
        self.steps.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"]["cpu"])
        if torch.cuda.is_available() and len(state["random"]["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["random"]["cuda"])

    def _augment(self, on: str, x: Tensor, target: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        for where, augment, stream in self.augmentations:
            if where == on:
                draw = Draw(self.settings.seed, batch.epoch, batch.items, stream)
                x, target = augment(x, target, draw)
        return x, target
