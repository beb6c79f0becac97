"""Levels in decibels, and clips turned louder or softer."""

from typing import Annotated

import torch
from torch import Tensor, nn

from mixkit.draw import Draw
from mixkit.errors import SettingError
from mixkit.registry import augmentation
from mixkit.values import Range

Decibels = Annotated[float, Range(least=-120, most=120)]


@augmentation("gain", on="waveform", scales=("low_db", "high_db"))
class Gain(nn.Module):
    """Random gain: turn each clip louder or softer.

    Shape: b s -> b s

    Args:
        sample_rate: of the waveforms, in Hz.
        low_db: least change, in decibels.
        high_db: greatest change, in decibels; every change between is as likely.

    Raises:
        SettingError: the least change is the greater one.
    """

    def __init__(self, sample_rate: int, *, low_db: Decibels = -6.0, high_db: Decibels = 6.0):
        super().__init__()
        self.low_db, self.high_db = in_order(low_db, high_db)

    def forward(self, x: Tensor, target: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Multiply each clip by a drawn factor."""
        if not self.training:
            return x, target
        return x * amplitude(self.low_db + (self.high_db - self.low_db) * draw.uniform(1)), target


def in_order(low: float, high: float) -> tuple[float, float]:
    """The least and the greatest level, if they are that.

    Raises:
        SettingError: the least is the greater one.
    """
    if low > high:
        raise SettingError("low_db", f"is {low:g}, above high_db = {high:g}. Use {high:g} or less.")
    return low, high


def amplitude(decibels: Tensor) -> Tensor:
    """The factor for samples: 2 for about 6 dB."""
    return torch.pow(10.0, decibels / 20)
