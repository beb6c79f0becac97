"""Per-channel energy normalisation."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mixkit.audio.features.mel import Bands, MelFeatures, Norm
from mixkit.registry import features
from mixkit.values import Count, NotNegative, Positive, Share

EPSILON = 1e-6  # section 3


@features("pcen")
class Pcen(MelFeatures):
    """How much louder each band of pitch is than it just was: beginnings stand out, and steady noise fades.

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
        norm: one mean and std for all bands, or one for each.

    Raises:
        SettingError: the settings leave no window, or no band.

    Paper: Wang et al. 2017, arXiv:1607.05666, equations 1 and 2, with the values of section 3.

    Differs: ours are fixed, where section 4 learns gain, bias and exponent of each band.
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
        gain: NotNegative = 0.98,
        bias: NotNegative = 2.0,
        exponent: Positive = 0.5,
        norm: Norm = "global",
    ):
        bands = Bands(bins, frames, window_ms, hop_ms, low_hz, high_hz)
        super().__init__(sample_rate, seconds, bands, norm=norm)
        self.smoothing, self.gain, self.bias, self.exponent = smoothing, gain, bias, exponent

    def values(self, power: Tensor) -> Tensor:
        """Power over its recent mean, compressed: `b m l -> b m l`."""
        level = (EPSILON + recent_mean(power, self.smoothing)) ** self.gain
        return (power / level + self.bias) ** self.exponent - self.bias**self.exponent


def recent_mean(x: Tensor, share: float) -> Tensor:
    """M[t] = (1 - share) M[t-1] + share x[t] along the last axis, from M[0] = x[0].

    In as many steps as the length has bits, each of which doubles how far back every sum reaches.
    """
    mean = torch.cat([x[..., :1], share * x[..., 1:]], dim=-1)
    reach = 1
    while reach < x.shape[-1]:
        mean = mean + (1 - share) ** reach * F.pad(mean, (reach, 0))[..., : x.shape[-1]]
        reach *= 2
    return mean
