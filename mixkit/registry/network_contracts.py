"""Contracts of the parts of a network, and of what it is trained and measured with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from mixkit.registry.contract import TorchModule
from mixkit.registry.site import Grid

if TYPE_CHECKING:
    from torch import Tensor, nn


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


class Network(TorchModule, Protocol):
    """A whole classifier, features `b m l` to logits `b k`; built of the bins m, the frames l and the classes k.

    It stands where a recipe has a network in the place of a model. One that takes waveforms takes them from features
    that leave them as they are, `b 1 s`: its one bin has a frame a sample.
    """

    @property
    def head(self) -> nn.Module:
        """The part that gives the logits: what comes to it, `b c`, is what `mixkit embed` writes."""

    def __call__(self, x: Tensor, /) -> Tensor:
        """Logits of a batch of spectrograms."""


@runtime_checkable
class Fitting(Protocol):
    """A network that can take weights of another form than its own, such as those for photographs."""

    def fitted(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights from a file by the names of this network, as far as there are any for it."""


@runtime_checkable
class Checkpointed(Protocol):
    """A network that can compute activations twice instead of keeping them."""

    checkpointing: bool
    """Whether training does; `train.checkpointing` sets it."""


class Loss(TorchModule, Protocol):
    """What training makes smaller; built of a factor for each class, or None."""

    def __call__(self, logits: Tensor, target: Tensor, /) -> Tensor:
        """The mean loss of a batch, one number; target `b k` has a share for each class."""

    def scores(self, logits: Tensor, /) -> Tensor:
        """Probabilities, `b k -> b k`."""


class Distillation(Protocol):
    """How far a network is from its teacher; built of whether each class is asked for by itself, as `bce` does."""

    weight: float
    """Share of the whole loss that this is; the labels have the rest."""

    def __call__(self, logits: Tensor, taught: Tensor, /) -> Tensor:
        """A number for each clip, `b`, from the logits of both, `b k`; gradients go to the first alone."""


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
