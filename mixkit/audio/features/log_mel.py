"""The log-mel spectrogram, as Kaldi computes it."""

from typing import Annotated, Literal

from torch import Tensor

from mixkit.audio.features.mel import FLOOR, Bands, MelFeatures, Norm
from mixkit.registry import features
from mixkit.values import Count, NotNegative, Positive, Range

Floor = Annotated[float, Range(above=0, most=300)]  # float32 ends at 379 dB
Mean = Annotated[float, Range(least=-1000, most=1000)]  # logarithms in float32 lie between -104 and 89
Std = Annotated[float, Range(least=0.001, most=1000)]
AUDIOSET_MEAN, AUDIOSET_STD = -4.2677393, 4.5689974  # arXiv:2104.01778, the authors' code


@features("log_mel")
class LogMel(MelFeatures):
    """Log-mel spectrogram: how loud each band of pitch is from moment to moment, on the scales of the ear.

    Kaldi's filter bank with AST's arguments: windows of 25 ms every 10 ms, each freed of its mean, pre-emphasised and
    Hann-weighted, then power spectrum, mel triangles and logarithm.

    Shape: b s -> b m l

    Args:
        sample_rate: of the waveforms, in Hz.
        seconds: of a clip; sets the number of frames where `frames` does not.
        bins: mel bands.
        frames: moments, whatever the seconds; None for as many whole windows as a clip holds.
        window_ms: length of a window, in milliseconds.
        hop_ms: from one window to the next, in milliseconds.
        low_hz: where the lowest band begins.
        high_hz: where the highest band ends; None for half the sample rate.
        level: what each clip's power is divided by, so that loud and soft recordings look alike: its highest power
            (`max`), its mean over the frames that are not digital silence (`mean`), or nothing.
        floor_db: decibels below that level at which what is softer is cut off; without a level Kaldi's floor holds.
        norm: one mean and std for all bands, or one for each.
        mean: of the log-mel values over a training set; None for AudioSet's until `measure` is called.
        std: their standard deviation; None likewise.

    Raises:
        SettingError: the settings leave no window, or no band.

    Paper: Gong et al. 2021, arXiv:2104.01778, section 2.1; normalised to (x - mean) / (2 std).

    Differs: AST pads the spectrogram before it is normalised, with zeros, which is above its mean; we pad the waveform.
        AST's mean and std are averages over batches, padding and augmentation included; ours are of real frames alone.
    """

    name = "log_mel"
    unmeasured = (AUDIOSET_MEAN, AUDIOSET_STD)

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
        level: Literal["none", "max", "mean"] = "none",
        floor_db: Floor = 80.0,
        norm: Norm = "global",
        mean: Mean | None = None,
        std: Std | None = None,
    ):
        bands = Bands(bins, frames, window_ms, hop_ms, low_hz, high_hz)
        super().__init__(sample_rate, seconds, bands, norm=norm, mean=mean, std=std)
        self.level = level
        self.lowest = FLOOR if level == "none" else 10 ** (-floor_db / 10)

    def power(self, waveform: Tensor) -> Tensor:
        """The power in each mel band, each clip's level set apart: `b s -> b m l`."""
        power = super().power(waveform)
        if self.level == "none":
            return power
        # A clip whose level is below what is logged is silence, which has none.
        return power / self._level(power).clamp(min=FLOOR)

    def values(self, power: Tensor) -> Tensor:
        """The logarithm of mel power: `b m l -> b m l`."""
        return power.clamp(min=self.lowest).log()

    def _level(self, power: Tensor) -> Tensor:
        if self.level == "max":
            return power.amax((1, 2), keepdim=True)
        heard = (power > 0).any(1, keepdim=True).sum(2, keepdim=True)
        return power.mean(1, keepdim=True).sum(2, keepdim=True) / heard.clamp(min=1)
