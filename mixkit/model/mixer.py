"""The network of a recipe: spectrogram in, logits out."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mixkit.model.block import MixerBlock
from mixkit.model.patches import Patches, patch_grid
from mixkit.model.site import Site
from mixkit.recipe.schema import Model
from mixkit.registry import head


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

    @property
    def layers(self) -> tuple[MixerBlock, ...]:
        """The blocks by their type, which `nn.Sequential` forgets."""
        return tuple(cast(MixerBlock, block) for block in self.blocks)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of log-mel spectrograms."""
        return self.head(self.embed(x))

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


def _embedding(tokens: int, width: int) -> nn.Parameter | None:
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(1, tokens, width), std=0.02)) if tokens else None
