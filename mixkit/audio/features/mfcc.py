"""Cepstral coefficients, as Kaldi computes them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from mixkit.audio.features.mel import FLOOR, Bands, MelFeatures, Norm
from mixkit.errors import SettingError
from mixkit.linear import linear
from mixkit.registry import features
from mixkit.values import Count, NotNegative, Positive


@features("mfcc")
class Mfcc(MelFeatures):
    """Mel-frequency cepstral coefficients (MFCC): the outline of each moment's spectrum as a few numbers: how loud, how
    dark, how uneven.

    Mel-frequency cepstral coefficients: the orthonormal cosine transform (DCT-II) of a log-mel frame, of which the
    first, slowest ones are kept. They are no bands, so operators that mix neighbours along frequency say less here.

    Shape: b s -> b m l

    Args:
        sample_rate: of the waveforms, in Hz.
        seconds: of a clip; sets the number of frames where `frames` does not.
        bins: coefficients that are kept, beginning with the mean over the bands.
        bands: mel bands that they are computed from.
        frames: moments, whatever the seconds; None for as many whole windows as a clip holds.
        window_ms: length of a window, in milliseconds.
        hop_ms: from one window to the next, in milliseconds.
        low_hz: where the lowest band begins.
        high_hz: where the highest band ends; None for half the sample rate.
        norm: one mean and std for all coefficients, or one for each: the first are far larger than the last.

    Raises:
        SettingError: the settings leave no window, or no band, or keep more coefficients than there are.

    Paper: Davis and Mermelstein 1980, IEEE Transactions on Acoustics, Speech and Signal Processing 28 (4).

    Differs: Kaldi weights (lifters) the coefficients, which a mean and std for each would undo; ours are not.
    """

    name = "mfcc"

    dct: Tensor

    def __init__(
        self,
        sample_rate: int,
        seconds: float,
        *,
        bins: Count = 40,
        bands: Count = 128,
        frames: Count | None = None,
        window_ms: Positive = 25.0,
        hop_ms: Positive = 10.0,
        low_hz: NotNegative = 20.0,
        high_hz: Positive | None = None,
        norm: Norm = "bin",
    ):
        if bins > bands:
            raise SettingError("bins", f"is {bins}, and {bands} bands have no more than {bands}. Use {bands} or fewer.")
        mel = Bands(bands, frames, window_ms, hop_ms, low_hz, high_hz)
        super().__init__(sample_rate, seconds, mel, bins=bins, norm=norm)

    def values(self, power: Tensor) -> Tensor:
        """The cosine transform of log-mel frames: `b m l -> b m l`."""
        return linear(power.clamp(min=FLOOR).log().transpose(-1, -2), self.dct).transpose(-1, -2)

    def _constants(self) -> Mapping[str, Any]:
        bands = self._bands[0]
        waves = np.cos(np.pi / bands * np.outer(np.arange(self.bins), np.arange(bands) + 0.5))
        waves[0] /= np.sqrt(2)
        return {**super()._constants(), "dct": np.sqrt(2 / bands) * waves}
