"""Every kind that a recipe can name: what each is given and gives back, as a protocol, and the registry of its names.

The protocols are structural: what is registered needs no base class, only these parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from mixkit.registry.registry import Registry
from mixkit.registry.site import Grid

if TYPE_CHECKING:  # torch takes seconds to import, and a list of names needs none of it
    import torch
    from torch import Tensor, nn

    from mixkit.draw import Draw
    from mixkit.registry.site import Grid


@dataclass(frozen=True)
class Clip:
    """A labelled stretch of a recording.

    Args:
        path: the audio file.
        label: what is heard; in a multi-label set, all of it in words, such as `dog;rain`.
        group: speaker, source recording or device; clips of one group stay in one split.
        start: where the stretch begins, seconds; None for the beginning of the file.
        stop: where it ends, seconds; None for the end of the file.
        tags: in a multi-label set, every label that is heard, and none where nothing is; None in any other set.
    """

    path: Path
    label: str
    group: str
    start: float | None = None
    stop: float | None = None
    tags: tuple[str, ...] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label of the clip: exactly one, unless the set is multi-label."""
        return (self.label,) if self.tags is None else self.tags


class Task(Protocol):
    """Where labelled clips come from. A task lists them; it never opens one.

    A task whose clips have several labels each, or none, has a setting `multi_label`, which is True, and gives every
    clip its `tags`. A task without that setting has one label a clip.
    """

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label, in the order of the model's classes."""

    @property
    def folds(self) -> tuple[str, ...]:
        """Names of the folds that the data come in, in order; empty where there are none."""

    @property
    def protocol(self) -> str:
        """By what rule clips came into the splits; it stands beside every figure."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the listing: clips missing, listed twice, left out. Reading it lists the clips."""

    def clips(self, split: str) -> tuple[Clip, ...]:
        """The clips of `train`, `valid` or `test`, in the same order every time."""

    @property
    def sample_rate(self) -> int:
        """Hz, as the model takes it."""

    @property
    def seconds(self) -> float:
        """Length of a clip as the model takes it."""


@runtime_checkable
class Counted(Protocol):
    """A task that knows how many clips a split has without listing them, since that would make the recordings."""

    def count(self, split: str) -> int:
        """Clips of `train`, `valid` or `test`."""


class TorchModule(Protocol):
    """What mixkit calls of a `torch.nn.Module`; features, augmentations, heads and losses are modules."""

    training: bool

    def train(self, mode: bool = True) -> Self:
        """Sets training, or evaluation."""

    def eval(self) -> Self:
        """Sets evaluation."""

    def to(self, device: torch.device | None = None) -> Self:
        """Moves all tensors to a device."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """What it learns."""

    def state_dict(self) -> dict[str, Any]:
        """All tensors that are kept."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> object:
        """Takes up what `state_dict` gave."""


class Features(TorchModule, Protocol):
    """Waveforms `b s` to spectrograms `b m l`; built of a sample rate and the seconds of a clip.

    Waveforms come in one length: `task.pad` and `task.crop` say how others come to it, for all features alike.
    """

    samples: int
    """Of each waveform, s."""
    bins: int
    """Frequencies of the spectrogram, m."""
    frames: int
    """Moments of the spectrogram, l."""
    needs_measuring: bool
    """Whether `measure` is to be called with the training set first; see `Measurable`."""

    def __call__(self, waveform: Tensor, /) -> Tensor:
        """Spectrograms of a batch of waveforms."""


@runtime_checkable
class Measurable(Protocol):
    """Features that learn a mean, or the like, from a training set."""

    def measure(self, clips: Iterable[Tensor]) -> None:
        """Looks at all clips of a training set, waveforms `s` cut to `samples` but not padded."""


@runtime_checkable
class PowerFeatures(Protocol):
    """Features that are made of a power spectrum, which augmentations can vary before it is compressed."""

    def power(self, waveform: Tensor) -> Tensor:
        """The power of a batch of waveforms: `b s -> b m l`, none of it below 0."""

    def from_power(self, power: Tensor) -> Tensor:
        """The spectrograms of what `power` gave: together they are what a call gives."""


class Augmentation(TorchModule, Protocol):
    """A random variation of training clips; built of the sample rate.

    Its decorator says `on` what it works: waveforms `b s`, power spectra `b m l` or features `b m l`; in `scales` which
    of its settings `train.augment_strength` multiplies, all of them at 0 leaving clips as they are; and by `mixes` that
    clips of a batch mingle, which several processes then put together first.
    """

    def __call__(self, x: Tensor, target: Tensor, draw: Draw, /) -> tuple[Tensor, Tensor]:
        """Clips and targets `b k`, varied; in evaluation mode what came. All randomness is drawn from `draw`."""


class Operator(Protocol):
    """Mixes the tokens of a spectrogram, `b n c -> b n c`; a `torch.nn.Module`, built of the site where it stands."""

    def __call__(self, x: Tensor, /) -> Tensor:
        """The tokens, mixed."""


class Stem(TorchModule, Protocol):
    """Spectrograms `b m l` to tokens on a grid, `b (f t) c`; built of the bins m, the frames l and the width c."""

    grid: Grid
    """Of the tokens."""
    step: tuple[int, int]
    """Bins and frames from one token to the next."""
    first: tuple[float, float]
    """Where the middle of the first token lies, in bins and frames; 0 is the middle of the first of them."""

    def __call__(self, x: Tensor, /) -> Tensor:
        """Tokens of a batch of spectrograms."""


class Downsample(TorchModule, Protocol):
    """Tokens `b (f t) c` to fewer of another width, between two stages; built of the grid, the width and the new one.

    What it says of the grid is what a `Stem` says, with tokens of the grid ahead in the place of bins and frames.
    """

    grid: Grid
    step: tuple[int, int]
    first: tuple[float, float]

    def __call__(self, x: Tensor, /) -> Tensor:
        """Fewer tokens."""


class Pool(TorchModule, Protocol):
    """The tokens of the last block, `b n c`, to a vector `b c`; built of the site of that block."""

    def __call__(self, x: Tensor, /) -> Tensor:
        """Pooled vectors of a batch."""


class Head(TorchModule, Protocol):
    """The pooled vectors `b c` to logits `b k`; built of the width c and the number of classes k."""

    def __call__(self, x: Tensor, /) -> Tensor:
        """Logits of a batch of pooled vectors."""


class Loss(TorchModule, Protocol):
    """What training makes smaller; built of a factor for each class, or None."""

    def __call__(self, logits: Tensor, target: Tensor, /) -> Tensor:
        """The mean loss of a batch, one number; target `b k` has a share for each class."""

    def scores(self, logits: Tensor, /) -> Tensor:
        """Probabilities, `b k -> b k`."""


class Metric(Protocol):
    """A number for a whole split."""

    def __call__(self, scores: Tensor, target: Tensor, /) -> float | Tensor:
        """From scores and targets, both `n k`; not-a-number where the split does not determine it.

        One that says `per_class` in its decorator gives `k` numbers.
        """


class Schedule(Protocol):
    """The learning rate over a run, as a factor of its highest value; built of the updates of a run and of an epoch.

    The update after `step` others has done the share `step / steps` of the run, whatever its length was said in.
    """

    def __call__(self, step: int, /) -> float:
        """The factor for the update after that many others."""


class StartingWeights(Protocol):
    """What a network was given of other weights, as it is recorded; made by copying into a network's parameters."""

    @property
    def parameters(self) -> int:
        """How many of the network's parameters start from them."""

    @property
    def of(self) -> int:
        """How many the network has."""

    def to_json(self) -> dict[str, Any]:
        """For the records of a run."""


def lacks(thing: object, protocol: type) -> str | None:
    """The first part of a protocol of this file that a thing lacks; None where it has them all."""
    parts = (name for name in (*protocol.__annotations__, *vars(protocol)) if not name.startswith("_"))
    return next((name for name in parts if not hasattr(thing, name)), None)


operator: Registry[Operator] = Registry("operator", "mixkit.operators", ("site",), mixes=Registry.REQUIRED, paper="")
task: Registry[Task] = Registry("task", "mixkit.tasks")
features: Registry[Features] = Registry("features", "mixkit.audio", ("sample_rate", "seconds"))
augmentation: Registry[Augmentation] = Registry(
    "augmentation", "mixkit.audio", ("sample_rate",), on=Registry.REQUIRED, mixes=False, scales=(), paper=""
)
stem: Registry[Stem] = Registry("stem", "mixkit.model", ("bins", "frames", "width"), paper="")
downsample: Registry[Downsample] = Registry("downsample", "mixkit.model", ("grid", "width", "wider"), paper="")
pool: Registry[Pool] = Registry("pool", "mixkit.model", ("site",), paper="")
head: Registry[Head] = Registry("head", "mixkit.model", ("width", "classes"))
loss: Registry[Loss] = Registry("loss", "mixkit.training", ("class_weights",), multi_label=False)
metric: Registry[Metric] = Registry(
    "metric",
    "mixkit.training",
    title="",
    several_title="",
    percent=False,
    lower_is_better=False,
    macro=False,
    per_class="",
    place=(0, 0),
)
optimizer: Registry[torch.optim.Optimizer] = Registry("optimizer", "mixkit.training", ("parameters", "learning_rate"))
schedule: Registry[Schedule] = Registry("schedule", "mixkit.training", ("steps", "steps_per_epoch"))
weights: Registry[StartingWeights] = Registry("weights", "mixkit.weights", ("mixer",), paper="")

REGISTRIES: Mapping[str, Registry[object]] = {
    registry.kind: registry
    for registry in (
        operator,
        task,
        features,
        augmentation,
        stem,
        downsample,
        pool,
        head,
        loss,
        metric,
        optimizer,
        schedule,
        weights,
    )
}

PLURALS: Mapping[str, str] = {
    kind: {"loss": "losses"}.get(kind, kind if kind.endswith("s") else f"{kind}s") for kind in REGISTRIES
}
