"""Depthwise convolution over the grid: every token by its neighbours, one channel at a time."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from mixkit.errors import SettingError
from mixkit.registry import Site, operator
from mixkit.values import Side, expect_middle


def _axes(params: Mapping[str, Any]) -> set[str]:
    return {axis for axis, size in zip(("frequency", "time"), params["kernel"], strict=True) if size > 1}


@operator("convolution", mixes=_axes, paper="arXiv:2201.09792")
class Convolution(nn.Module):
    """Depthwise convolution: blends each patch with those around it, by one small pattern of weights for each
    channel.

    A depthwise convolution over the grid; with a kernel of 1 along one axis it mixes the other alone.

    Shape:
        `b (f t) c -> b (f t) c`

    Equation:
        y[p, q, j] = b[j] + Σ w[j, u, v] x[p + d u, q + e v, j]
        p = frequency, q = time, (d, e) = dilation
        u, v = places of the kernel, from its middle
        beyond the edge x = 0

    Cost:
        parameters: c*k + (c if bias else 0)
        FLOPs: 2*n*c*k
        k: product(kernel)  # weights of a channel

    Args:
        site: where it stands; it needs the bare grid.
        kernel: patches along frequency and time, odd numbers.
        dilation: from one weight to the next along frequency and time.
        bias: add one to each channel.

    Raises:
        SettingError: the kernel has no middle, or mixes nothing.
        MixkitError: the model has prefix tokens.

    Paper: ConvMixer, Trockman and Kolter 2022, arXiv:2201.09792, mixes places so (9 x 9).
    """

    def __init__(
        self,
        site: Site,
        *,
        kernel: tuple[Side, Side] = (5, 5),
        dilation: tuple[Side, Side] = (1, 1),
        bias: bool = True,
    ):
        super().__init__()
        grid = site.bare("convolution")
        fix = "Use odd numbers, such as (5, 5) or (1, 7)."
        if kernel == (1, 1):
            raise SettingError("kernel", f"is [1, 1], which mixes nothing. {fix}")
        expect_middle("kernel", kernel, fix)
        self._grid = (grid.frequency, grid.time)
        padding = (dilation[0] * (kernel[0] // 2), dilation[1] * (kernel[1] // 2))
        self.depthwise = nn.Conv2d(
            site.width, site.width, kernel, padding=padding, dilation=dilation, groups=site.width, bias=bias
        )

    def forward(self, x: Tensor) -> Tensor:
        """Blend."""
        picture = x.unflatten(1, self._grid).permute(0, 3, 1, 2)  # channels last in memory
        return self.depthwise(picture).permute(0, 2, 3, 1).flatten(1, 2)
