"""Pooling: the mean of the neighbourhood in place of everything learned."""

from torch import Tensor, nn

from mixkit.registry import Site, operator
from mixkit.values import Side, expect_middle


@operator("pooling", mixes={"frequency", "time"}, paper="arXiv:2111.11418, eq. 4")
class Pooling(nn.Module):
    """Average pooling as token mixer (PoolFormer): moves each patch towards the mean of those around it, and learns
    nothing.

    What comes out is the mean of the neighbourhood less the patch itself, as the residual adds the patch again.

    Shape:
        `b (f t) c -> b (f t) c`

    Equation:
        y[p, q, j] = mean x[p + u, q + v, j] - x[p, q, j]
        p = frequency, q = time
        u, v = places of the neighbourhood that lie on the grid

    Cost:
        parameters: 0
        FLOPs: 0

    Args:
        site: where it stands; it needs the bare grid.
        size: patches along frequency and time, odd numbers.

    Raises:
        SettingError: the neighbourhood has no middle.
        MixkitError: the model has prefix tokens.

    Paper: PoolFormer, Yu et al. 2022, arXiv:2111.11418, eq. 4. At the edge the mean is of the patches that are there.
    """

    def __init__(self, site: Site, *, size: tuple[Side, Side] = (3, 3)):
        super().__init__()
        grid = site.bare("pooling")
        expect_middle("size", size)
        self._grid = (grid.frequency, grid.time)
        self.mean = nn.AvgPool2d(size, stride=1, padding=(size[0] // 2, size[1] // 2), count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Pool."""
        picture = x.unflatten(1, self._grid).permute(0, 3, 1, 2)
        return self.mean(picture).permute(0, 2, 3, 1).flatten(1, 2) - x
