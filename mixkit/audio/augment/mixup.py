"""Two clips at once."""

import torch
from torch import Tensor, nn

from mixkit.audio.augment.shares import Alpha, Shares
from mixkit.draw import Draw
from mixkit.registry import augmentation
from mixkit.values import Share


@augmentation("mixup", on="waveform", mixes=True, scales=("rate",), paper="arXiv:1710.09412")
class Mixup(nn.Module):
    """Mixup of waveforms: play two clips at once, one louder than the other, and ask for both names.

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

    def __init__(self, sample_rate: int, *, rate: Share = 0.5, alpha: Alpha = 10.0):
        super().__init__()
        self.rate = rate
        self.shares = Shares(alpha)

    def forward(self, x: Tensor, target: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Mix the batch with a drawn selection of itself."""
        if not self.training:
            return x, target
        choice, place = draw.uniform(2).split(1, dim=1)
        partner = draw.integer(1, len(x))[:, 0]
        share = torch.where(choice < self.rate, self.shares(place), 1.0)
        wide = share.view(-1, *[1] * (x.ndim - 1))
        return wide * x + (1 - wide) * x[partner], share * target + (1 - share) * target[partner]


@augmentation("power_mixup", on="power", mixes=True, scales=("rate",), paper="arXiv:1710.09412")
class PowerMixup(Mixup):
    """Mixup of power spectra: lay the power spectra of two clips over each other, and ask for both names.

    Powers add as those of two sources that know nothing of each other, with none of the beats of waveforms; with
    `features.log_mel.level`, clips are brought to one level first. The partner is any clip of the batch.

    Shape: b m l -> b m l; target b k -> b k

    Args:
        sample_rate: of the waveforms, in Hz.
        rate: probability that a clip gets a partner.
        alpha: shape of the Beta distribution of shares; 10 keeps them near one half, 0.2 near 0 and 1.

    Paper: Zhang et al. 2018, arXiv:1710.09412, equation 1.
    """
