"""An operator of one's own: copy this file, rename the class, change `forward`.

mixkit train recipes/mlp_mixer.gin --plugin plugins/gated_time.py \
    --set "block.branches = [@operator.gated_time(), @operator.channel()]"
"""

from einops import rearrange
from torch import Tensor, nn

from mixkit import Site, operator


@operator("gated_time", mixes={"time", "channel"}, paper="after gMLP, arXiv:2105.08050")
class GatedTime(nn.Module):
    """Lets every moment turn the others up or down, in each frequency row.

    Shape: `b (f t) c -> b (f t) c`.
    """

    def __init__(self, site: Site, *, bias: float = 1.0):
        super().__init__()
        self.grid = site.bare("gated_time")
        self.over_time = nn.Linear(self.grid.time, self.grid.time)
        self.out = nn.Linear(site.width, site.width)
        nn.init.constant_(self.over_time.bias, bias)  # starts as a gate that is open

    def forward(self, x: Tensor) -> Tensor:
        """Each token times a gate computed from its row."""
        rows = rearrange(x, "b (f t) c -> b f c t", f=self.grid.frequency)
        gate = rearrange(self.over_time(rows), "b f c t -> b (f t) c")
        return self.out(x * gate)
