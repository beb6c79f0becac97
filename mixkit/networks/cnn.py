"""The small CNN that everybody writes first."""

from typing import Literal

from torch import Tensor, nn

from mixkit.errors import SettingError
from mixkit.model.pool import MeanMax, TimeMax
from mixkit.model.stem import ConvolutionStem
from mixkit.registry import Site, network
from mixkit.values import Count, Rate, Side

POOLS = {"time": TimeMax, "all": MeanMax}


@network("cnn")
class CNN(nn.Module):
    """Small convolutional network (CNN): looks for small shapes in the spectrogram, then for shapes made of those,
    coarser at each step.

    A row of layers, each a convolution, BatchNorm, ReLU, and the largest of every 2 x 2 places. What is left is
    averaged over frequency, its mean and its greatest value over time are added, and one weighted sum a class is the
    answer: a floor that a study should have among its arms. It has 40,090 weights for ten classes.

    Shape: `b m l -> b k`.

    Args:
        bins: of the features, m.
        frames: of the features, l.
        classes: how many there are to tell apart, k.
        channels: of each layer, from the first to the last.
        kernel: bins and frames of each filter, an odd number.
        pool: what the mean and the greatest value are taken over: `time`, behind the mean over frequency (PANNs), or
            `all` places.
        dropout: probability of leaving out a channel ahead of the weighted sums, in training.

    Raises:
        SettingError: there is no layer, or the kernel has no middle.

    Paper: such networks are older than any one of them; the pooling is that of PANNs, Kong et al. 2020,
        arXiv:1912.10211.
    """

    def __init__(
        self,
        bins: int,
        frames: int,
        classes: int,
        *,
        channels: tuple[Count, ...] = (16, 32, 48, 48),
        kernel: Side = 3,
        pool: Literal["time", "all"] = "time",
        dropout: Rate = 0.0,
    ):
        super().__init__()
        if not channels:
            raise SettingError("channels", "is empty. Name the channels of one layer at least, such as [16, 32].")
        *inner, width = channels
        self.body = ConvolutionStem(
            bins, frames, width, channels=tuple(inner), kernel=((kernel, kernel),), coarsen="max_pool"
        )
        self.pool = POOLS[pool](Site(self.body.grid, width))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of spectrograms."""
        logits: Tensor = self.head(self.dropout(self.pool(self.body(x))))
        return logits
