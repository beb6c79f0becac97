"""Operators: what mixes the tokens of a spectrogram, one perspective a file.

Importing this registers them all.
"""

from mixkit.operators.attention import Attention
from mixkit.operators.axes import AXES, Axis, mixes_of
from mixkit.operators.feed_forward import FeedForward, hidden_units
from mixkit.operators.hermit import Hermit, HermitFrequency
from mixkit.operators.perspective import Channel, Frequency, Perspective, Time, Token
from mixkit.operators.roll import Roll, RollTime
from mixkit.operators.shift import Shift

__all__ = [
    "AXES",
    "Attention",
    "Axis",
    "Channel",
    "FeedForward",
    "Frequency",
    "Hermit",
    "HermitFrequency",
    "Perspective",
    "Roll",
    "RollTime",
    "Shift",
    "Time",
    "Token",
    "hidden_units",
    "mixes_of",
]
