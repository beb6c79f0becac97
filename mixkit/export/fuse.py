"""A trained network with less to do: fixed permutations moved into the weights behind them."""

import copy
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from mixkit.model.norms import BatchNorm
from mixkit.model.stem import ConvolutionStem
from mixkit.operators import Roll, RollTime

Network = TypeVar("Network", bound=nn.Module)


def fuse(model: Network) -> Network:
    """A copy for inference that gives the same scores to rounding, and permutes nothing where a weight can.

    Where `roll_time` moves channels only, and those of all tokens alike, as it does at layer 0, the columns of its
    first weight are put in that order instead. Rolls that follow each other in a branch and cut the table alike become
    one. BatchNorm becomes the gain and bias that it is in evaluation, or goes into the convolution ahead of it.
    Everything else stays as it is. Weights of the copy mean nothing to another network: keep the original's.

    Args:
        model: a network, or a part of one.
    """
    fused = copy.deepcopy(model).eval()
    for module in list(fused.modules()):
        if isinstance(module, nn.Sequential):
            _merge(module)
    for module in fused.modules():
        if isinstance(module, RollTime):
            _absorb(module)
        if isinstance(module, ConvolutionStem):
            _fold(module)
    for module in list(fused.modules()):
        for name, part in module.named_children():
            if isinstance(part, BatchNorm):
                setattr(module, name, part.affine())
    return fused


def _merge(operators: nn.Sequential) -> None:
    for place in range(len(operators) - 1):
        first, second = operators[place], operators[place + 1]
        next_roll = second.roll if isinstance(second, RollTime) else second
        both = first.followed_by(next_roll) if isinstance(first, Roll) and isinstance(next_roll, Roll) else None
        if both is None:
            continue
        operators[place] = nn.Identity()
        if isinstance(second, RollTime):
            second.roll = both
        else:
            operators[place + 1] = both


@torch.no_grad()
def _fold(stem: ConvolutionStem) -> None:
    """BatchNorm into the convolution that it stands behind."""
    for place, (layer, norm) in enumerate(zip(stem.layers, list(stem.norms), strict=True)):
        if isinstance(norm, BatchNorm):
            affine, filters = norm.affine(), cast(nn.Conv2d, layer)
            filters.weight.mul_(affine.weight.view(-1, 1, 1, 1))
            filters.bias = affine.bias
            stem.norms[place] = nn.Identity()


@torch.no_grad()
def _absorb(module: RollTime) -> None:
    if not isinstance(module.roll, Roll):
        return
    weight = module.feed_forward.expand.weight
    order = _order(module.roll, weight.shape[1])
    if order is not None:
        weight.copy_(weight[:, order.argsort().to(weight.device)])
        module.roll = nn.Identity()


def _order(roll: Roll, width: int) -> Tensor | None:
    """Which channel each channel comes from, where that is the same for all tokens; None where it is not."""
    source: Tensor = roll(torch.arange(roll.site.tokens * width).view(1, -1, width))[0]
    order = source - width * torch.arange(roll.site.tokens)[:, None]
    own_token = bool((order == order[0]).all()) and int(order.min()) >= 0 and int(order.max()) < width
    return order[0] if own_token else None
