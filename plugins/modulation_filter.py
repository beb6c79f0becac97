"""A learned filter over time for each frequency row and channel, as gains of its modulation frequencies.

mixkit train mlp_mixer --plugin plugins/modulation_filter.py \
    --set "block.branches = [@operator.modulation_filter(), @operator.channel()]"
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from mixkit import NotNegative, Site, operator


@operator("modulation_filter", mixes={"time"}, paper="after GFNet, arXiv:2107.00645, equations 4 and 5")
class ModulationFilter(nn.Module):
    """Turns the rhythms of each band up or down: slow swells, syllables, tremolo.

    What happens along time in a row of the grid is a sum of circular rhythms; each gets a gain and a shift. That is a
    circular convolution as long as the row, with a filter for each row and channel: f x t x c numbers in all.

    Shape:
        `b (f t) c -> b (f t) c`

    Args:
        site: where it stands; it needs the bare grid.
        spread: standard deviation of the gains at the start, about 1, and of the shifts, about 0.

    Raises:
        MixkitError: the model has prefix tokens.

    Paper: Rao et al. 2021, arXiv:2107.00645; filters of band envelopes: Hermansky and Morgan 1994 (RASTA).

    Differs: GFNet filters rows and columns at once, and starts about 0; this one filters time alone and starts about
        the identity. Cosine and sine matrices in place of complex FFTs, which cannot be exported everywhere.
    """

    waves: Tensor
    share: Tensor

    def __init__(self, site: Site, *, spread: NotNegative = 0.02):
        super().__init__()
        self.grid = site.bare("modulation_filter")
        time, rhythms = self.grid.time, self.grid.time // 2 + 1
        turns = 2 * math.pi * torch.arange(time)[:, None] * torch.arange(rhythms) / time
        self.register_buffer("waves", torch.stack([turns.cos(), turns.sin()]), persistent=False)
        counts = [1 if 2 * rhythm % time == 0 else 2 for rhythm in range(rhythms)]  # a rhythm and its mirror image
        self.register_buffer("share", torch.tensor(counts)[:, None] / time, persistent=False)
        self.gains = nn.Parameter(1 + spread * torch.randn(self.grid.frequency, rhythms, site.width))
        # The slowest rhythm, and with an even number of moments the fastest, cannot be shifted: their sine is 0.
        self.shifts = nn.Parameter(spread * torch.randn(self.grid.frequency, (time - 1) // 2, site.width))

    def forward(self, x: Tensor) -> Tensor:
        """Take each row apart, weigh its rhythms, and put it together again."""
        rows = x.unflatten(1, (self.grid.frequency, self.grid.time))
        cosine, sine = torch.einsum("wtk,bftc->wbfkc", self.waves, rows)
        gains = self.gains * self.share
        shifts = pad(self.shifts, (0, 0, 1, gains.shape[1] - self.shifts.shape[1] - 1)) * self.share
        weighed = torch.stack([gains * cosine - shifts * sine, gains * sine + shifts * cosine])
        return torch.einsum("wtk,wbfkc->bftc", self.waves, weighed).flatten(1, 2)
