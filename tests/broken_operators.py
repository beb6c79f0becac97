"""Operators that are broken in one way each, and two that are sound, for the checks to find out."""

import torch
from torch import Tensor, nn

from mixkit.errors import SettingError
from mixkit.registry import Site
from mixkit.values import Rate


class Sound(nn.Module):
    """A linear map over channels, with nothing wrong."""

    def __init__(self, site: Site):
        super().__init__()
        self.linear = nn.Linear(site.width, site.width)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.linear(x)
        return mixed


class StandsNowhere(Sound):
    """Refuses every width."""

    def __init__(self, site: Site):
        raise SettingError("heads", f"is 7, which does not divide a width of {site.width}. Use a divisor.")


class BreaksWhereItCannotStand(Sound):
    """Divides the width without asking."""

    def __init__(self, site: Site):
        super().__init__(site)
        self.register_buffer("table", torch.zeros(site.width).view(-1, 7))


class BreaksInForward(Sound):
    """Cuts the tokens in two halves."""

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.view(x.shape[0], 2, x.shape[1] // 2, x.shape[2])).flatten(1, 2)


class DropsTokens(Sound):
    """Averages over the tokens."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).mean(1)


class KeepsFloat32(Sound):
    """Casts its output."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).float()


class WritesIntoItsInput(Sound):
    """Scales in place."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mul_(2))


class MixesTheBatch(Sound):
    """Subtracts the mean of the batch."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - x.mean(0))


class MovesTokens(Sound):
    """Takes from the token before, which for the first of a row is the last of the row below."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.roll(1, 1))


class Gains(nn.Module):
    """A gain per channel."""

    def __init__(self, site: Site):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(site.width))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * x


class Detaches(Sound):
    """Loses the gradient."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).detach()


class IgnoresItsInput(Sound):
    """Says the same of everything."""

    def forward(self, x: Tensor) -> Tensor:
        return self.linear.bias + torch.zeros_like(x)


class HasADeadParameter(Sound):
    """Carries a gain that it does not use."""

    def __init__(self, site: Site):
        super().__init__(site)
        self.gain = nn.Parameter(torch.ones(site.width))


class DividesByZero(Sound):
    """Has a root with an infinite slope at zero."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + (x - x).sqrt()


class DrawsInEvaluation(Sound):
    """Drops values always."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(x), 0.5)


class DrawsInTraining(Sound):
    """Drops values in training, whatever its settings say."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(x), 0.5, self.training)


class DropsWhenAsked(Sound):
    """Drops values in training because a setting says so."""

    def __init__(self, site: Site, *, dropout: Rate = 0.5):
        super().__init__(site)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(super().forward(x))


class NeedsManyDigits(Sound):
    """Takes the sine of large numbers."""

    def forward(self, x: Tensor) -> Tensor:
        return (100 * super().forward(x)).sin()


class HidesATensor(Sound):
    """Keeps a tensor in a plain attribute."""

    def __init__(self, site: Site):
        super().__init__(site)
        self.signs = torch.ones(site.width)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x * self.signs)


class MakesATensor(Sound):
    """Makes a tensor on the CPU in forward."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * torch.arange(x.shape[2])


class ComesBackToTheCPU(Sound):
    """Returns its output from the device."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).cpu()


class ForgetsATensor(Sound):
    """Draws a projection that it does not save."""

    def __init__(self, site: Site):
        super().__init__(site)
        self.register_buffer("projection", torch.randn(site.width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.projection


class HoldsALambda(Sound):
    """Holds what pickle cannot take."""

    def __init__(self, site: Site):
        super().__init__(site)
        self.bend = lambda x: x

    def forward(self, x: Tensor) -> Tensor:
        return self.bend(super().forward(x))


class AsksForValues(Sound):
    """Decides by the values in the input."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if x.sum() > 0 else super().forward(-x)


class KnowsTheBatch(Sound):
    """Works with the batch that it was tried with."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * (2 if x.shape[0] == 3 else 1)
