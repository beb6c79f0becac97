"""One step of training: augment, forward, backward, update."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from mixkit.data.batches import CROP_STREAM, Batch
from mixkit.draw import Draw
from mixkit.errors import SettingError
from mixkit.model.classifier import Classifier
from mixkit.model.norms import BatchNorm
from mixkit.registry import Checkpointed, Features, PowerFeatures, augmentation, loss, optimizer, schedule
from mixkit.training.distributed import Processes
from mixkit.training.ema import ExponentialAverage
from mixkit.training.evaluate import evaluate
from mixkit.training.fine_tune import Frozen, split_groups
from mixkit.training.precision import autocast
from mixkit.training.prepare import Prepared
from mixkit.training.teacher import Distilled, Teacher


@dataclass(frozen=True)
class StepResult:
    """What a step came to.

    Args:
        loss: of the batch; with several processes, this one's share of it.
        norm: of all gradients together, before they were clipped.
        left_out: whether the weights stayed as they were, because a number was not finite.
    """

    loss: Tensor
    norm: Tensor
    left_out: bool = False


class Step:
    """Takes a batch and moves the weights.

    Args:
        prepared: network, device and settings; the network is moved to the device.
        processes: that share each batch.
        class_weights: of the loss, one factor a class, `k`, or None.
    """

    def __init__(self, prepared: Prepared, processes: Processes | None = None, class_weights: Tensor | None = None):
        settings, chosen = prepared.recipe.train, prepared.recipe.all_augmentations
        self.settings = settings
        self.model = prepared.model.to(prepared.device)
        self.precision = prepared.precision
        self.objective = loss.build(settings.loss, class_weights).to(prepared.device)
        teacher = prepared.teacher
        if teacher is not None:
            teacher.to(prepared.device)
        self.distilled = None if teacher is None else Distilled(self.objective, prepared.recipe, teacher)
        self.steps = optimizer.build(settings.optimizer, self.model.parameters(), settings.learning_rate)
        learning = (self.model.features, self.model.network)
        if settings.body_rate != 1 or settings.layer_decay is not None:
            split_groups(self.steps, *learning, settings.body_rate, settings.layer_decay)
        self.processes = processes or Processes()
        until = settings.freeze_epochs and settings.freeze_epochs * prepared.budget.per_epoch
        self.frozen = Frozen(*learning, settings.freeze, until)
        self.learning_rate = settings.learning_rate
        self.rate = schedule.build(settings.schedule, prepared.budget.steps, prepared.budget.per_epoch)
        self.augmentations = [
            (augmentation.entry(spec.name).facts, made.to(prepared.device), CROP_STREAM + 1 + index)
            for index, (spec, made) in enumerate(zip(chosen, prepared.augmentations, strict=True))
        ]
        self.learned_features = [weight for _, weight in self.model.features.named_parameters() if weight.requires_grad]
        if self.learned_features:
            self._expect_whole_graph([spec.name for spec in chosen])
        if isinstance(self.model.network, Checkpointed):
            self.model.network.checkpointing = settings.checkpointing
        self.batch_norms = [part for part in self.model.network.modules() if isinstance(part, BatchNorm)]
        self.torch_norms = [part for part in self.model.network.modules() if isinstance(part, _BatchNorm)]
        if self.batch_norms and self.processes.ranks > 1 and settings.accumulation > 1:
            message = f"is {settings.accumulation}; BatchNorm of several processes counts a whole batch. Set it to 1"
            raise SettingError("train.accumulation", f"{message}, or norm = 'group'.")
        # The seeds of loss scaling are torch's; in other precisions the scaler does nothing.
        self.scaler = torch.amp.GradScaler(prepared.device.type, enabled=self.precision == "fp16")
        self.ema = None if settings.average is None else ExponentialAverage(self._learning, settings.average)
        network = self._trained()
        if until is None:
            self.frozen.hold(0)  # so that processes exchange no gradients of what never has any
        if self.processes.ranks > 1:
            network = DistributedDataParallel(network, find_unused_parameters=until is not None)
        self.network: Any = torch.compile(network) if settings.compile else network
        # On a GPU, a look at a number waits for it; there a bad one is seen a step later, unless it is to be left out.
        self.looks = prepared.device.type == "cpu" or settings.on_bad_number == "skip"

    @property
    def evaluated_model(self) -> Classifier:
        """The network that is validated and kept: with an average, that one between the same features and labels."""
        if self.ema is None:
            return self.model
        averaged, mean = copy.copy(self.model), self.ema.module
        parts = mean if isinstance(mean, nn.ModuleDict) else {self.model.place: mean}
        averaged._modules = {**self.model._modules, **parts}
        return averaged

    def __call__(self, batch: Batch, done: int) -> StepResult:
        """A step, after that many others."""
        self.learning_rate = self.rate_after(done)
        for group in self.steps.param_groups:
            group["lr"] = self.learning_rate * group.get("rate", 1.0)
        self.model.train()
        self.frozen.hold(done)
        statistics = [statistic.clone() for statistic in self._statistics()]
        batch = self.varied(batch)
        heard = None if self.distilled is None else self.heard(self.distilled.teacher, batch)
        spectrogram, target = self.augmented(batch)
        self.steps.zero_grad(set_to_none=True)
        mean = self._backward(spectrogram, target, batch.total or len(target), heard)
        self.scaler.unscale_(self.steps)
        norm = self._clip()
        if self.looks and not self._is_sound(mean, norm):
            self.scaler.update()
            for statistic, before in zip(self._statistics(), statistics, strict=True):
                statistic.copy_(before)
            return StepResult(mean, norm, left_out=True)
        self.scaler.step(self.steps)
        self.scaler.update()
        if self.ema:
            self.ema.update_parameters(self._learning)
        return StepResult(mean, norm)

    def validated(self, batches: Iterator[Batch]) -> dict[str, float | None]:
        """The figures of the network that is kept over batches of a split, by name."""
        model, objective = self.evaluated_model, self.objective
        return evaluate(model, batches, objective, self.precision, self.processes).headline()

    def rate_after(self, done: int) -> float:
        """The learning rate of the step after that many; of the head, where parts have rates of their own."""
        return self.settings.learning_rate * self.rate(done)

    @torch.no_grad()
    def varied(self, batch: Batch) -> Batch:
        """The batch with its waveforms augmented, as the network and its teacher hear them."""
        waveform, target = self._augment("waveform", batch.waveform, batch.target, batch)
        return replace(batch, waveform=waveform, target=target)

    def augmented(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What the network is given of varied waveforms: spectrograms `b m l` and targets `b k`.

        Power spectra are varied first, then what the features make of them. Gradients are kept where features learn.
        """
        with torch.set_grad_enabled(bool(self.learned_features)):
            return self._spectrograms(self.model.features, batch.waveform, batch)

    @torch.no_grad()
    def heard(self, teacher: Teacher, batch: Batch) -> Tensor:
        """What the teacher is given of the same waveforms, varied by the same random numbers: `b m l`."""
        return self._spectrograms(teacher.features, teacher.waveform(batch.waveform), batch)[0]

    def state(self) -> dict[str, Any]:
        """All that moves from step to step; data and augmentation are keyed by epoch and item, and have no state."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.steps.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": self.ema.state_dict() if self.ema else {},
            "random": self.processes.all(self._rng_state()),
        }

    def go_on(self, state: Mapping[str, Any]) -> None:
        """Takes up what `state` left, already checked."""
        self.model.load_state_dict(state["model"])
        self.steps.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        if self.ema:
            self.ema.load_state_dict(state["average"])
        if self.processes.rank < len(state["random"]):
            random = state["random"][self.processes.rank]
            torch.set_rng_state(random["cpu"])
            if len(random["cuda"]) and torch.cuda.is_available():
                torch.cuda.set_rng_state(random["cuda"])

    def _trained(self) -> nn.Module:
        """What is run forward and backward as one, behind the features."""
        return self.model.network

    def _answers(self, x: Tensor, target: Tensor) -> Any:
        """What the network makes of spectrograms, of which the loss is; and of what `augmented` gives beside them."""
        return self.network(x)

    @property
    def _learning(self) -> nn.Module:
        """All that learns: the network behind the features, and these, too, where they do; and heads of pretraining."""
        ahead = ("features",) if self.learned_features else ()
        behind = () if self.model.pretraining is None else ("pretraining",)
        if not ahead + behind:
            return self.model.network
        return nn.ModuleDict({name: self.model.get_submodule(name) for name in (*ahead, self.model.place, *behind)})

    def _expect_whole_graph(self, names: Sequence[str]) -> None:
        """Refuses what would part learned features from the loss: clips that come from other processes, as numbers."""
        for name, (facts, _, _) in zip(names, self.augmentations, strict=True):
            if self.processes.ranks > 1 and facts["on"] == "features" and facts["mixes"]:
                message = f"names {name}, which mixes features of several processes, and the features learn"
                raise SettingError("train.augmentations", f"{message}. Leave it out, or train in one process.")

    def _statistics(self) -> Iterator[Tensor]:
        """What a forward pass moves by itself, and a step that is left out has to put back."""
        return (statistic for norm in (*self.batch_norms, *self.torch_norms) for statistic in norm.buffers())

    def _rng_state(self) -> dict[str, Tensor]:
        on_gpu = next(self.model.network.parameters()).device.type == "cuda"
        return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state() if on_gpu else torch.empty(0)}

    def _spectrograms(self, features: Features, waveform: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        if isinstance(features, PowerFeatures):
            x, target = self._augment("power", features.power(waveform), batch.target, batch)
            x = features.from_power(x)
        else:
            x, target = features(waveform), batch.target
        return self._augment("features", x, target, batch)

    def _backward(self, spectrogram: Tensor, target: Tensor, total: int, heard: Tensor | None) -> Tensor:
        """Gradients of the mean loss over the whole batch, in as many parts as were asked for."""
        rows, own, ranks = len(target), self.processes.count(total), self.processes.ranks
        # Learned features are gone through backward once, with the gradients of all parts.
        x = spectrogram.detach().requires_grad_(spectrogram.requires_grad)
        for norm in self.batch_norms:
            norm.counts = bool(own)
        parts = max(1, min(self.settings.accumulation, rows))
        bounds = [rows * part // parts for part in range(parts + 1)]
        losses = []
        for start, stop in pairwise(bounds):
            if start == stop:
                continue
            # Processes exchange gradients once, after the last part; there the mean over processes is taken, so one
            # with more clips than another counts for more, and one with a borrowed clip for nothing.
            waits = self.network.no_sync() if ranks > 1 and stop < rows else nullcontext()
            share = (stop - start) * ranks / total if own else 0.0
            with waits:
                with autocast(spectrogram.device, self.precision):
                    answers = self._answers(x[start:stop], target[start:stop])
                    part = share * self._loss(answers, target, heard, slice(start, stop))
                self.scaler.scale(part).backward()
            losses.append(part.detach())
        if x.grad is not None:
            spectrogram.backward(x.grad)
            for weight in self.learned_features:
                self.processes.average(weight.grad)
        return torch.stack(losses).sum()

    def _loss(self, answers: Any, target: Tensor, heard: Tensor | None, rows: slice) -> Tensor:
        if self.distilled is None or heard is None:
            return self.objective(answers, target[rows])
        return self.distilled(answers, target[rows], heard[rows])

    def _clip(self) -> Tensor:
        weights = list(self.model.parameters())
        if self.settings.gradient_clip is not None:
            return nn.utils.clip_grad_norm_(weights, self.settings.gradient_clip)
        return nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])

    def _is_sound(self, mean: Tensor, norm: Tensor) -> bool:
        # In fp16 gradients overflow now and then; the scaler leaves those steps out by itself.
        sound = bool(mean.isfinite() if self.precision == "fp16" else mean.isfinite() & norm.isfinite())
        return not self.processes.any(not sound)[0]

    def _augment(self, on: str, x: Tensor, target: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """What the augmentations of one place make of a batch.

        Where they mix clips, every process sees the whole batch, and then goes on with its own clips.
        """
        chosen = [(facts, augment, stream) for facts, augment, stream in self.augmentations if facts["on"] == on]
        processes, items, total = self.processes, batch.items, batch.total or len(target)
        together = processes.ranks > 1 and any(facts["mixes"] for facts, _, _ in chosen)
        if together:
            x, target, items = (processes.whole(part, total) for part in (x, target, items))
        for _, augment, stream in chosen:
            x, target = augment(x, target, Draw(self.settings.seed, batch.epoch, items, stream))
        return (processes.own(x), processes.own(target)) if together else (x, target)
