"""Self-attention inside windows of the grid, as Swin has it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixkit.linear import Linear
from mixkit.operators.heads import split_heads
from mixkit.operators.windows import Windows
from mixkit.registry import Site, operator
from mixkit.values import Count, Rate, Side


def _axes(params: Mapping[str, Any]) -> set[str]:
    along = zip(("frequency", "time"), params["window"], strict=True)
    return {"channel"} | {axis for axis, side in along if side > 1}


@operator("window_attention", mixes=_axes, paper="arXiv:2103.14030")
class WindowAttention(nn.Module):
    """Window attention (Swin): lets every place in the spectrogram choose, by what it contains, which of those
    around it to hear.

    Self-attention among the tokens of a window, with a learned bias for each offset between two of them. Every second
    layer of a stage has its windows half a window further on, so that what stood apart meets.

    Shape:
        `b (f t) c -> b (f t) c`

    Equation:
        q, k, v = x Wᵀ + b, cut in c / head_width heads
        a[i, j] = q[i] · k[j] / √head_width + B[offset of i from j]
        z = softmax(a) v within each window, heads side by side
        y = z Uᵀ + u

    Cost:
        parameters: 4*c**2 + (4*c if bias else c) + (2*p - 1)*(2*q - 1)*h
        FLOPs: 8*n*c**2 + 4*m*p*q*c
        p: min(window[0], f)  # tokens of a window along frequency
        q: min(window[1], t)  # tokens of a window along time
        m: (f + p - 1)//p*p*((t + q - 1)//q*q)  # tokens of all windows
        h: c//min(head_width, c)  # heads

    Args:
        site: where it stands; it needs the bare grid.
        window: tokens of a window along frequency and time; along an axis that is no longer it is the whole of it.
        shift: whether windows of the second, fourth, ... layer of a stage stand half a window further on.
        head_width: channels of a head; there are width / head_width heads, or one where the model is narrower.
        bias: queries, keys and values have a bias.
        dropout: probability of ignoring a token, and of silencing a value after the last map.

    Raises:
        SettingError: `head_width` does not divide the width, or a window is a single token, or too large to be held.
        MixkitError: the model has prefix tokens.

    Paper: Swin, Liu et al. 2021, arXiv:2103.14030, section 3.2.

    Differs: where windows do not divide the grid, the code of the authors, timm's and transformers' fills the grid up
    with zeros and lets attention hear them; here nobody hears what is not there, and it is not computed.
    """

    def __init__(
        self,
        site: Site,
        *,
        window: tuple[Side, Side] = (7, 7),
        shift: bool = True,
        head_width: Count = 32,
        bias: bool = True,
        dropout: Rate = 0.0,
    ):
        super().__init__()
        heads = split_heads(site.width, head_width)
        self.windows = Windows("window_attention", site, window, shift, heads)
        self.qkv = Linear(site.width, 3 * site.width, bias=bias)
        self.projection = Linear(site.width, site.width)
        self.table = nn.Parameter(nn.init.trunc_normal_(torch.empty(self.windows.offsets, heads[0]), std=0.02))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Attend."""
        query, key, value = self.windows.cut(self.qkv(x))
        bias, dropout = self.windows.bias(self.table).to(query.dtype), self.dropout.p if self.training else 0.0
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout)
        projected: Tensor = self.dropout(self.projection(self.windows.join(attended)))
        return projected
