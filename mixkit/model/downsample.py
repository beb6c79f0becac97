"""Downsampling between two stages: from a grid of tokens to a coarser one, of another width."""

from typing import Literal

from torch import Tensor, nn

from mixkit.errors import SettingError
from mixkit.linear import Linear
from mixkit.model.activations import ACTIVATIONS
from mixkit.model.norms import norm_layer
from mixkit.model.stem import Pair
from mixkit.recipe.schema import Activation, Norm
from mixkit.registry import Grid, downsample
from mixkit.values import Positive, expect_middle


@downsample("convolution", paper="arXiv:2111.11418")
class ConvolutionDownsample(nn.Module):
    """Strided convolution: describes each place of a coarser grid by the tokens around it, in one layer of filters.

    Shape: `b (f t) c -> b (f' t') w`.

    Args:
        grid: of the tokens.
        width: channels of a token, c.
        wider: channels of a token afterwards, w.
        kernel: tokens along frequency and time, odd numbers; PoolFormer's are 3 x 3.
        stride: from one place to the next.
        padding: along frequency, and along time: whether half a kernel of zeros lies beyond the edge; otherwise the
            kernel stays on the grid.
        separable: a depthwise convolution, and a linear map of its channels, in the place of one of both (MobileNet).
        bias: add one to each channel.
        norm: ahead of it.
        norm_eps: added to the variance in that norm.

    Raises:
        SettingError: a side of the kernel has no middle, or is longer than a grid without padding.

    Paper: PoolFormer, Yu et al. 2022, arXiv:2111.11418 (3 x 3 every 2, no norm).
    """

    def __init__(
        self,
        grid: Grid,
        width: int,
        wider: int,
        *,
        kernel: Pair = (3, 3),
        stride: Pair = (2, 2),
        padding: tuple[bool, bool] = (True, True),
        separable: bool = False,
        bias: bool = True,
        norm: Norm = "none",
        norm_eps: Positive = 1e-5,
    ):
        super().__init__()
        self._from = (grid.frequency, grid.time)
        expect_middle("kernel", kernel)
        zeros = (padding[0] * (kernel[0] // 2), padding[1] * (kernel[1] // 2))
        lost = (kernel[0] - 1 - 2 * zeros[0], kernel[1] - 1 - 2 * zeros[1])
        left = (grid.frequency - lost[0], grid.time - lost[1])
        if min(left) < 1:
            fitting = tuple(min(side, (long - 1) // 2 * 2 + 1) for side, long in zip(kernel, self._from, strict=True))
            fix = f"Use padding = (True, True), or a kernel that fits, such as {fitting}."
            raise SettingError("kernel", f"is {list(kernel)}, and the grid {grid.frequency} x {grid.time}. {fix}")
        self.grid = Grid(-(-left[0] // stride[0]), -(-left[1] // stride[1]))
        self.step, self.first = stride, (lost[0] / 2, lost[1] / 2)
        self.norm = norm_layer(norm, width, norm_eps)
        self.projection: nn.Module
        if separable:
            filters = nn.Conv2d(width, width, kernel, stride, zeros, groups=width, bias=False)
            self.projection = nn.Sequential(filters, nn.Conv2d(width, wider, 1, bias=bias))
        else:
            self.projection = nn.Conv2d(width, wider, kernel, stride, zeros, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Fewer tokens."""
        picture = self.norm(x).unflatten(1, self._from).permute(0, 3, 1, 2)
        described: Tensor = self.projection(picture)
        return described.permute(0, 2, 3, 1).flatten(1, 2)


@downsample("normed_convolution", paper="arXiv:2111.12294")
class NormedConvolution(nn.Module):
    """Strided convolution with norm and activation: describes each place of a coarser grid by the tokens around it, as
    a layer of the convolution stem does.

    A convolution, a norm, which takes the place of a bias, and an activation. Beyond the edge are zeros, half a kernel
    of them.

    Shape: `b (f t) c -> b (f' t') w`.

    Args:
        grid: of the tokens.
        width: channels of a token, c.
        wider: channels of a token afterwards, w.
        kernel: tokens along frequency and time, odd numbers.
        stride: from one place to the next.
        norm: behind the convolution.
        norm_eps: added to the variance in that norm.
        activation: behind the norm (Hire-MLP); None for none (Wave-MLP).

    Raises:
        SettingError: a side of the kernel has no middle.

    Paper: Wave-MLP, Tang et al. 2021, arXiv:2111.12294, and its authors' code, where the convolution has a bias, too.
    """

    def __init__(
        self,
        grid: Grid,
        width: int,
        wider: int,
        *,
        kernel: Pair = (3, 3),
        stride: Pair = (2, 2),
        norm: Norm = "batch",
        norm_eps: Positive = 1e-5,
        activation: Activation | None = "relu",
    ):
        super().__init__()
        self.convolution = ConvolutionDownsample(grid, width, wider, kernel=kernel, stride=stride, bias=norm == "none")
        self.norm = norm_layer(norm, wider, norm_eps)
        self.activation = nn.Identity() if activation is None else ACTIVATIONS[activation]()
        self.grid, self.step, self.first = self.convolution.grid, self.convolution.step, self.convolution.first

    def forward(self, x: Tensor) -> Tensor:
        """Fewer tokens."""
        described: Tensor = self.activation(self.norm(self.convolution(x)))
        return described


@downsample("patches", paper="arXiv:2103.14030, section 3.1")
class PatchMerging(nn.Module):
    """Patch merging: puts the tokens of each little patch together and describes them by one.

    A rest at the edge that does not fill a patch is filled with zeros.

    Shape: `b (f t) c -> b (f' t') w`.

    Args:
        grid: of the tokens.
        width: channels of a token, c.
        wider: channels of a token afterwards, w.
        size: tokens of a patch along frequency and time, which is the step to the next as well.
        norm: ahead of the map, or behind it.
        norm_place: of what the norm is: of each `token` by itself (ShiftViT), of a `patch`, its values together (Swin),
            or behind the map, of what is `merged` (Swin V2).
        norm_eps: added to the variance in that norm.
        bias: add one to each channel.

    Paper: Swin, Liu et al. 2021, arXiv:2103.14030, section 3.1.
    """

    def __init__(
        self,
        grid: Grid,
        width: int,
        wider: int,
        *,
        size: Pair = (2, 2),
        norm: Norm = "layer",
        norm_place: Literal["token", "patch", "merged"] = "patch",
        norm_eps: Positive = 1e-5,
        bias: bool = False,
    ):
        super().__init__()
        frequency, time = -(-grid.frequency // size[0]), -(-grid.time // size[1])
        self._from, self._size = (grid.frequency, grid.time), size
        self._rest = (frequency * size[0] - grid.frequency, time * size[1] - grid.time)
        self.grid = Grid(frequency, time)
        self.step, self.first = size, ((size[0] - 1) / 2, (size[1] - 1) / 2)
        values = size[0] * size[1] * width
        self._norm_place = norm_place
        self.norm = norm_layer(norm, {"token": width, "patch": values, "merged": wider}[norm_place], norm_eps)
        self.projection = Linear(values, wider, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Fewer tokens."""
        x = self.norm(x) if self._norm_place == "token" else x
        cube = nn.functional.pad(x.unflatten(1, self._from), (0, 0, 0, self._rest[1], 0, self._rest[0]))
        patches = cube.unflatten(2, (-1, self._size[1])).unflatten(1, (-1, self._size[0]))
        # Within a patch as Swin has it: frequency runs fastest, then time.
        joined = patches.permute(0, 1, 3, 4, 2, 5).flatten(3).flatten(1, 2)
        merged: Tensor = self.projection(self.norm(joined) if self._norm_place == "patch" else joined)
        return self.norm(merged) if self._norm_place == "merged" else merged


@downsample("max_pool")
class MaxPool(nn.Module):
    """Max pooling: keeps the strongest value of each little patch, channel by channel.

    A rest at the edge that does not fill a patch makes a smaller one. A linear map follows where the width changes.

    Shape: `b (f t) c -> b (f' t') w`.

    Args:
        grid: of the tokens.
        width: channels of a token, c.
        wider: channels of a token afterwards, w.
        size: tokens of a patch along frequency and time, which is the step to the next as well.
    """

    def __init__(self, grid: Grid, width: int, wider: int, *, size: Pair = (2, 2)):
        super().__init__()
        self._from, self._size = (grid.frequency, grid.time), size
        self.grid = Grid(-(-grid.frequency // size[0]), -(-grid.time // size[1]))
        self.step, self.first = size, ((size[0] - 1) / 2, (size[1] - 1) / 2)
        self.projection = nn.Identity() if width == wider else Linear(width, wider)

    def forward(self, x: Tensor) -> Tensor:
        """Fewer tokens."""
        picture = x.unflatten(1, self._from).permute(0, 3, 1, 2)
        strongest = nn.functional.max_pool2d(picture, self._size, ceil_mode=True).permute(0, 2, 3, 1)
        pooled: Tensor = self.projection(strongest.flatten(1, 2))
        return pooled
