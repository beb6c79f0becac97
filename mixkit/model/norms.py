"""Norms of tokens `b n c`, by their names in a recipe."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed import nn as across
from torch.nn import functional

from mixkit.recipe.schema import Norm

MOMENTUM = 0.1


class GridNorm(nn.Module):
    """GroupNorm with one group: statistics over tokens and channels together, gain and bias per channel.

    Shape: `b n c -> b n c`.

    Paper: Wu and He 2018, arXiv:1803.08494; as PoolFormer and ShiftViT use it.
    """

    def __init__(self, width: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """The batch with every sample at mean 0 and variance 1, each channel times its gain, plus its bias."""
        # Not torch's group_norm, which wants channels ahead of tokens: that would copy, and does not compile.
        return torch.addcmul(self.bias, functional.layer_norm(x, x.shape[1:], eps=self.eps), self.weight)


class Affine(nn.Module):
    """A learned gain and bias per channel, and no statistics.

    Shape: `b n c -> b n c`.

    Paper: ResMLP, Touvron et al. 2021, arXiv:2105.03404, eq. 1.
    """

    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """Each channel times its gain, plus its bias."""
        return torch.addcmul(self.bias, x, self.weight)


class BatchNorm(nn.Module):
    """BatchNorm: statistics of each channel over all tokens of a batch, in evaluation those of the training so far.

    Shape: `b n c -> b n c`.

    Several processes count the tokens of all of them, so that the result does not depend on how a batch is shared.
    The statistics of a batch that is computed in parts (`train.accumulation`) are those of each part.

    Args:
        width: channels c.
        eps: added to the variance.

    Attributes:
        counts: whether the clips at hand belong to the batch; a process without a clip borrows one to keep step.
        recomputes: whether a batch is seen a second time, for its gradients, and is not to be counted again.

    Paper: Ioffe and Szegedy 2015, arXiv:1502.03167. The running statistics move by a tenth a step, as in torch.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, width: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))
        self.eps = eps
        self.counts = True
        self.recomputes = False

    def forward(self, x: Tensor) -> Tensor:
        """The batch with every channel at mean 0 and variance 1, times its gain, plus its bias."""
        if self.training and across_processes():
            return self._of_all(x)
        rows = x.to(self.weight.dtype).flatten(0, 1)
        momentum = 0.0 if self.recomputes or not self.training else MOMENTUM
        out = functional.batch_norm(
            rows, self.mean, self.variance, self.weight, self.bias, self.training, momentum, self.eps
        )
        return out.view_as(x).to(x.dtype)

    def affine(self) -> Affine:
        """What it does in evaluation, without the statistics."""
        made = Affine(len(self.weight)).to(self.weight)
        with torch.no_grad():
            made.weight.copy_(self.weight * (self.variance + self.eps).rsqrt())
            made.bias.copy_(self.bias - self.mean * made.weight)
        return made

    def _of_all(self, x: Tensor) -> Tensor:
        rows = x.to(self.weight.dtype).flatten(0, 1)
        own = float(self.counts)
        count, total = _summed(rows.new_full((1,), own * len(rows))), _summed(own * rows.sum(0))
        mean = total / count
        centred = rows - mean
        variance = _summed(own * centred.square().sum(0)) / count
        if not self.recomputes:
            with torch.no_grad():
                self.mean.lerp_(mean, MOMENTUM)
                self.variance.lerp_(variance * count / (count - 1).clamp(min=1), MOMENTUM)
        out = torch.addcmul(self.bias, centred * (variance + self.eps).rsqrt(), self.weight)
        return out.view_as(x).to(x.dtype)


def norm_layer(kind: Norm, width: int, eps: float) -> nn.Module:
    """A norm by its name in the recipe."""
    if kind == "none":
        return nn.Identity()
    if kind == "affine":
        return Affine(width)
    made: Mapping[str, Any] = {"layer": nn.LayerNorm, "group": GridNorm, "batch": BatchNorm}
    module: nn.Module = made[kind](width, eps=eps)
    return module


def across_processes() -> bool:
    """Whether several processes train one network."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def _summed(x: Tensor) -> Tensor:
    total: Tensor = across.functional.all_reduce(x)
    return total
