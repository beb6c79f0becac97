"""The network of a recipe: spectrogram in, logits out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mixkit.model.activations import ACTIVATIONS
from mixkit.model.block import MixerBlock
from mixkit.model.estimate import expect_network
from mixkit.model.norms import BatchNorm, norm_layer
from mixkit.recipe.schema import Model
from mixkit.registry import Downsample, Grid, Site, downsample, head, pool, stem


class Mixer(nn.Module):
    """Stem, prefix and position, stages of blocks, norm, pool, head.

    Shape: `b m l -> b k`.

    Args:
        model: the network as data.
        bins: mel bins of the input.
        frames: frames of the input.
        classes: how many there are to tell apart.

    Attributes:
        sites: where each layer's block stands; layers are counted over all stages.
        checkpointing: whether training computes activations twice instead of keeping them.

    Raises:
        MixkitError: a setting that cannot work at this size.
    """

    def __init__(self, model: Model, bins: int, frames: int, classes: int):
        super().__init__()
        expect_network(model, bins, frames, classes)
        self.checkpointing = False
        stages = model.pyramid
        self.stem = stem.build(model.stem, bins, frames, stages[0].width)
        self.prefix = _embedding(model.prefix, stages[0].width)
        self.position, self.frequencies, self.times = _positions(model, self.stem.grid, stages[0].width)
        self.blocks = nn.Sequential()
        self.downsamples = nn.ModuleDict()
        """Each under the number of the layer that follows it."""
        sites: list[Site] = []
        grid = self.stem.grid
        for before, stage in zip((None, *stages), stages, strict=False):
            if before is not None and stage.downsample is not None:
                coarser = downsample.build(stage.downsample, grid, before.width, stage.width)
                self.downsamples[str(len(sites))] = cast(nn.Module, coarser)
                grid = coarser.grid
            first = len(sites)
            for number in range(stage.depth):
                site = Site(grid, stage.width, first + number, model.depth, model.prefix, first)
                sites.append(site)
                self.blocks.append(MixerBlock(stage.pattern[number % len(stage.pattern)], site, model.norm_eps))
        self.sites = tuple(sites)
        self.norm = norm_layer(model.norm, model.width, model.norm_eps)
        self.activation = nn.Identity() if model.activation is None else ACTIVATIONS[model.activation]()
        assert model.pool is not None  # the model has filled it in
        self.pool = pool.build(model.pool, self.sites[-1])
        self.head = head.build(model.head, model.width, classes)

    @property
    def layers(self) -> tuple[MixerBlock, ...]:
        """The blocks by their type, which `nn.Sequential` forgets."""
        return tuple(cast(MixerBlock, block) for block in self.blocks)

    @property
    def places(self) -> tuple[tuple[int, int], tuple[float, float]]:
        """Bins and frames from one place of the last grid to the next, and where the middle of the first lies."""
        step, first = self.stem.step, self.stem.first
        for made in self.downsamples.values():
            coarser = cast(Downsample, made)
            first = (first[0] + step[0] * coarser.first[0], first[1] + step[1] * coarser.first[1])
            step = (step[0] * coarser.step[0], step[1] * coarser.step[1])
        return step, first

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of spectrograms."""
        return self.head(self.embed(x))

    def embed(self, x: Tensor) -> Tensor:
        """The pooled vector ahead of the head: `b m l -> b c`."""
        return self.pool(self._tokens(x))

    def tokens(self, x: Tensor, change: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """The tokens of the grid behind the last block, norm and activation: `b m l -> b (f t) c`.

        Args:
            x: spectrograms.
            change: what is done to the stem's tokens ahead of all else.
        """
        return self._tokens(x, change)[:, self.sites[-1].prefix :]

    def _tokens(self, x: Tensor, change: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        x = self.stem(x) if change is None else change(self.stem(x))
        if self.prefix is not None:
            x = torch.cat([self.prefix.expand(x.shape[0], -1, -1).to(x.dtype), x], dim=1)
        if self.position is not None:
            x = x + self.position
        if self.frequencies is not None and self.times is not None:
            places = (self.frequencies[:, :, None] + self.times[:, None]).flatten(1, 2)
            x = x + nn.functional.pad(places, (0, 0, self.sites[0].prefix, 0))
        for layer, block in enumerate(self.blocks):
            if str(layer) in self.downsamples:
                x = self.downsamples[str(layer)](x)
            x = _twice(block, x) if self.checkpointing and self.training else block(x)
        out: Tensor = self.activation(self.norm(x))
        return out


def _positions(model: Model, grid: Grid, width: int) -> tuple[nn.Parameter | None, ...]:
    """What is added to the tokens: to each, prefix tokens included; or to each frequency, and to each time."""
    whole, axes = model.positional == "whole", model.positional == "axes"
    return (
        _embedding(whole * (model.prefix + grid.tokens), width),
        _embedding(axes * grid.frequency, width),
        _embedding(axes * grid.time, width),
    )


def _embedding(tokens: int, width: int) -> nn.Parameter | None:
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(1, tokens, width), std=0.02)) if tokens else None


def _twice(block: nn.Module, x: Tensor) -> Tensor:
    """The block applied, its activations forgotten and computed again when gradients are."""
    norms = [part for part in block.modules() if isinstance(part, BatchNorm)]
    if not norms:
        return cast(Tensor, checkpoint(block, x, use_reentrant=False))
    return cast(
        Tensor,
        checkpoint(block, x, use_reentrant=False, context_fn=lambda: (nullcontext(), _recomputing(norms))),
    )


@contextmanager
def _recomputing(norms: list[BatchNorm]) -> Iterator[None]:
    for norm in norms:
        norm.recomputes = True
    try:
        yield
    finally:
        for norm in norms:
            norm.recomputes = False
