"""Groups of channels rolled along time, by steps that double: 1, -1, 2, -2, 4, -4 ...

mixkit train mlp_mixer --plugin plugins/dilated_roll.py \
    --set "block.branches = [[@operator.dilated_roll(), @operator.channel()]]"
"""

import torch
from torch import Tensor, nn

from mixkit import Count, Site, operator


@operator("dilated_roll", mixes={"time"}, paper="after ASM-RH, arXiv:2402.18007, II-B, and WaveNet, arXiv:1609.03499")
class DilatedRoll(nn.Module):
    """Lets each place hear moments before and after it, near and far, and learns nothing.

    The channels are cut in `groups`. The first stays; the others slide along time by 1, -1, 2, -2, 4, -4 and on, each
    row in a circle. It needs a map over channels behind it, in the same branch, that recombines what then meets.

    Shape:
        `b (f t) c -> b (f t) c`

    Args:
        site: where it stands; it needs the bare grid.
        groups: parts of the channels; 9 reach 8 moments to either side. With more groups than channels the last ones
            are empty.

    Raises:
        MixkitError: the model has prefix tokens.

    Differs: ASM-RH rolls the flat table of tokens and channels, so that values cross from one row and channel to the
        next; here channels stay apart, rows too, and the reach doubles from group to group and not from layer to layer.
    """

    def __init__(self, site: Site, *, groups: Count = 9):
        super().__init__()
        self.grid = site.bare("dilated_roll")
        self.steps = [0, *(sign * 2**power for power in range(groups) for sign in (1, -1))][:groups]

    def forward(self, x: Tensor) -> Tensor:
        """Slide."""
        rows = x.unflatten(1, (self.grid.frequency, self.grid.time))
        parts = rows.tensor_split(len(self.steps), dim=3)
        return torch.cat([_slid(part, step) for part, step in zip(parts, self.steps, strict=True)], 3).flatten(1, 2)


def _slid(part: Tensor, step: int) -> Tensor:
    kept = -step % part.shape[2]  # two slices: the compiler makes plain copies of them, and indexing of torch.roll
    return torch.cat((part[:, :, kept:], part[:, :, :kept]), dim=2)
