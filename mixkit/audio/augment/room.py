"""Clips as they sound in other rooms, or through other devices."""

import torch
from torch import Tensor, nn

from mixkit.audio.augment.recordings import read_folder
from mixkit.draw import Draw
from mixkit.errors import SettingError
from mixkit.registry import augmentation
from mixkit.values import Location, Positive, Share


@augmentation("impulse_response", on="waveform", scales=("rate",))
class ImpulseResponse(nn.Module):
    """Convolution with impulse responses: let some clips sound in the rooms, or through the devices, whose impulse
    responses a folder holds.

    A clip is convolved with a response from its loudest sample on, which is scaled to an energy of 1, so that clips
    begin when they did, about as loud.

    Shape: b s -> b s

    Args:
        sample_rate: of the waveforms, in Hz.
        rate: probability that a clip gets another room.
        folder: impulse responses as recordings, in it and below; `~` is your home, and a relative path begins at the
            working folder.
        seconds: of a response that count; what comes later is cut off.

    Raises:
        SettingError: there is no such folder.
        DataError: one of its recordings cannot be used; it is named.
    """

    responses: Tensor

    def __init__(self, sample_rate: int, *, rate: Share = 0.5, folder: Location | None = None, seconds: Positive = 1.0):
        super().__init__()
        if folder is None:
            raise SettingError("folder", "is None. Name a folder of impulse responses.")
        self.rate = rate
        longest = max(int(seconds * sample_rate), 1)
        recordings = read_folder(folder, "folder", sample_rate, "impulse response")
        heard = [_response(sound, longest) for sound in recordings.each()]
        responses = nn.utils.rnn.pad_sequence(heard, batch_first=True)
        self.register_buffer("responses", responses, persistent=False)

    def forward(self, x: Tensor, target: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Convolve each clip with a drawn response."""
        if not self.training:
            return x, target
        choice, which = draw.uniform(1), draw.integer(1, len(self.responses))[:, 0]
        response = self.responses.to(x.device)[which]
        size = _fast(x.shape[1] + response.shape[1] - 1)
        spectrum = torch.fft.rfft(x, size) * torch.fft.rfft(response, size)
        return torch.where(choice < self.rate, torch.fft.irfft(spectrum, size)[:, : x.shape[1]], x), target


def _response(sound: Tensor, longest: int) -> Tensor:
    sound = sound[int(sound.abs().argmax()) :][:longest]
    return sound / sound.square().sum().sqrt()


def _fast(size: int) -> int:
    """The next length whose only odd factors are 3 and 5, of which transforms are fast."""
    found = size
    while True:
        rest = found
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return found
        found += 1
