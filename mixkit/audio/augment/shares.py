"""Shares of two clips that are mixed."""

from typing import Annotated

import torch
from torch import Tensor, nn

from mixkit.values import Range

Alpha = Annotated[float, Range(above=0, most=1e6)]
"""Of the Beta distribution; with more, all shares are one half in float32."""


class Shares(nn.Module):
    """Shares of the Beta distribution, symmetric about one half.

    Args:
        alpha: its shape; 10 keeps shares near one half, 0.2 near 0 and 1.
    """

    quantiles: Tensor

    def __init__(self, alpha: float):
        super().__init__()
        from scipy.special import betaincinv

        # torch has no quantiles of Beta; a table of them is sampled on the device.
        quantiles = betaincinv(alpha, alpha, [step / 4096 for step in range(4097)])
        self.register_buffer("quantiles", torch.tensor(quantiles, dtype=torch.float32), persistent=False)

    def forward(self, uniform: Tensor) -> Tensor:
        """Shares for numbers from 0 to 1."""
        quantiles = self.quantiles.to(uniform.device)
        place = uniform * (len(quantiles) - 1)
        below = place.long()
        return torch.lerp(quantiles[below], quantiles[below + 1], place - below)
