"""The small network that operators share: two linear maps with an activation between them."""

from typing import Literal

import torch
from torch import Tensor, nn

from mixkit.errors import SettingError
from mixkit.linear import Linear
from mixkit.model.activations import ACTIVATIONS

Activation = Literal["relu", "gelu", "silu", "mish", "acon_c"]


class AconC(nn.Module):
    """An activation that learns for every hidden unit how much of it to keep linear.

    `(p1 - p2) x sigmoid(beta (p1 - p2) x) + p2 x`.

    Shape:
        `... h -> ... h`

    Args:
        hidden: number of units h; each has a p1, p2 and beta of its own.

    Paper: Ma et al. 2021, arXiv:2009.04759; in a Mixer: ASM, arXiv:2401.11102.

    Differs: p1 = 1, p2 = 0, beta = 1 at the start, so that it begins as SiLU; the original draws p1 and p2 from
    N(0, 1). ASM reports that changed start values work best and does not say which.
    """

    def __init__(self, hidden: int):
        super().__init__()
        self.p1 = nn.Parameter(torch.ones(hidden))
        self.p2 = nn.Parameter(torch.zeros(hidden))
        self.beta = nn.Parameter(torch.ones(hidden))

    def forward(self, x: Tensor) -> Tensor:
        """Activate."""
        gated = (self.p1 - self.p2) * x
        return gated * torch.sigmoid(self.beta * gated) + self.p2 * x


class FeedForward(nn.Module):
    """Recombines the values along the last axis: into hidden units, through an activation, and back.

    Weights start as those of `torch.nn.Linear` do.

    Shape:
        `... n -> ... n`

    Args:
        length: values along the axis, n.
        hidden: hidden units, h.
        activation: its name; `gelu` is the exact one (erf).
        dropout: probability of silencing a value after the activation, and after the second map.

    Paper: Tolstikhin et al. 2021, arXiv:2105.01601, eq. 1.
    """

    def __init__(self, length: int, hidden: int, *, activation: Activation = "gelu", dropout: float = 0.0):
        super().__init__()
        self.expand = Linear(length, hidden)
        self.activation = activation_layer(activation, hidden)
        self.contract = Linear(hidden, length)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Recombine."""
        units = self.dropout(self.activation(self.expand(x)))
        recombined: Tensor = self.dropout(self.contract(units))
        return recombined


def activation_layer(activation: Activation, hidden: int) -> nn.Module:
    """An activation of so many hidden units, by its name."""
    return AconC(hidden) if activation == "acon_c" else ACTIVATIONS[activation]()


def hidden_units(width: int, expansion: float, hidden: int | None) -> int:
    """How many hidden units: `hidden` where it is given, else `expansion` times the width of the model, rounded.

    Always the width, also along time or frequency: the convention of Mixer-B/16, which at a width of 768 has 384 units
    over tokens (0.5) and 3072 over channels (4).

    Raises:
        SettingError: that is less than one.
    """
    units = round(expansion * width) if hidden is None else hidden
    if units < 1:
        raise SettingError(
            "expansion", f"is {expansion:g}, which leaves no hidden unit at a width of {width}. Use more."
        )
    return units
