"""The teacher of a run: a trained network that hears the same clips, and whose answers are learned beside the labels.

It is loaded from its run, evaluates, has no gradient, and stays outside the network that learns: what is saved,
averaged, evaluated and exported is that network alone.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
import torchaudio
from torch import Tensor, nn

from mixkit.audio.resample import nearest_ratio
from mixkit.checkpoints.weights import load, located
from mixkit.errors import DamagedError, SettingError, printable
from mixkit.model.cost import costs
from mixkit.plugins.load import loaded_plugins
from mixkit.recipe.schema import Recipe
from mixkit.registry import Features, Loss, PowerFeatures, augmentation, distillation, loss
from mixkit.runs.clips import RunClip
from mixkit.tasks.clip import some


class Teacher:
    """A trained network that another one learns from.

    Args:
        recipe: of the network that learns; names the run of the teacher.
        features: of that network.
        labels: of its classes, in their order; None where they are not known, for those of the teacher.

    Raises:
        RunError: there is no such run, or it has no weights yet.
        DamagedError: its weights are not what was written.
        TrustError: it needs a plugin that is not loaded.
        SettingError: it cannot hear what the network hears, or knows too few of its classes.
    """

    def __init__(self, recipe: Recipe, features: Features, labels: Sequence[str] | None = None):
        self.path: str = recipe.train.teacher or ""
        named = Path(os.path.expanduser(self.path)).absolute()  # noqa: PTH111 - keeps an unknown ~name
        self.model = load(named, plugins=loaded_plugins()).requires_grad_(False)
        with located(named)[0].open("rb") as file:
            self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        theirs, own = self.model.labels, self.model.labels if labels is None else tuple(labels)
        self.known = [place for place, label in enumerate(own) if label in theirs]
        self.columns = [theirs.index(own[place]) for place in self.known]
        self.missing = tuple(label for label in own if label not in theirs)
        self.unknown = tuple(label for label in theirs if label not in own)
        self.multi_label, self.own_multi_label = _is_multi_label(recipe), _is_multi_label(self.model.recipe)
        self._expect_classes(recipe)
        self._expect_same_variation(recipe, features)
        old, new = nearest_ratio(recipe.task.params["sample_rate"], self.model.sample_rate)
        self.resampler: nn.Module = nn.Identity() if old == new else torchaudio.transforms.Resample(old, new)

    @property
    def features(self) -> Features:
        """Its own."""
        return self.model.features

    @property
    def name(self) -> str:
        """Its run, and what it is: `runs/big/001 (ast)`."""
        return f"{self.path} ({self.model.recipe.name})"

    @property
    def parameters(self) -> int:
        """How many it has."""
        return sum(weight.numel() for weight in self.model.parameters())

    def to(self, device: torch.device) -> None:
        """Moves all of it to a device."""
        self.model.to(device)
        self.resampler.to(device)

    def waveform(self, x: Tensor) -> Tensor:
        """Waveforms of the other network at the sample rate and in the length that this one takes: `b s -> b s`."""
        found: Tensor = self.model.length(self.resampler(x))
        return found

    @torch.no_grad()
    def __call__(self, spectrogram: Tensor) -> Tensor:
        """What it says of the classes that it knows, in their order, as logits of the loss that is trained with.

        Where it was trained with classes that exclude each other and the other network is not, or the other way round,
        the logits are those that give the same scores.
        """
        logits = self.model.network(spectrogram).float()
        if self.own_multi_label and not self.multi_label:
            logits = nn.functional.logsigmoid(logits)
        elif self.multi_label and not self.own_multi_label:
            logits = logits.softmax(1).logit(eps=1e-6)
        return logits[:, self.columns]

    def learned_from(self, clips: Iterable[RunClip]) -> tuple[str, ...]:
        """Of the clips that are held out, those that it has learned from; none where its run keeps no list."""
        kept = self.model.trained_on
        try:
            known = () if kept is None else kept.read()
        except DamagedError:  # of weights that were copied alone
            return ()
        learned = ("train", "valid") if self.model.refit else ("train",)
        heard = {_content(clip) for clip in known if clip.split in learned and clip.skipped is None}
        return tuple(clip.path for clip in clips if clip.split != "train" and _content(clip) in heard)

    def work(self, recipe: Recipe, features: Features, classes: int) -> str:
        """What it adds to the work of a step, in a sentence.

        Args:
            recipe: of the network that learns.
            features: of that network.
            classes: that it tells apart.
        """
        own, its = self.model.recipe, self.features
        heard = sum(row.flops for row in costs(own.architecture, its.bins, its.frames, len(self.model.labels)))
        learns = sum(row.flops for row in costs(recipe.architecture, features.bins, features.frames, classes))
        more = (3 * learns + heard) / (3 * learns)  # backward computes twice what forward does
        return (
            f"For each clip the teacher computes {heard / 1e6:,.1f} MFLOP beside {learns / 1e6:,.1f} of the network, "
            f"forward: a step is about {more:.1f} times the work."
        )

    def to_json(self) -> dict[str, Any]:
        """For the records of a run."""
        words = {"recipe": self.model.recipe.name, "missing": self.missing, "unknown": self.unknown}
        return {"path": self.path, "sha256": self.sha256, "parameters": self.parameters, **words}

    def __str__(self) -> str:
        text = f"Taught by {printable(self.path)} ({printable(self.model.recipe.name)}, {self.parameters:,} parameters)"
        if self.missing:
            text += f". It does not know {some(self.missing)}: there the labels teach alone"
        if self.unknown:
            text += f". What it knows beside the classes here is left aside: {some(self.unknown)}"
        return f"{text}."

    def _expect_classes(self, recipe: Recipe) -> None:
        least = 1 if self.multi_label else 2
        if len(self.known) < least:
            names = some([self.model.labels[place] for place in self.columns]) or "none"
            raise SettingError(
                "train.teacher",
                f"names {printable(self.path)}, which knows {names} of the classes of {recipe.task.name}; "
                f"{least} is the least. Its own are {some(self.model.labels, 10)}. Take one that was trained on them.",
            )

    def _expect_same_variation(self, recipe: Recipe, features: Features) -> None:
        """Refuses augmentations of spectrograms that would not do the same to those of both."""
        chosen = [(spec.name, augmentation.entry(spec.name).facts["on"]) for spec in recipe.all_augmentations]
        names = [name for name, on in chosen if on != "waveform"]
        seconds = recipe.task.params["seconds"], self.model.recipe.task.params["seconds"]
        sizes = [(one.bins, one.frames, length) for one, length in zip((features, self.features), seconds, strict=True)]
        if names and sizes[0] != sizes[1]:
            own, its = (f"{bins} bins x {frames} frames of {length:g} s" for bins, frames, length in sizes)
            raise SettingError(
                "train.teacher",
                f"hears {its}, and this network {own}: {some(names, 9)} would vary other sounds in one than in the "
                "other. Give both the same features and seconds, or leave these out of train.augmentations and "
                "task.augmentations.",
            )
        powers = [name for name, on in chosen if on == "power"]
        if powers and not isinstance(self.features, PowerFeatures):
            raise SettingError(
                "train.teacher",
                f"has features {self.model.recipe.features.name!r}, which have no power spectra for "
                f"{some(powers, 9)} to vary. Leave these out, or take a teacher with features such as log_mel.",
            )


class Distilled:
    """The loss of a network with a teacher: `(1 - weight) labels + weight teacher`.

    Classes that the teacher does not know are left out of what it teaches, and so are, where classes exclude each
    other, clips of those classes: nothing that it could say of them would be right.

    Args:
        objective: the loss of the labels.
        recipe: says how is learned from the teacher.
        teacher: of the network.
    """

    def __init__(self, objective: Loss, recipe: Recipe, teacher: Teacher):
        assert recipe.train.distillation is not None, "the recipe has filled it in"
        self.objective, self.teacher = objective, teacher
        self.distance = distillation.build(recipe.train.distillation, teacher.multi_label)

    def __call__(self, logits: Tensor, target: Tensor, heard: Tensor) -> Tensor:
        """The mean loss of a batch.

        Args:
            logits: of the network, `b k`.
            target: `b k`.
            heard: the spectrograms that the teacher hears, `b m l`.
        """
        known = self.teacher.known
        apart = self.distance(logits[:, known].float(), self.teacher(heard))
        if not self.teacher.multi_label:
            apart = apart * target[:, known].sum(1)
        weight = self.distance.weight
        return (1 - weight) * self.objective(logits, target) + weight * apart.mean()


def _is_multi_label(recipe: Recipe) -> bool:
    """Whether a recipe trains each class by itself."""
    found: bool = loss.entry(recipe.train.loss.name).facts["multi_label"]
    return found


def _content(clip: RunClip) -> tuple[str, float | None, float | None]:
    return clip.sha256, clip.start, clip.stop
