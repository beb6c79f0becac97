"""From a waveform to a log-mel spectrogram, as Kaldi computes it."""

import math
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mixkit.errors import DataError, MixkitError, SettingError
from mixkit.linear import linear
from mixkit.registry import features
from mixkit.values import Count, NotNegative, Positive

FLOOR = torch.finfo(torch.float32).eps  # no energy is logged below this, so silence is -15.942
PREEMPHASIS = 0.97
CACHED = 2**19  # samples in windows that a processor keeps near; fetched from memory they take twice the time
AUDIOSET_MEAN, AUDIOSET_STD = -4.2677393, 4.5689974  # arXiv:2104.01778, the authors' code


@features("log_mel")
class LogMel(nn.Module):
    """How loud each band of pitch is from moment to moment, on the scales of the ear.

    Kaldi's filter bank with AST's arguments: windows of 25 ms every 10 ms, each freed of its mean, pre-emphasised and
    Hann-weighted, then power spectrum, mel triangles and logarithm. The spectrum is two products with fixed matrices,
    cosines for what is even about the middle of a window and sines for what is odd: as fast as torch.fft, somewhat
    nearer to float64, and it exports without complex numbers. It needs torch's full float32 products (the default):
    with TF32, quiet bands beside loud ones are lost.

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
        mean: of the log-mel values over a training set; None for AudioSet's until `measure` is called.
        std: their standard deviation; None likewise.

    Attributes:
        samples: of a waveform that fits. A shorter one is followed by digital silence, of a longer one the middle is
            taken.
        needs_measuring: whether mean and std still are AudioSet's, for want of settings and of a training set.

    Raises:
        SettingError: the settings leave no window, or no band.

    Paper: Gong et al. 2021, arXiv:2104.01778, section 2.1; normalised to (x - mean) / (2 std).

    Differs: AST pads the spectrogram before it is normalised, with zeros, which is above its mean; we pad the waveform.
        AST's mean and std are averages over batches, padding and augmentation included; ours are of real frames alone.
    """

    cosines: Tensor
    sines: Tensor
    mel: Tensor
    mean: Tensor
    std: Tensor

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
        mean: float | None = None,
        std: Positive | None = None,
    ):
        super().__init__()
        self.sample_rate, self.bins = sample_rate, bins
        self.window, self.hop = int(sample_rate * window_ms / 1000), int(sample_rate * hop_ms / 1000)
        for name, value, samples, least in (("window_ms", window_ms, self.window, 2), ("hop_ms", hop_ms, self.hop, 1)):
            if samples < least:
                message = f"is {value:g}, or {samples} samples at {sample_rate} Hz; it takes {least}."
                raise SettingError(name, f"{message} Use {math.ceil(1e6 * least / sample_rate) / 1000:g} or more.")
        held = round(seconds * sample_rate)
        if frames is None and held < self.window:
            message = f"is {window_ms:g}, longer than a clip of {seconds:g} s. Use {1000 * seconds:g} or less."
            raise SettingError("window_ms", message)
        self.frames = frames or 1 + (held - self.window) // self.hop
        # A clip of just these seconds keeps its last, partial hop: cutting it would shift all windows against Kaldi's.
        self.samples = held if frames is None else (frames - 1) * self.hop + self.window
        self._band = _band(sample_rate, low_hz, high_hz)
        if (mean is None) != (std is None):
            missing, other = ("mean", "std") if mean is None else ("std", "mean")
            raise SettingError(missing, f"is None, but {other} is not. Set both or neither.")
        self._given = (AUDIOSET_MEAN if mean is None else mean, AUDIOSET_STD if std is None else std)
        self.needs_measuring = mean is None
        for name in ("cosines", "sines", "mel"):
            self.register_buffer(name, None, persistent=False)
        for name in ("mean", "std"):
            self.register_buffer(name, None)
        self._fill_constants(None)
        self._fill_statistics(*self._given)
        self.register_load_state_dict_post_hook(_note_loaded)  # type: ignore[no-untyped-call]

    def forward(self, waveform: Tensor) -> Tensor:
        """The log-mel spectrogram, spread around 0: `b s -> b m l`."""
        return (self.log_mel(waveform) - self.mean) / (2 * self.std)

    def log_mel(self, waveform: Tensor) -> Tensor:
        """The log-mel spectrogram as Kaldi has it, padded or cut but not normalised: `b s -> b m l`."""
        if waveform.ndim != 2:
            raise MixkitError(f"log_mel takes waveforms of the shape b s, not {list(waveform.shape)}. Add the batch.")
        waveform = self._middle(waveform)
        return self._levels(F.pad(waveform, (0, self.samples - waveform.shape[-1])))

    @torch.no_grad()
    def measure(self, clips: Iterable[Tensor]) -> None:
        """Set mean and std to those of a training set, over the frames that its clips really have.

        Args:
            clips: waveforms `s` of any length; of those longer than `samples` the middle counts, as in evaluation.

        Raises:
            DataError: a clip holds values that are no numbers, or the clips together are too short or silent.
        """
        sums = torch.zeros(3, dtype=torch.float64)  # of 1, x and x squared
        for number, clip in enumerate(clips, start=1):
            if clip.ndim != 1:
                raise MixkitError(
                    f"log_mel measures waveforms of the shape s, not {list(clip.shape)}. Give one by one."
                )
            if len(clip) < self.window:
                continue
            levels = self._levels(self._middle(clip.to(self.mel.device))[None]).cpu().double()
            sums += torch.stack([torch.ones_like(levels), levels, levels.square()]).sum((1, 2, 3))
            if not sums.isfinite().all():
                raise DataError(
                    f"log_mel cannot measure clip {number}: it has samples that are not numbers. Remove it."
                )
        count, total, squares = sums.tolist()
        if not count:
            raise DataError(f"log_mel has nothing to measure: no clip has the {self.window} samples of a window.")
        mean = total / count
        std = math.sqrt(max(squares / count - mean**2, 0.0))
        if std < 1e-3:
            raise DataError(f"log_mel measured a std of {std:.3g}: the clips are silent. Use others.")
        self._fill_statistics(mean, std)
        self.needs_measuring = False

    def _middle(self, waveform: Tensor) -> Tensor:
        spare = max(waveform.shape[-1] - self.samples, 0)
        return waveform.narrow(-1, spare // 2, waveform.shape[-1] - spare)

    def _levels(self, waveform: Tensor) -> Tensor:
        if not waveform.is_floating_point():
            raise MixkitError(f"log_mel takes waveforms of floats from -1 to 1, not {waveform.dtype}. Scale them.")
        device = waveform.device.type
        full = torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()
        with full:
            if waveform.device.type != "cpu" or torch.compiler.is_compiling():
                return self._levels_of(waveform.float())
            at_once = max(CACHED // (waveform.shape[-1] * self.window // self.hop), 1)
            return torch.cat([self._levels_of(clips) for clips in waveform.float().split(at_once)])

    def _levels_of(self, waveform: Tensor) -> Tensor:
        means = waveform.unfold(-1, self.window, self.hop).mean(-1, keepdim=True)
        # Once for all windows: that the first sample of each ought to stand in for the one before it does not
        # matter, as Hann's weight is 0 there.
        emphasised = waveform - PREEMPHASIS * F.pad(waveform, (1, -1))
        windows = emphasised.unfold(-1, self.window, self.hop)
        half = self.cosines.shape[1]
        first, last = windows[..., :half], windows.flip(-1)[..., :half]
        even = linear(first + last - 2 * (1 - PREEMPHASIS) * means, self.cosines)
        odd = linear(first - last, self.sines)
        power = torch.addcmul(even.square(), odd, odd)
        return linear(power, self.mel).clamp(min=FLOOR).log().transpose(-1, -2)

    def _fill_constants(self, device: torch.device | None) -> None:
        size = 1 << (self.window - 1).bit_length()
        cosines, sines = _waves(self.window, size)
        mel = _mel(self.sample_rate, size, self.bins, *self._band).T
        for name, array in (("cosines", cosines), ("sines", sines), ("mel", mel)):
            setattr(self, name, torch.tensor(array, dtype=torch.float32, device=device).contiguous())

    def _fill_statistics(self, mean: float, std: float) -> None:
        device = self.mel.device
        self.mean, self.std = (torch.tensor(value, dtype=torch.float32, device=device) for value in (mean, std))

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> "LogMel":
        """Keeps the constants whole: `to_empty` leaves noise in them, and half precision loses quiet bands."""
        empty = self.mel.is_meta
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if not self.mel.is_meta and (empty or self.mel.dtype != torch.float32):
            self._fill_constants(self.mel.device)
            if empty:
                self._fill_statistics(*self._given)
        return self


def _note_loaded(module: nn.Module, _: Any) -> None:
    assert isinstance(module, LogMel)
    module.needs_measuring = False


def _band(sample_rate: int, low: float, high: float | None) -> tuple[float, float]:
    nyquist = sample_rate / 2
    high = nyquist if high is None else high
    if high > nyquist:
        raise SettingError(
            "high_hz", f"is {high:g}, above half the sample rate of {sample_rate} Hz. Use {nyquist:g} or less."
        )
    if low >= high:
        raise SettingError("low_hz", f"is {low:g}, not below the {high:g} Hz where the bands end. Use less.")
    return low, high


def _waves(window: int, size: int) -> tuple[Any, Any]:
    """Hann-weighted cosines and sines about the middle of a window, frequency by sample of its first half.

    The power does not depend on where time begins, and from the middle each wave is even or odd.
    """
    half = (window + 1) // 2
    n = np.arange(half)
    angle = 2 * np.pi * np.outer(np.arange(size // 2), n - (window - 1) / 2) / size
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / (window - 1))
    if window % 2:
        hann[-1] /= 2  # the middle sample is met from both sides
    return hann * np.cos(angle), hann * np.sin(angle)


def _mel(sample_rate: int, size: int, bins: int, low: float, high: float) -> Any:
    """A triangle for each band, from the power at each frequency but the highest, as in Kaldi."""
    edges = np.linspace(_mel_of(low), _mel_of(high), bins + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    place = _mel_of(np.arange(size // 2) * sample_rate / size)[:, None]
    return np.minimum((place - left) / (centre - left), (right - place) / (right - centre)).clip(min=0)


def _mel_of(hz: Any) -> Any:
    return 1127 * np.log1p(np.asarray(hz) / 700)
