"""A learned filter over the whole grid, channel by channel, as GFNet has it."""

import torch
from torch import Tensor, nn

from mixkit.operators.precision import wide
from mixkit.registry import Site, operator
from mixkit.values import NotNegative


@operator("global_filter", mixes={"frequency", "time"}, paper="arXiv:2107.00645")
class GlobalFilter(nn.Module):
    """Global filter in the Fourier domain (GFNet): turns the patterns of the grid up or down, coarse and fine, and
    moves them along; each channel by itself.

    A convolution over the grid that is as large as the grid and goes round at its edges, learned as what it does to
    each of the two-dimensional rhythms that the grid is a sum of.

    Shape:
        `b (f t) c -> b (f t) c`

    Equation:
        X = F(x)               2-D discrete Fourier transform over the grid
        y[:, j] = F⁻¹(K[j] X[j])  for each channel j, K complex
        K is given for 0 … f - 1 along f and 0 … ⌊t / 2⌋ along t,
        which the others mirror

    Cost:
        parameters: 2*f*(t//2 + 1)*c
        FLOPs: 2*c*fft(f, t)

    Args:
        site: where it stands; it needs the bare grid.
        spread: standard deviation of real and imaginary parts at the start, about 0.

    Raises:
        MixkitError: the model has prefix tokens.

    Paper: GFNet, Rao et al. 2021, arXiv:2107.00645, eqs. 4 and 5. There a block has one residual for the filter and the
    feed-forward: `block.residual = True` and `branch.residual = False`.
    """

    def __init__(self, site: Site, *, spread: NotNegative = 0.02):
        super().__init__()
        grid = site.bare("global_filter")
        self._grid = (grid.frequency, grid.time)
        self.filter = nn.Parameter(spread * torch.randn(grid.frequency, grid.time // 2 + 1, site.width, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Filter."""
        spectrum = torch.fft.rfft2(wide(x).unflatten(1, self._grid), s=self._grid, dim=(1, 2), norm="ortho")
        filtered = spectrum * torch.view_as_complex(self.filter)
        return torch.fft.irfft2(filtered, s=self._grid, dim=(1, 2), norm="ortho").flatten(1, 2).to(x.dtype)
