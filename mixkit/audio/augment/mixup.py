"""Two clips at once."""

import torch
from torch import Tensor, nn

from mixkit.draw import Draw
from mixkit.registry import augmentation
from mixkit.values import Positive, Share


@augmentation("mixup", on="waveform", paper="arXiv:1710.09412")
class Mixup(nn.Module):
    """Play two clips at once, one louder than the other, and ask for both names.

    The partner is any clip of the batch, so this one depends on how the batch was put together.

    Shape: b s -> b s; target b k -> b k

    Args:
        sample_rate: of the waveforms, in Hz.
        rate: probability that a clip gets a partner.
        alpha: shape of the Beta distribution of shares; 10 keeps them near one half, 0.2 near 0 and 1.

    Paper: Zhang et al. 2018, arXiv:1710.09412, equation 1; on waveforms Tokozume et al. 2018, arXiv:1711.10282;
        rate and alpha as in AST, arXiv:2104.01778.

    Differs: AST draws the partner from the whole training set.
    """

    shares: Tensor

    def __init__(self, sample_rate: int, *, rate: Share = 0.5, alpha: Positive = 10.0):
        super().__init__()
        from scipy.special import betaincinv

        self.rate = rate
        # torch has no quantiles of Beta; a table of them is sampled on the device.
        quantiles = betaincinv(alpha, alpha, [step / 4096 for step in range(4097)])
        self.register_buffer("shares", torch.tensor(quantiles, dtype=torch.float32), persistent=False)

    def forward(self, x: Tensor, target: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Mix the batch with a drawn selection of itself."""
        if not self.training:
            return x, target
        choice, place = draw.uniform(2).split(1, dim=1)
        partner = draw.integer(1, len(x))[:, 0]
        shares = self.shares.to(x.device)
        place = place * (len(shares) - 1)
        below = place.long()
        share = torch.lerp(shares[below], shares[below + 1], place - below)
        share = torch.where(choice < self.rate, share, 1.0)
        return share * x + (1 - share) * x[partner], share * target + (1 - share) * target[partner]
