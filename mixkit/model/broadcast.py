"""Broadcasted residuals of BC-ResNet: what is heard at each frequency, and the course of their mean added to each."""

import torch
from torch import Tensor, nn

from mixkit.linear import Linear
from mixkit.model.norms import BatchNorm
from mixkit.registry import Grid, downsample
from mixkit.values import Count, Positive, Rate, Side, expect_middle


class SubSpectralNorm(nn.Module):
    """BatchNorm with statistics, gains and biases of its own for each band of frequencies.

    Where the bands do not divide the rows, the lowest ones have a row more; there are no more bands than rows.

    Shape: `b f t c -> b f t c`.

    Args:
        rows: of the grid, f.
        width: channels c.
        bands: of frequencies.
        eps: added to the variance.

    Paper: Chang et al. 2021, arXiv:2103.13620.
    """

    def __init__(self, rows: int, width: int, bands: int, eps: float):
        super().__init__()
        self.norms = nn.ModuleList(BatchNorm(width, eps) for _ in range(min(bands, rows)))

    def forward(self, x: Tensor) -> Tensor:
        """Each channel of each band at mean 0 and variance 1, times its gain, plus its bias."""
        bands = zip(self.norms, x.tensor_split(len(self.norms), dim=1), strict=True)
        return torch.cat([norm(band.flatten(1, 2)).view_as(band) for norm, band in bands], dim=1)


class Broadcast(nn.Module):
    """A convolution along frequency, and one along time of the mean over frequency, which is added to every row.

    Shape:
        `b (f t) c -> b (f' t) c`

    Args:
        grid: of the tokens.
        width: channels c.
        kernel: tokens along frequency and along time, odd numbers.
        stride: rows from one to the next.
        dilation: from one weight along time to the next.
        bands: of frequencies, each with a norm of its own.
        dropout: probability of silencing a channel of what is added.
        norm_eps: added to the variance in the norms.

    Raises:
        SettingError: a side of the kernel has no middle.

    Paper: BC-ResNet, Kim et al. 2021, arXiv:2106.04140, section 2.
    """

    def __init__(
        self,
        grid: Grid,
        width: int,
        *,
        kernel: tuple[int, int],
        stride: int = 1,
        dilation: int,
        bands: int,
        dropout: float,
        norm_eps: float,
    ):
        super().__init__()
        expect_middle("kernel", kernel)
        self._from = (grid.frequency, grid.time)
        self.grid = Grid(-(-grid.frequency // stride), grid.time)
        rows, moments = kernel
        self.along_frequency = nn.Conv2d(width, width, (rows, 1), (stride, 1), (rows // 2, 0), groups=width, bias=False)
        self.bands = SubSpectralNorm(self.grid.frequency, width, bands, norm_eps)
        padding = dilation * (moments // 2)
        self.along_time = nn.Conv1d(width, width, moments, 1, padding, dilation, groups=width, bias=False)
        self.norm = BatchNorm(width, norm_eps)
        self.activation = nn.SiLU()
        self.pointwise = Linear(width, width, bias=False)
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """The rows, each with the course of all added."""
        picture = x.unflatten(1, self._from).permute(0, 3, 1, 2)
        rows = self.bands(self.along_frequency(picture).permute(0, 2, 3, 1))
        course = self.along_time(rows.mean(1).transpose(1, 2)).transpose(1, 2)
        mapped = self.pointwise(self.activation(self.norm(course)))
        added = self.dropout(mapped.transpose(1, 2)).transpose(1, 2)
        return (rows + added[:, None]).flatten(1, 2)


@downsample("broadcast_residual", paper="arXiv:2106.04140, section 2.2")
class BroadcastTransition(nn.Module):
    """Transition block of BC-ResNet: describes each place in other channels, joins neighbouring frequencies, and adds
    to each the course of them all.

    BC-ResNet's transition block: a linear map with BatchNorm and ReLU, then the operator `broadcast_residual` with a
    step along frequency, then ReLU.

    Shape: `b (f t) c -> b (f' t) w`.

    Args:
        grid: of the tokens.
        width: channels of a token, c.
        wider: channels of a token afterwards, w.
        stride: rows from one to the next; 1 keeps the grid.
        kernel: tokens along frequency and along time, odd numbers.
        dilation: from one weight along time to the next.
        bands: of frequencies, each with a norm of its own; at most one a row.
        dropout: probability of silencing a channel of what is added.
        norm_eps: added to the variance in the norms.

    Raises:
        SettingError: a side of the kernel has no middle.

    Paper: Kim et al. 2021, arXiv:2106.04140, section 2.2.
    """

    def __init__(
        self,
        grid: Grid,
        width: int,
        wider: int,
        *,
        stride: Side = 2,
        kernel: tuple[Side, Side] = (3, 3),
        dilation: Side = 1,
        bands: Count = 5,
        dropout: Rate = 0.1,
        norm_eps: Positive = 1e-5,
    ):
        super().__init__()
        self.projection = Linear(width, wider, bias=False)
        self.norm = BatchNorm(wider, norm_eps)
        self.activation = nn.ReLU()
        self.broadcast = Broadcast(
            grid,
            wider,
            kernel=kernel,
            stride=stride,
            dilation=dilation,
            bands=bands,
            dropout=dropout,
            norm_eps=norm_eps,
        )
        self.grid, self.step, self.first = self.broadcast.grid, (stride, 1), (0.0, 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens of another width."""
        mapped = self.activation(self.norm(self.projection(x)))
        joined: Tensor = self.activation(self.broadcast(mapped))
        return joined
