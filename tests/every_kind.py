"""A plugin of every kind."""

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from mixkit import (
    Clip,
    Grid,
    Site,
    augmentation,
    downsample,
    features,
    head,
    loss,
    metric,
    network,
    operator,
    pool,
    stem,
    task,
)
from mixkit.errors import SettingError


@operator("own_operator", mixes={"channel"})
class OwnOperator(nn.Module):
    """Recombines channels."""

    def __init__(self, site: Site):
        super().__init__()
        self.map = nn.Linear(site.width, site.width)

    def forward(self, x: Tensor) -> Tensor:
        return self.map(x)


@stem("own_stem")
class OwnStem(nn.Module):
    """Makes each column of a spectrogram a token."""

    def __init__(self, bins: int, frames: int, width: int):
        super().__init__()
        self.grid, self.step, self.first = Grid(1, frames), (bins, 1), ((bins - 1) / 2, 0.0)
        self.map = nn.Linear(bins, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.map(x.transpose(1, 2))


@downsample("own_downsample")
class OwnDownsample(nn.Module):
    """Keeps every other token."""

    def __init__(self, grid: Grid, width: int, wider: int):
        super().__init__()
        self.grid, self.step, self.first = Grid(1, -(-grid.tokens // 2)), (1, 2), (0.0, 0.0)
        self.map = nn.Linear(width, wider)

    def forward(self, x: Tensor) -> Tensor:
        return self.map(x[:, ::2])


@pool("own_pool")
class OwnPool(nn.Module):
    """Takes the root of the mean of squares."""

    def __init__(self, site: Site):
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x.square().mean(1).add(1e-5).sqrt()


@task("own_task")
class OwnTask:
    """Recordings named CLASS/NUMBER.wav."""

    labels = ("high", "low")
    folds = ()
    notes = ()
    protocol = "by number"

    def __init__(self, *, root: str = "", sample_rate: int = 16_000, seconds: float = 0.5):
        if not root:
            raise SettingError("root", "is empty. Name the folder.")
        self.root = Path(root)
        self.sample_rate = sample_rate
        self.seconds = seconds

    def clips(self, split: str) -> tuple[Clip, ...]:
        numbers = {"train": (0, 1, 2, 3), "valid": (4,), "test": (5,)}[split]
        return tuple(
            Clip(self.root / label / f"{number}.wav", label, f"{label} {number}")
            for label in self.labels
            for number in numbers
        )


@features("own_features")
class OwnFeatures(nn.Module):
    """Levels of windows, cut in pieces."""

    def __init__(self, sample_rate: int, seconds: float, *, bins: int = 32):
        super().__init__()
        self.bins = bins
        self.samples = round(sample_rate * seconds)
        self.frames = self.samples // (4 * bins)
        self.needs_measuring = False

    def forward(self, waveform: Tensor) -> Tensor:
        waveform = nn.functional.pad(waveform, (0, max(0, self.samples - waveform.shape[1])))
        held = waveform[:, : 4 * self.bins * self.frames].unflatten(1, (self.frames, self.bins, 4))
        return held.square().mean(3).add(1e-5).log().transpose(1, 2) / 4 + 1


@augmentation("own_augmentation", on="waveform")
class OwnAugmentation(nn.Module):
    """Turns a clip upside down, now and then."""

    def __init__(self, sample_rate: int):
        super().__init__()

    def forward(self, x: Tensor, target: Tensor, draw: object) -> tuple[Tensor, Tensor]:
        if not self.training:
            return x, target
        return torch.where(draw.uniform(1) < 0.5, -x, x), target


@head("own_head")
class OwnHead(nn.Module):
    """A weighted sum a class."""

    def __init__(self, width: int, classes: int, *, scale: float = 1.0):
        super().__init__()
        self.scale = scale
        self.map = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.map(x)


@network("own_network")
class OwnNetwork(nn.Module):
    """Listens to each moment for itself, and averages."""

    def __init__(self, bins: int, frames: int, classes: int, *, width: int = 16):
        super().__init__()
        self.map, self.head = nn.Linear(bins, width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.map(x.transpose(1, 2)).relu().mean(1))


@loss("own_loss")
class OwnLoss(nn.Module):
    """Squared distance of shares."""

    def __init__(self, class_weights: Tensor | None):
        super().__init__()

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return (self.scores(logits) - target).square().mean()

    def scores(self, logits: Tensor) -> Tensor:
        return logits.float().softmax(-1)


@metric("own_metric")
class OwnMetric:
    """The mean of the highest scores."""

    def __init__(self, *, power: float = 1.0):
        self.power = power

    def __call__(self, scores: Tensor, target: Tensor) -> float:
        return math.pow(scores.amax(1).mean().item(), self.power)
