"""The network of a recipe: log-mel in, logits out; and with its features in front, waveform in."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mixkit.errors import SettingError
from mixkit.model.block import MixerBlock
from mixkit.model.patches import Patches, patch_grid
from mixkit.model.site import Site
from mixkit.recipe.schema import Model, Recipe
from mixkit.registry import features, head

if TYPE_CHECKING:
    from mixkit.prediction import Prediction


class Mixer(nn.Module):
    """Patches, prefix and position, blocks tiled over the depth, norm, pooling, head.

    Shape: `b m l -> b k`.

    Args:
        model: the network as data.
        bins: mel bins of the input.
        frames: frames of the input.
        classes: how many there are to tell apart.

    Raises:
        MixkitError: a setting that cannot work at this size.
    """

    def __init__(self, model: Model, bins: int, frames: int, classes: int):
        super().__init__()
        self.grid = patch_grid(bins, frames, model.patch, model.stride)
        self.pool = model.pool
        self.checkpointing = False
        """Whether training computes activations twice instead of keeping them."""
        self.patches = Patches(model.width, model.patch, model.stride)
        sites = [Site(self.grid, model.width, layer, model.depth, model.prefix) for layer in range(model.depth)]
        self.prefix = _embedding(model.prefix, model.width)
        self.position = _embedding(sites[0].tokens if model.positional else 0, model.width)
        self.blocks = nn.Sequential(
            *(MixerBlock(model.pattern[site.layer % len(model.pattern)], site, model.norm_eps) for site in sites)
        )
        self.norm = nn.LayerNorm(model.width, eps=model.norm_eps)
        self.head = head.build(model.head, model.width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of log-mel spectrograms."""
        logits: Tensor = self.head(self.embed(x))
        return logits

    def embed(self, x: Tensor) -> Tensor:
        """The pooled vector ahead of the head: `b m l -> b c`."""
        prefix, grid = self._tokens(x)
        return prefix.mean(1) if self.pool == "prefix" else grid.mean(1)

    def tokens(self, x: Tensor) -> Tensor:
        """The tokens of the grid behind the last block and the norm: `b m l -> b (f t) c`."""
        return self._tokens(x)[1]

    def _tokens(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.patches(x)
        if self.prefix is not None:
            x = torch.cat([self.prefix.expand(x.shape[0], -1, -1).to(x.dtype), x], dim=1)
        if self.position is not None:
            x = x + self.position
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False) if self.checkpointing and self.training else block(x)
        x = self.norm(x)
        prefix = 0 if self.prefix is None else self.prefix.shape[1]
        return x[:, :prefix], x[:, prefix:]


class Classifier(nn.Module):
    """A whole recipe as one network.

    Shape: waveform `b s -> b k` logits; any length, cut or padded with silence to what the recipe says.

    Args:
        recipe: the features and the network.
        classes: how many there are to tell apart.
    """

    def __init__(self, recipe: Recipe, classes: int):
        super().__init__()
        self.recipe = recipe
        self.labels: tuple[str, ...] = ()
        self.multi_label: bool = recipe.task.params.get("multi_label", False)
        self.features = listener(recipe)
        self.sample_rate: int = recipe.task.params["sample_rate"]
        self.mixer = Mixer(recipe.model, self.features.bins, self.features.frames, classes)

    def forward(self, waveform: Tensor) -> Tensor:
        """Logits of a batch of waveforms."""
        logits: Tensor = self.mixer(self.features(waveform))
        return logits

    def predict(self, sound: Any, sample_rate: int | None = None, overlap: float = 0.5) -> "Prediction":
        """How likely each class is in a recording of any length, sample rate and channel count.

        Args:
            sound: a path, or a waveform `s` or `channels s` as tensor or NumPy array, from -1 to 1.
            sample_rate: of a waveform, in Hz; a file says its own.
            overlap: share of a window that the next one hears again, at least; 0 to 0.95.

        Raises:
            MixkitError: the network has no labels, or an argument is not as it has to be.
            DataError: the sound cannot be used.
        """
        from mixkit.prediction import predict

        return predict(self, sound, sample_rate, overlap)

    def embed(self, sound: Any, sample_rate: int | None = None, overlap: float = 0.5) -> Tensor:
        """A recording as one vector, the pooled tokens ahead of the head, averaged over its windows: `c`.

        Args:
            sound: a path, or a waveform `s` or `channels s` as tensor or NumPy array, from -1 to 1.
            sample_rate: of a waveform, in Hz; a file says its own.
            overlap: share of a window that the next one hears again, at least; 0 to 0.95.

        Returns:
            float32 on the CPU; as many values as the recipe's `model.width`.

        Raises:
            MixkitError: an argument is not as it has to be.
            DataError: the sound cannot be used.
        """
        from mixkit.prediction import embed

        return embed(self, sound, sample_rate, overlap)


def listener(recipe: Recipe) -> Any:
    """The features of a recipe, at the sample rate and length of its task.

    Raises:
        SettingError: the task has no setting for one of them, or the features cannot work with it.
    """
    for setting in ("sample_rate", "seconds"):
        if setting not in recipe.task.params:
            raise SettingError("recipe.task", f"is {recipe.task.name!r}, which has no setting {setting!r}. Add it.")
    return features.build(recipe.features, recipe.task.params["sample_rate"], recipe.task.params["seconds"])


def build(recipe: Recipe, classes: int) -> Classifier:
    """The network of a recipe with fresh weights, the same ones for the same `train.seed`.

    Args:
        recipe: what to build.
        classes: how many there are to tell apart.

    Raises:
        MixkitError: a setting that cannot work at this size.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.train.seed)
        return Classifier(recipe, classes)


def _embedding(tokens: int, width: int) -> nn.Parameter | None:
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(1, tokens, width), std=0.02)) if tokens else None
