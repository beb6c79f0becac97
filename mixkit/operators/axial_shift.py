"""Axial shifts: some channels of each patch are those of patches ahead and behind, in time and in frequency."""

import torch
from torch import Tensor, nn

from mixkit.errors import SettingError
from mixkit.linear import Linear
from mixkit.model.norms import GridNorm
from mixkit.operators.moved import moved
from mixkit.registry import Site, operator
from mixkit.values import Side, expect_middle

NORM_EPS = 1e-5


@operator("axial_shift", mixes={"frequency", "time", "channel"}, paper="arXiv:2107.08391, section 3")
class AxialShift(nn.Module):
    """Axial shift MLP (AS-MLP): lays what is a little earlier and later beside each place, and what is a little
    lower and higher, and blends it.

    The channels are cut in parts, and each part is moved another step along time; of a second copy, along frequency.
    Each copy has a map of its own, so that a place hears its neighbours along two lines that cross in it.

    Shape:
        `b (f t) c -> b (f t) c`

    Equation:
        z = φ(GN(x W₁ + b₁))
        u[p, q, j] = z[p, q - i + size // 2, j]  in time
        v[p, q, j] = z[p - i + size // 2, q, j]  in frequency
        y = GN(φ(u W₂ + b₂) + φ(v W₃ + b₃)) W₄ + b₄
        i = j // ⌈c / size⌉, the part of the channel
        φ = GELU, GN = GroupNorm with one group
        beyond the edge z = 0

    Cost:
        parameters: 4*c**2 + 8*c
        FLOPs: 8*n*c**2

    Args:
        site: where it stands; it needs the bare grid.
        size: parts of the channels along frequency and along time, odd numbers: as many patches reach a place.

    Raises:
        SettingError: `size` has no middle, moves nothing, or asks for more parts than there are channels.
        MixkitError: the model has prefix tokens.

    Paper: AS-MLP, Lian et al. 2021, arXiv:2107.08391, section 3, with the norms of its authors' code. These hear the
    whole grid at once, though little of it.
    """

    def __init__(self, site: Site, *, size: tuple[Side, Side] = (5, 5)):
        super().__init__()
        grid, width = site.bare("axial_shift"), site.width
        fix = "Use odd numbers, such as (5, 5)."
        if size == (1, 1):
            raise SettingError("size", f"is [1, 1], so that nothing moves. {fix}")
        expect_middle("size", size, fix)
        if max(size) > width:
            raise SettingError("size", f"is {list(size)}, more parts than the {width} channels. Use fewer.")
        self._grid, self._size = (grid.frequency, grid.time), size
        self.expand = Linear(width, width)
        self.inner_norm, self.outer_norm = GridNorm(width, NORM_EPS), GridNorm(width, NORM_EPS)
        self.time, self.frequency = Linear(width, width), Linear(width, width)
        self.contract = Linear(width, width)
        self.activation = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        """Shift along both axes, and blend."""
        cube = self.activation(self.inner_norm(self.expand(x))).unflatten(1, self._grid)
        time, frequency = self.time(self._shifted(cube, 2)), self.frequency(self._shifted(cube, 1))
        mixed: Tensor = self.contract(self.outer_norm(self.activation(time) + self.activation(frequency)))
        return mixed

    def _shifted(self, cube: Tensor, axis: int) -> Tensor:
        size = self._size[axis - 1]
        parts = cube.split(-(-cube.shape[3] // size), dim=3)
        return torch.cat([moved(part, axis, step - size // 2) for step, part in enumerate(parts)], dim=3).flatten(1, 2)
