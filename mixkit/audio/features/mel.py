"""Kaldi's mel power of waveforms, and what all features made of it share: framing, constants, mean and std."""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mixkit.errors import DataError, MixkitError, SettingError
from mixkit.linear import linear
from mixkit.storage.capacity import expect

FLOOR = torch.finfo(torch.float32).eps  # no energy is logged below this, so silence is -15.942
PREEMPHASIS = 0.97
CACHED = 2**19  # samples in windows that a processor keeps near; fetched from memory they take twice the time
SILENT_STD = 1e-3  # a training set that varies no more than this is silent
LEAST_STD = 0.1  # of all values': a band that is silent in the training set must not be blown up

Norm = Literal["global", "bin"]


@dataclass(frozen=True)
class Bands:
    """Which windows and mel bands there are; `bins` and the others are settings of all features made of them.

    Args:
        bins: mel bands.
        frames: moments, whatever the seconds; None for as many whole windows as a clip holds.
        window_ms: length of a window, in milliseconds.
        hop_ms: from one window to the next, in milliseconds.
        low_hz: where the lowest band begins.
        high_hz: where the highest band ends; None for half the sample rate.
    """

    bins: int
    frames: int | None
    window_ms: float
    hop_ms: float
    low_hz: float
    high_hz: float | None


class MelFeatures(nn.Module):
    """Features made of Kaldi's mel power, spread around 0 by a mean and std that are measured.

    Windows are freed of their mean, pre-emphasised and Hann-weighted, then power spectrum and mel triangles.

    Args:
        sample_rate: of the waveforms, in Hz.
        seconds: of a clip; sets the number of frames where `bands` does not.
        bands: windows and mel bands.
        bins: rows of the spectrogram that a kind makes of them.
        norm: one mean and std for all values, or one for each row.
        mean: of all values over a training set; None for it to be measured.
        std: their standard deviation; None likewise.

    Attributes:
        samples: of the waveforms that it takes.
        needs_measuring: whether mean and std are still to be measured.

    Raises:
        SettingError: the settings leave no window, or no band.
    """

    name: ClassVar[str]
    unmeasured: ClassVar[tuple[float, float]] = (0.0, 0.5)
    """Mean and std until they are measured."""

    hann: Tensor
    mel: Tensor
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        sample_rate: int,
        seconds: float,
        bands: Bands,
        *,
        bins: int | None = None,
        norm: Norm = "global",
        mean: float | None = None,
        std: float | None = None,
    ):
        super().__init__()
        self.sample_rate, self.bins = sample_rate, bins or bands.bins
        self.window = _samples("window_ms", bands.window_ms, sample_rate, least=2)
        self.hop = _samples("hop_ms", bands.hop_ms, sample_rate, least=1)
        held = round(seconds * sample_rate)
        if bands.frames is None and held < self.window:
            message = f"is {bands.window_ms:g}, longer than a clip of {seconds:g} s. Use {1000 * seconds:g} or less."
            raise SettingError("window_ms", message)
        self.frames = bands.frames or 1 + (held - self.window) // self.hop
        # A clip of just these seconds keeps its last, partial hop: cutting it would shift all windows against Kaldi's.
        self.samples = held if bands.frames is None else (self.frames - 1) * self.hop + self.window
        expect("frames", "samples of a clip", self.samples, "Use fewer.")
        expect("window_ms", "numbers for the features", self._size, "Use less.")
        size = self._size // 2 + self.frames + (bins or 0)
        expect("bands" if bins else "bins", "numbers for the features", bands.bins * size, "Use fewer.")
        self._bands = (bands.bins, *_band(sample_rate, bands.low_hz, bands.high_hz))
        self.norm = norm
        if (mean is None) != (std is None):
            missing, other = ("mean", "std") if mean is None else ("std", "mean")
            raise SettingError(missing, f"is None, but {other} is not. Set both or neither.")
        if mean is not None and norm == "bin":
            raise SettingError("mean", f"is {mean:g}, but norm = 'bin' has one for each row. Leave mean and std out.")
        self._given = self.unmeasured if mean is None or std is None else (mean, std)
        self.needs_measuring = mean is None
        for name in (*self._constants(), "mean", "std"):
            self.register_buffer(name, None, persistent=name in ("mean", "std"))
        self._fill_constants(None)
        self._fill_given()
        self.register_load_state_dict_post_hook(_note_loaded)  # type: ignore[no-untyped-call]

    @abstractmethod
    def values(self, power: Tensor) -> Tensor:
        """What this kind makes of mel power, before it is spread around 0: `b m l -> b m l`."""

    def forward(self, waveform: Tensor) -> Tensor:
        """The spectrogram, spread around 0: `b s -> b m l`."""
        if waveform.ndim == 2 and waveform.shape[1] != self.samples:
            message = f"takes waveforms of {self.samples} samples, not {waveform.shape[1]}. Cut or pad them."
            raise MixkitError(f"{self.name} {message}")
        return self.from_power(self.power(waveform))

    def power(self, waveform: Tensor) -> Tensor:
        """The power in each mel band, as many frames as whole windows: `b s -> b m l`."""
        if waveform.ndim != 2:
            message = f"takes waveforms of the shape b s, not {list(waveform.shape)}. Add the batch."
            raise MixkitError(f"{self.name} {message}")
        if not waveform.is_floating_point():
            message = f"takes waveforms of floats from -1 to 1, not {waveform.dtype}. Scale them."
            raise MixkitError(f"{self.name} {message}")
        with _full_precision(waveform):
            if waveform.device.type != "cpu" or torch.compiler.is_compiling():
                return self._power_of(waveform.float())
            at_once = max(CACHED // (waveform.shape[-1] * self.window // self.hop), 1)
            return torch.cat([self._power_of(clips) for clips in waveform.float().split(at_once)])

    def from_power(self, power: Tensor) -> Tensor:
        """The spectrogram of what `power` gave, varied or not: `b m l -> b m l`."""
        with _full_precision(power):
            return (self.values(power) - self.mean) / (2 * self.std)

    @torch.no_grad()
    def measure(self, clips: Iterable[Tensor]) -> None:
        """Set mean and std to those of a training set, over the frames that its clips really have.

        Args:
            clips: waveforms `s` of any length, cut but not padded.

        Raises:
            DataError: a clip holds values that are no numbers, or the clips together are too short or silent.
        """
        sums = torch.zeros(3, self.bins, dtype=torch.float64)  # of 1, x and x squared
        for number, clip in enumerate(clips, start=1):
            if clip.ndim != 1:
                message = f"measures waveforms of the shape s, not {list(clip.shape)}. Give one by one."
                raise MixkitError(f"{self.name} {message}")
            if len(clip) < self.window:
                continue
            values = self.values(self.power(clip.to(self.mel.device)[None])).cpu().double()
            sums += torch.stack([torch.ones_like(values), values, values.square()]).sum((1, 3))
            if not sums.isfinite().all():
                message = f"cannot measure clip {number}: it has samples that are not numbers. Remove it."
                raise DataError(f"{self.name} {message}")
        if not sums[0].any():
            message = f"has nothing to measure: no clip has the {self.window} samples of a window."
            raise DataError(f"{self.name} {message}")
        mean, std = _mean_and_std(sums.sum(1, keepdim=True))
        if std < SILENT_STD:
            raise DataError(f"{self.name} measured a std of {float(std):.3g}: the clips are silent. Use others.")
        if self.norm == "bin":
            least = LEAST_STD * std
            mean, std = _mean_and_std(sums)
            std = std.clamp(min=float(least))
        self._fill_statistics(mean, std)
        self.needs_measuring = False

    def _power_of(self, waveform: Tensor) -> Tensor:
        means = waveform.unfold(-1, self.window, self.hop).mean(-1, keepdim=True)
        # Once for all windows: that the first sample of each ought to stand in for the one before it does not
        # matter, as Hann's weight is 0 there.
        emphasised = waveform - PREEMPHASIS * F.pad(waveform, (1, -1))
        windows = (emphasised.unfold(-1, self.window, self.hop) - (1 - PREEMPHASIS) * means) * self.hann
        spectrum = torch.view_as_real(torch.fft.rfft(windows, n=self._size))[..., : self._size // 2, :]
        power = spectrum[..., 0].square() + spectrum[..., 1].square()
        return linear(power, self.mel).transpose(-1, -2)

    def _constants(self) -> Mapping[str, Any]:
        """The fixed matrices, by the names of their buffers."""
        bands, low, high = self._bands
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.window) / (self.window - 1))
        return {"hann": hann, "mel": _mel(self.sample_rate, self._size, bands, low, high).T}

    @property
    def _size(self) -> int:
        """Of the transform: a power of two, which holds a window."""
        return 1 << (self.window - 1).bit_length()

    def _fill_constants(self, device: torch.device | None) -> None:
        for name, array in self._constants().items():
            setattr(self, name, torch.tensor(array, dtype=torch.float32, device=device).contiguous())

    def _fill_given(self) -> None:
        rows = self.bins if self.norm == "bin" else 1
        self._fill_statistics(*(torch.full((rows,), value, dtype=torch.float64) for value in self._given))

    def _fill_statistics(self, mean: Tensor, std: Tensor) -> None:
        shape = (self.bins, 1) if self.norm == "bin" else ()
        self.mean, self.std = (
            found.reshape(shape).to(dtype=torch.float32, device=self.mel.device) for found in (mean, std)
        )

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> "MelFeatures":
        """Keeps the constants whole: `to_empty` leaves noise in them, and half precision loses quiet bands."""
        empty = self.mel.is_meta
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if not self.mel.is_meta and (empty or self.mel.dtype != torch.float32):
            self._fill_constants(self.mel.device)
            if empty:
                self._fill_given()
        return self


def _full_precision(x: Tensor) -> AbstractContextManager[object]:
    device = x.device.type
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()


def _mean_and_std(sums: Tensor) -> tuple[Tensor, Tensor]:
    count, total, squares = sums
    mean = total / count
    return mean, (squares / count - mean.square()).clamp(min=0.0).sqrt()


def _note_loaded(module: nn.Module, _: Any) -> None:
    assert isinstance(module, MelFeatures)
    module.needs_measuring = False


def _samples(setting: str, milliseconds: float, sample_rate: int, least: int) -> int:
    samples = sample_rate * milliseconds / 1000
    expect(setting, "samples of a clip", samples, "Use less.")
    if int(samples) < least:
        message = f"is {milliseconds:g}, or {int(samples)} samples at {sample_rate} Hz; it takes {least}."
        raise SettingError(setting, f"{message} Use {math.ceil(1e6 * least / sample_rate) / 1000:g} or more.")
    return int(samples)


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


def _mel(sample_rate: int, size: int, bins: int, low: float, high: float) -> Any:
    """A triangle for each band, from the power at each frequency but the highest, as in Kaldi."""
    edges = np.linspace(_mel_of(low), _mel_of(high), bins + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    place = _mel_of(np.arange(size // 2) * sample_rate / size)[:, None]
    return np.minimum((place - left) / (centre - left), (right - place) / (right - centre)).clip(min=0)


def _mel_of(hz: Any) -> Any:
    return 1127 * np.log1p(np.asarray(hz) / 700)
