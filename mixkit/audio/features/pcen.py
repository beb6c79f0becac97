"""Per-channel energy normalisation."""

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mixkit.audio.features.mel import Bands, MelFeatures, Norm
from mixkit.errors import SettingError
from mixkit.registry import features
from mixkit.values import Count, NotNegative, Positive, Range, Share

EPSILON = 1e-6  # section 3
NEAR = 1e-6  # to 0, or a share to 1: from there float32 moves nothing

# What stays within float32 from silence to full scale.
Gain = Annotated[float, Range(least=0, most=2)]
Bias = Annotated[float, Range(least=0, most=1e6)]
Exponent = Annotated[float, Range(above=0, most=2)]


@features("pcen")
class Pcen(MelFeatures):
    """Per-channel energy normalisation of a mel spectrogram (PCEN): how much louder each band of pitch is than it just
    was: beginnings stand out, and steady noise fades.

    Each band's power is divided by its own recent mean (automatic gain control) and then compressed by a root in
    place of a logarithm.

    Shape: b s -> b m l

    Equation: M[t] = (1 - smoothing) M[t-1] + smoothing E[t], from M[0] = E[0];
        (E / (eps + M)^gain + bias)^exponent - bias^exponent

    Args:
        sample_rate: of the waveforms, in Hz.
        seconds: of a clip; sets the number of frames where `frames` does not.
        bins: mel bands.
        frames: moments, whatever the seconds; None for as many whole windows as a clip holds.
        window_ms: length of a window, in milliseconds.
        hop_ms: from one window to the next, in milliseconds.
        low_hz: where the lowest band begins.
        high_hz: where the highest band ends; None for half the sample rate.
        smoothing: share of each frame in the recent mean, s; 0.025 reaches back 40 frames.
        gain: how much of the recent mean is divided out, alpha; 1 for all of it.
        bias: what is added ahead of the root, delta.
        exponent: of the root, r.
        learned: whether training goes on from these four numbers, for each band by itself.
        norm: one mean and std for all bands, or one for each.

    Raises:
        SettingError: the settings leave no window, or no band; or one that is learned has no way to move.

    Paper: Wang et al. 2017, arXiv:1607.05666, equations 1 and 2, with the values of section 3; learned as in section 4,
        and smoothing, too, as in LEAF, Zeghidour et al. 2021, arXiv:2101.08596, section 3.3.

    Differs: section 4 learns gain, bias and exponent by their logarithms, and chooses among fixed smoothings; ours is
        learned by its logit. LEAF learns all four as they are, and cuts them off where they leave their range.
    """

    name = "pcen"

    def __init__(
        self,
        sample_rate: int,
        seconds: float,
        *,
        bins: Count = 128,
        frames: Count | None = None,
        window_ms: Positive = 25.0,
        hop_ms: Positive = 10.0,
        low_hz: NotNegative = 20.0,
        high_hz: Positive | None = None,
        smoothing: Share = 0.025,
        gain: Gain = 0.98,
        bias: Bias = 2.0,
        exponent: Exponent = 0.5,
        learned: bool = False,
        norm: Norm = "global",
    ):
        bands = Bands(bins, frames, window_ms, hop_ms, low_hz, high_hz)
        super().__init__(sample_rate, seconds, bands, norm=norm)
        self.smoothing, self.gain, self.bias, self.exponent = smoothing, gain, bias, exponent
        self.learned = nn.ParameterDict()
        if learned:
            for name in ("smoothing", "gain", "bias", "exponent"):
                self.learned[name] = nn.Parameter(torch.full((self.bins,), _start(name, getattr(self, name))))

    def values(self, power: Tensor) -> Tensor:
        """Power over its recent mean, compressed: `b m l -> b m l`."""
        smoothing, gain, bias, exponent = self._numbers()
        level = (EPSILON + recent_mean(power, smoothing)) ** gain
        return (power / level + bias) ** exponent - bias**exponent

    def _numbers(self) -> tuple[float, ...] | tuple[Tensor, ...]:
        """Smoothing, gain, bias and exponent: of all bands, or one for each, `m 1`."""
        if not self.learned:
            return self.smoothing, self.gain, self.bias, self.exponent
        own = {name: parameter[:, None].float() for name, parameter in self.learned.items()}
        return own["smoothing"].sigmoid(), own["gain"].exp(), own["bias"].exp(), own["exponent"].exp()


def _start(name: str, number: float) -> float:
    """What is learned in the place of a setting: its logit, or its logarithm."""
    shares = name == "smoothing"
    if number < NEAR or (shares and number > 1 - NEAR):
        within = f"from {NEAR:g} to {1 - NEAR:g}" if shares else f"to {NEAR:g} or more"
        raise SettingError(name, f"is {number:g}, from where nothing is learned. Set it {within}, or learned = False.")
    return math.log(number / (1 - number)) if shares else math.log(number)


def recent_mean(x: Tensor, share: float | Tensor) -> Tensor:
    """M[t] = (1 - share) M[t-1] + share x[t] along the last axis, from M[0] = x[0].

    The share is one for all, or one for each row, `m 1`. In as many steps as the length has bits, each of which doubles
    how far back every sum reaches.
    """
    mean = torch.cat([x[..., :1], share * x[..., 1:]], dim=-1)
    reach = 1
    while reach < x.shape[-1]:
        mean = mean + (1 - share) ** reach * F.pad(mean, (reach, 0))[..., : x.shape[-1]]
        reach *= 2
    return mean
