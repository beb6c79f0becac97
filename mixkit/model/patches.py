"""From a log-mel spectrogram to tokens on a grid."""

from einops import rearrange
from torch import Tensor, nn

from mixkit.errors import SettingError
from mixkit.model.site import Grid


def patch_grid(bins: int, frames: int, patch: tuple[int, int], stride: tuple[int, int]) -> Grid:
    """How many patches fit along frequency and time; a rest that does not fill a patch is left out.

    Raises:
        SettingError: not even one patch fits.
    """
    for length, size, axis in ((bins, patch[0], "bins"), (frames, patch[1], "frames")):
        if length < size:
            raise SettingError(
                "model.patch", f"is {list(patch)}, but there are {length} {axis}. Use at most {length} {axis} a patch."
            )
    return Grid((bins - patch[0]) // stride[0] + 1, (frames - patch[1]) // stride[1] + 1)


class Patches(nn.Module):
    """Cuts a spectrogram into overlapping squares and describes each by one vector.

    Shape: `b m l -> b (f t) c`, frequency-major.

    Args:
        width: channels of a token.
        patch: bins and frames of a patch.
        stride: bins and frames from one patch to the next.

    Paper: Gong, Chung and Glass 2021, arXiv:2104.01778, section 2 (16 x 16 patches with an overlap of 6).
    """

    def __init__(self, width: int, patch: tuple[int, int], stride: tuple[int, int]):
        super().__init__()
        self.projection = nn.Conv2d(1, width, patch, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens of a batch of spectrograms."""
        return rearrange(self.projection(x.unsqueeze(1)), "b c f t -> b (f t) c")
