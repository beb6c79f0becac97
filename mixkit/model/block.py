"""Blocks: operators under norm, residual, drop path and layer scale. The only place that knows of these four."""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from mixkit.model.norms import norm_layer
from mixkit.recipe.schema import Block, Branch
from mixkit.registry import Site, Spec, operator


class DropPath(nn.Module):
    """Leaves a branch out for some samples of a batch while training, and makes up for it in the others.

    Shape: `b n c -> b n c`.

    Args:
        rate: probability of leaving it out.

    Paper: Huang et al. 2016, arXiv:1603.09382.
    """

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """The branch, or nothing, sample by sample."""
        if not self.training or self.rate == 0.0:
            return x
        keep = torch.rand(x.shape[0], 1, 1, device=x.device) >= self.rate
        return x * keep / (1.0 - self.rate)


class LayerScale(nn.Module):
    """A learned gain per channel.

    Shape: `b n c -> b n c`.

    Paper: Touvron et al. 2021, arXiv:2103.17239, section 2.
    """

    def __init__(self, width: int, start: float):
        super().__init__()
        self.gain = nn.Parameter(torch.full((width,), start))

    def forward(self, x: Tensor) -> Tensor:
        """Each channel times its gain."""
        return x * self.gain


class MixerBranch(nn.Module):
    """`x + drop_path(scale * operators(norm(x)))`, or the operators alone where there is no residual.

    The norm may also stand behind the operators, or behind the sum.

    Shape: `b n c -> b n c`.
    """

    def __init__(self, branch: Branch, site: Site, drop_path: float, layer_scale: float | None, norm_eps: float):
        super().__init__()
        self.norm = norm_layer(branch.norm, site.width, norm_eps)
        self.operators = build_operators(branch.operators, site)
        self.scale = nn.Identity() if layer_scale is None else LayerScale(site.width, layer_scale)
        self.drop_path = DropPath(drop_path) if branch.residual else nn.Identity()
        self.residual = branch.residual
        self.norm_place = branch.norm_place

    def forward(self, x: Tensor) -> Tensor:
        """The branch applied to a batch of tokens."""
        change: Tensor = self.operators(self.norm(x) if self.norm_place == "pre" else x)
        change = self.drop_path(self.scale(self.norm(change) if self.norm_place == "res_post" else change))
        out = x + change if self.residual else change
        return self.norm(out) if self.norm_place == "post" else out


def build_operators(specs: Iterable[Spec], site: Site) -> nn.Sequential:
    """Operators in a row, all on the same site."""
    return nn.Sequential(*(cast(nn.Module, operator.build(spec, site)) for spec in specs))


class MixerBlock(nn.Module):
    """A row of branches at one layer, or `x + drop_path(branches(x))` where the block has a residual.

    Shape: `b n c -> b n c`.

    Args:
        block: the branches.
        site: where the block stands; drop path grows linearly with its layer.
        norm_eps: added to the variance in every norm.
    """

    def __init__(self, block: Block, site: Site, norm_eps: float):
        super().__init__()
        drop_path = block.drop_path * site.layer / max(1, site.depth - 1)
        self.names = tuple(tuple(spec.name for spec in branch.operators) for branch in block.branches)
        """What the operators of each branch are called."""
        self.residual = block.residual
        self.drop_path = DropPath(drop_path) if block.residual else nn.Identity()
        self.branches = nn.Sequential()
        for place, branch in enumerate(block.branches, start=1):
            gain = block.layer_scale if not block.residual or place == len(block.branches) else None
            rate = 0.0 if block.residual else drop_path
            self.branches.append(MixerBranch(branch, site, rate, gain, norm_eps))

    def forward(self, x: Tensor) -> Tensor:
        """The branches, one after another."""
        change: Tensor = self.drop_path(self.branches(x))
        return x + change if self.residual else change
