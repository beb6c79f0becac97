"""Masked pretraining: the step and the figures of a network that tells what is hidden, behind the same loop."""

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from mixkit.data.batches import Batch
from mixkit.draw import Draw
from mixkit.errors import RunError
from mixkit.model.classifier import Classifier
from mixkit.model.masking import MaskedNetwork, MaskedPrediction, Told
from mixkit.model.norms import BatchNorm
from mixkit.model.patches import flexible
from mixkit.recipe.pretrain import Pretrain
from mixkit.runs.pretrained import Pretrained
from mixkit.training.distributed import Processes
from mixkit.training.figures import chosen_by
from mixkit.training.fine_tune import weights_of
from mixkit.training.flexible import FlexibleStep
from mixkit.training.precision import autocast
from mixkit.training.prepare import Prepared
from mixkit.training.progress import RunProgress
from mixkit.training.step import Step

MASK_STREAM = -1
"""The stream of random numbers that places masks; crops and augmentations have those from 0 on."""


class PretrainStep(Step):
    """Hides cells of the clips of a batch, and moves the weights so that they are told.

    Features do not learn in it, which could make what is to be told smaller, and neither do pool and head, which are
    behind what it tells from.
    """

    def __init__(self, prepared: Prepared, processes: Processes | None = None):
        model = prepared.model
        for name, weight in weights_of(model.features, model.mixer).items():
            if name.startswith(("features.", "pool.", "head.")):
                weight.requires_grad_(False)
        super().__init__(prepared, processes)

    def varied(self, batch: Batch) -> Batch:
        """The batch with its waveforms augmented."""
        # One class in the place of none: processes that mix clips exchange the targets.
        return super().varied(replace(batch, target=batch.waveform.new_zeros(len(batch.items), 1)))

    def augmented(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What the network is given of varied waveforms: spectrograms `b m l`, and the cells that are hidden, `b k`."""
        x, _ = super().augmented(batch)
        return x, _prediction(self.model).masks(Draw(self.settings.seed, batch.epoch, batch.items, MASK_STREAM))

    def validated(self, batches: Iterator[Batch]) -> dict[str, float | None]:
        """The figures of the network that is kept over batches of a split, by name."""
        return {**masked_figures(self.evaluated_model, batches, self.precision, self.processes)}

    def _trained(self) -> nn.Module:
        """The network and the heads of pretraining."""
        return MaskedNetwork(self.model.mixer, _prediction(self.model))

    def _answers(self, x: Tensor, target: Tensor) -> Told:
        """How well the network tells what is hidden."""
        told: Told = self.network(x, target)
        return told

    def _loss(self, answers: Told, target: Tensor, heard: Tensor | None, rows: slice) -> Tensor:
        settings = _settings(self.model)
        return settings.contrastive * answers.contrastive.mean() + settings.reconstruction * answers.error.mean()


def step_of(prepared: Prepared, processes: Processes | None = None, class_weights: Tensor | None = None) -> Step:
    """The step that a recipe asks for: training, or pretraining.

    Args:
        prepared: network, device and settings; the network is moved to the device.
        processes: that share each batch.
        class_weights: of the loss of a training, one factor a class, `k`, or None.
    """
    if prepared.recipe.pretrain is not None:
        return PretrainStep(prepared, processes)
    kind = FlexibleStep if flexible(prepared.recipe) else Step
    return kind(prepared, processes, class_weights)


def results_of(prepared: Prepared, progress: RunProgress) -> Pretrained:
    """What a pretraining came to; its figures are those of the best epoch, as they were when it ended."""
    recipe, clips = prepared.recipe, prepared.splits.clips
    return Pretrained(
        recipe=recipe.name,
        task=recipe.task.name,
        protocol=prepared.splits.protocol,
        clips=len(clips["train"]),
        held_out=len(clips["valid"]),
        seed=recipe.train.seed,
        epochs=progress.epochs,
        best_epoch=progress.best["epoch"],
        chosen_by=chosen_by(recipe.best),
        parameters=sum(p.numel() for p in prepared.model.parameters()),
        valid=progress.best["valid"],
        skipped=tuple(one.to_json() for one in prepared.splits.skipped),
    )


def masked_figures(
    model: Classifier, batches: Iterator[Batch], precision: str, processes: Processes | None = None
) -> dict[str, float]:
    """How well a pretrained network tells what is hidden, mean over the clips of a split: `loss`, and the two parts.

    A clip has the same cells hidden each time.

    Args:
        model: of a recipe that pretrains.
        batches: on the model's device, a row for each clip.
        precision: `float32`, `bf16` or `fp16`, of matrix products.
        processes: that share each batch; all of them get the same figures.

    Raises:
        RunError: the network gives numbers that are not finite.
    """
    processes, prediction, settings = processes or Processes(), _prediction(model), _settings(model)
    network, training = MaskedNetwork(model.mixer, prediction).eval(), model.training
    norms = [part for part in model.mixer.modules() if isinstance(part, BatchNorm)]
    model.eval()
    total = torch.zeros(4, dtype=torch.float64)
    with torch.inference_mode():
        for batch in batches:
            # A borrowed clip keeps step where norms ask all processes, and is counted elsewhere.
            own = processes.count(batch.total or len(batch.items))
            for norm in norms:
                norm.counts = bool(own)
            hidden = prediction.masks(Draw(model.recipe.train.seed, 0, batch.items, MASK_STREAM))
            with autocast(batch.waveform.device, precision):
                found = network(model.features(batch.waveform), hidden)
            if own:
                total += torch.stack([*(part.double().sum() for part in found), hidden.new_tensor(own)]).cpu()
    model.train(training)
    contrastive, accuracy, error, clips = torch.stack(processes.all(total)).sum(0).tolist()
    loss = (settings.contrastive * contrastive + settings.reconstruction * error) / clips
    if not math.isfinite(loss):
        raise RunError("the network tells hidden cells by numbers that are not finite. Lower train.learning_rate.")
    return {"loss": loss, "contrastive_accuracy": accuracy / clips, "reconstruction_error": error / clips}


def _prediction(model: Classifier) -> MaskedPrediction:
    assert model.pretraining is not None, "the recipe pretrains"
    return model.pretraining


def _settings(model: Classifier) -> Pretrain:
    assert model.recipe.pretrain is not None, "the recipe pretrains"
    return model.recipe.pretrain
