"""A filter over the whole grid that depends on what it filters: adaptive frequency filters."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixkit.errors import SettingError
from mixkit.model.activations import ACTIVATIONS
from mixkit.operators.precision import wide, without_autocast
from mixkit.recipe.schema import Activation
from mixkit.registry import Site, operator
from mixkit.values import Count, Share


@operator("frequency_filter", mixes={"frequency", "time", "channel"}, paper="arXiv:2307.14008")
class FrequencyFilter(nn.Module):
    """Adaptive frequency filter (AFF): listens to the patterns of the grid, coarse and fine, and decides by what it
    hears which of them to keep.

    Every two-dimensional rhythm of the grid is weighed by a mask, which a small network of complex numbers makes of it,
    block by block of the channels. Small weights are set to 0.

    Shape:
        `b (f t) c -> b (f t) c`

    Equation:
        X = F(x)                       2-D discrete Fourier transform over the grid
        M = shrink(V₂ φ(V₁ X + b₁) + b₂)  for each block of channels
        y = F⁻¹(M X) + x
        V, b complex; shrink(m) = sign(m) max(|m| - shrink, 0), φ = activation,
        both of real and imaginary part apart

    Cost:
        parameters: 4*c*c//blocks + 4*c
        FLOPs: 2*c*fft(f, t) + 16*f*(t//2 + 1)*c*c//blocks

    Args:
        site: where it stands; it needs the bare grid.
        blocks: parts of the channels, which do not hear each other.
        activation: between the two maps.
        shrink: what is smaller than this in the mask is 0, and all else that much smaller.
        skip: add the input, as the paper does, beside the residual of the branch.

    Raises:
        SettingError: `blocks` does not divide the width.
        MixkitError: the model has prefix tokens.

    Paper: AFF, Huang et al. 2023, arXiv:2307.14008, eqs. 5 and 6, and its authors' code.
    """

    def __init__(
        self,
        site: Site,
        *,
        blocks: Count = 8,
        activation: Activation = "relu",
        shrink: Share = 0.01,
        skip: bool = True,
    ):
        super().__init__()
        grid = site.bare("frequency_filter")
        if site.width % blocks:
            divisor = next(count for count in range(min(blocks, site.width), 0, -1) if site.width % count == 0)
            fix = f"Use a divisor, such as {divisor}."
            raise SettingError("blocks", f"is {blocks}, which does not divide a width of {site.width}. {fix}")
        self._grid, self._shrink, self._skip = (grid.frequency, grid.time), shrink, skip
        self._blocks = (blocks, site.width // blocks)
        self.first = _ComplexMap(*self._blocks)
        self.second = _ComplexMap(*self._blocks)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """Filter."""
        spectrum = torch.fft.rfft2(wide(x).unflatten(1, self._grid), s=self._grid, dim=(1, 2), norm="ortho")
        parts = torch.view_as_real(spectrum).unflatten(3, self._blocks).movedim(-1, -2)  # b f t' k (re, im) d
        with without_autocast(x.device):
            mask = functional.softshrink(self.second(self.activation(self.first(parts))), self._shrink)
        weighed = spectrum * torch.view_as_complex(mask.movedim(-2, -1).flatten(3, 4).contiguous())
        filtered = torch.fft.irfft2(weighed, s=self._grid, dim=(1, 2), norm="ortho").flatten(1, 2).to(x.dtype)
        return x + filtered if self._skip else filtered


class _ComplexMap(nn.Module):
    """A complex map of each block of channels, as one real map of real and imaginary parts side by side.

    Shape:
        `b f t k 2 d -> b f t k 2 d`
    """

    def __init__(self, blocks: int, size: int):
        super().__init__()
        self.weight = nn.Parameter(0.02 * torch.randn(2, blocks, size, size))
        self.bias = nn.Parameter(0.02 * torch.randn(2, blocks, size))

    def forward(self, x: Tensor) -> Tensor:
        """Multiply."""
        real, imaginary = self.weight
        whole = torch.cat((torch.cat((real, imaginary), dim=2), torch.cat((-imaginary, real), dim=2)), dim=1)
        mapped: Tensor = torch.einsum("...ki,kij->...kj", x.flatten(-2), whole).unflatten(-1, x.shape[-2:])
        return mapped + self.bias.transpose(0, 1)
