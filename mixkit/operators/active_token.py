"""Active token mixing: each channel of each token is fetched from where the token says, in time and in frequency."""

from torch import Tensor, nn

from mixkit.errors import SettingError
from mixkit.linear import Linear
from mixkit.operators.fetched import fetched
from mixkit.operators.precision import without_autocast
from mixkit.operators.weighed import Weigh
from mixkit.registry import Site, operator
from mixkit.values import Count


@operator("active_token", mixes={"frequency", "time", "channel"}, paper="arXiv:2203.06108, section 3.2")
class ActiveToken(nn.Module):
    """Active token mixing (ActiveMLP): lets every place choose, feature by feature, how far to look in time and how
    far in frequency.

    From each token come two distances for every channel: how far off in time, and how far off in frequency, its value
    is fetched. What is fetched each way, and the token itself, are weighed channel by channel.

    Shape:
        `b (f t) c -> b (f t) c`

    Equation:
        o, s = LN(x) W₁ + b₁, each number for share channels
        u[p, q, j] = x[p, q + o[p, q, j], j]  in time
        v[p, q, j] = x[p + s[p, q, j], q, j]  in frequency
        u, v, w = u W₂ + b₂, v W₃ + b₃, x W₄
        a = softmax over the three of MLP(mean of u + v + w)
        y = (a₁ u + a₂ v + a₃ w) W₅ + b₅
        between two patches by linear interpolation
        beyond the edge x = 0

    Cost:
        parameters: 4*c**2 + 8*c + (c + 1)*m + (4*c + 1)*h
        FLOPs: 2*n*c*m + 8*n*c**2 + 8*c*h
        m: 2*c//share  # distances of a token
        h: c//4 or 1  # hidden units of what weighs

    Args:
        site: where it stands; it needs the bare grid.
        share: channels that have one distance.

    Raises:
        SettingError: `share` does not divide the width.
        MixkitError: the model has prefix tokens.

    Paper: ActiveMLP, Wei et al. 2022, arXiv:2203.06108, section 3.2; in later versions Active Token Mixer.

    Differs: each block makes distances of its own, from the tokens under the branch's norm and LayerNorm once more. The
    authors' code makes them of the block's input, and in most blocks takes those of a block ahead, which an operator
    here cannot: it knows its own branch alone.
    """

    def __init__(self, site: Site, *, share: Count = 4):
        super().__init__()
        grid = site.bare("active_token")
        width = site.width
        if width % share:
            divisor = next(size for size in range(min(share, width), 0, -1) if width % size == 0)
            message = f"is {share}, which does not divide a width of {width}. Use a divisor, such as {divisor}."
            raise SettingError("share", message)
        self._grid, self._share = (grid.frequency, grid.time), share
        self.norm = nn.LayerNorm(width, eps=1e-5)
        self.distances = Linear(width, 2 * width // share)
        self.time, self.frequency = Linear(width, width), Linear(width, width)
        self.channel = Linear(width, width, bias=False)
        self.weigh = Weigh(width)
        self.projection = Linear(width, width)
        nn.init.trunc_normal_(self.distances.weight, std=0.02)
        nn.init.zeros_(self.distances.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Fetch and weigh."""
        cube = x.unflatten(1, self._grid)
        with without_autocast(x.device):  # half precision knows a place only to a fraction of a patch
            distances = self.distances(self.norm(cube.to(self.norm.weight.dtype)))
        in_time, in_frequency = distances.repeat_interleave(self._share, dim=-1).chunk(2, dim=-1)
        time = self.time(fetched(cube, in_time, 2).flatten(1, 2))
        frequency = self.frequency(fetched(cube, in_frequency, 1).flatten(1, 2))
        mixed: Tensor = self.projection(self.weigh(time, frequency, self.channel(x)))
        return mixed
