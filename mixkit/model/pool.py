"""Pools: from the tokens of the last block to one vector."""

import torch
from torch import Tensor, nn

from mixkit.errors import SettingError
from mixkit.linear import Linear
from mixkit.registry import Site, pool
from mixkit.values import Positive


@pool("mean")
class Mean(nn.Module):
    """Global average pooling: the mean over the grid.

    Shape: `b n c -> b c`; prefix tokens are left out.

    Args:
        site: of the last block.
    """

    def __init__(self, site: Site):
        super().__init__()
        self.prefix = site.prefix

    def forward(self, x: Tensor) -> Tensor:
        """Pooled vectors of a batch."""
        return x[:, self.prefix :].mean(1)


@pool("prefix", paper="arXiv:2104.01778")
class Prefix(nn.Module):
    """Class tokens: the mean over the prefix tokens, as AST reads its class and distillation token.

    Shape: `b n c -> b c`.

    Args:
        site: of the last block.

    Raises:
        SettingError: the model has no prefix tokens.

    Paper: Gong, Chung and Glass 2021, arXiv:2104.01778, section 2.
    """

    def __init__(self, site: Site):
        super().__init__()
        if not site.prefix:
            raise SettingError("model.pool", "is 'prefix', but model.prefix is 0. Set model.prefix = 1 or more.")
        self.prefix = site.prefix

    def forward(self, x: Tensor) -> Tensor:
        """Pooled vectors of a batch."""
        return x[:, : self.prefix].mean(1)


@pool("mean_max")
class MeanMax(nn.Module):
    """Average and max pooling: the mean over the grid plus the greatest value, channel by channel: what lasts, and what
    stands out.

    Shape: `b n c -> b c`; prefix tokens are left out.

    Args:
        site: of the last block.
    """

    def __init__(self, site: Site):
        super().__init__()
        self.prefix = site.prefix

    def forward(self, x: Tensor) -> Tensor:
        """Pooled vectors of a batch."""
        grid = x[:, self.prefix :]
        return grid.mean(1) + grid.amax(1)


@pool("time_max", paper="arXiv:1912.10211")
class TimeMax(nn.Module):
    """Average pooling over frequency, average and max pooling over time (PANNs): the mean over frequency; then, over
    time, the mean plus the greatest value.

    Shape: `b n c -> b c`; prefix tokens are left out.

    Args:
        site: of the last block.

    Paper: PANNs, Kong et al. 2020, arXiv:1912.10211, as its authors' code pools.
    """

    def __init__(self, site: Site):
        super().__init__()
        self.prefix, self._grid = site.prefix, (site.grid.frequency, site.grid.time)

    def forward(self, x: Tensor) -> Tensor:
        """Pooled vectors of a batch."""
        moments = over_time(x[:, self.prefix :], self._grid)
        return moments.mean(1) + moments.amax(1)


@pool("attention", paper="arXiv:1803.10963, section 3.1")
class AttentivePool(nn.Module):
    """Attention pooling over time: the mean over frequency; then, over time, a weighted mean whose weights are learned
    from what is heard there.

    Shape: `b n c -> b c`; prefix tokens are left out.

    Args:
        site: of the last block.
        expansion: hidden units of the network that weighs, per channel.

    Paper: Okabe, Koshinaka and Shinoda 2018, arXiv:1803.10963, section 3.1 (without the deviations of section 3.2).
    """

    def __init__(self, site: Site, *, expansion: Positive = 0.5):
        super().__init__()
        self.prefix, self._grid = site.prefix, (site.grid.frequency, site.grid.time)
        hidden = max(1, round(expansion * site.width))
        self.expand = Linear(site.width, hidden)
        self.score = Linear(hidden, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Pooled vectors of a batch."""
        moments = over_time(x[:, self.prefix :], self._grid)
        weights = torch.softmax(self.score(torch.tanh(self.expand(moments))), dim=1)
        return (moments * weights).sum(1)


def over_time(x: Tensor, grid: tuple[int, int]) -> Tensor:
    """The mean over frequency: `b (f t) c -> b t c`."""
    return x.unflatten(1, grid).mean(1)
