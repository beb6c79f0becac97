"""No spectrogram at all: the waveform as it is, for networks that find their own."""

from typing import Literal

from torch import Tensor, nn

from mixkit.registry import features

PEAK = 0.95
FAINTEST = 1e-4  # what is fainter is raised no further: of noise below hearing nothing is made


@features("waveform")
class WaveformFeatures(nn.Module):
    """Raw waveform: leaves the sound as it is, sample by sample, for a network that listens to it directly.

    One row of as many frames as there are samples: `network.eat`, or a stem whose patches are one bin high. What varies
    power spectra has none here; what masks frames masks samples.

    Shape: `b s -> b 1 s`.

    Args:
        sample_rate: of the waveforms, in Hz.
        seconds: of a clip.
        level: `max` brings the greatest value of each clip to 0.95 (EAT), silence left alone; `none` keeps it.
    """

    needs_measuring = False

    def __init__(self, sample_rate: int, seconds: float, *, level: Literal["none", "max"] = "none"):
        super().__init__()
        self.bins, self.samples = 1, round(sample_rate * seconds)
        self.frames = self.samples
        self.hop, self.window = 1, 1
        self.level = level

    def forward(self, waveform: Tensor) -> Tensor:
        """The waveforms of a batch, each as one row."""
        if self.level == "max":
            greatest = waveform.abs().amax(dim=-1, keepdim=True)
            waveform = waveform * (PEAK / greatest.clamp_min(FAINTEST))
        return waveform.unsqueeze(-2)
