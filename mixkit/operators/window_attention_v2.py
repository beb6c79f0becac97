"""Self-attention inside windows of the grid, as Swin V2 has it."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixkit.linear import Linear, linear
from mixkit.operators.heads import split_heads
from mixkit.operators.precision import without_autocast
from mixkit.operators.windows import Windows
from mixkit.registry import Site, operator
from mixkit.values import Count, Rate, Side

MOST = math.log(100)  # of the logarithm of a scale, as the authors' code has it
BIAS = 16  # so much is added to a score at most


def _axes(params: Mapping[str, Any]) -> set[str]:
    along = zip(("frequency", "time"), params["window"], strict=True)
    return {"channel"} | {axis for axis, side in along if side > 1}


@operator("window_attention_v2", mixes=_axes, paper="arXiv:2111.09883")
class WindowAttentionV2(nn.Module):
    """Scaled cosine window attention (Swin V2): lets every place in the spectrogram hear those around it that are
    like it, however loud they are.

    Self-attention among the tokens of a window by the cosine of queries and keys, with a bias that a small network
    makes of how far two tokens are apart, so that windows of another size can take over its weights. Every second
    layer of a stage has its windows half a window further on. Its norm stands behind it: `branch.norm_place =
    'res_post'`.

    Shape:
        `b (f t) c -> b (f t) c`

    Equation:
        q, k, v = x Wᵀ + b, cut in c / head_width heads; k has no bias
        a[i, j] = min(eˢ, 100) cos(q[i], k[j]) + 16 σ(g(d[i, j]))
        g(d) = W₂ relu(W₁ d + b₁)
        d = sign(o) log₂(1 + 8 |o| / (window - 1)) / 3, o = offset of i from j
        z = softmax(a) v within each window, heads side by side
        y = z Uᵀ + u

    Cost:
        parameters: 4*c**2 + (3*c if bias else c) + h + hidden*(3 + h)
        FLOPs: 8*n*c**2 + 4*m*p*q*c + 2*(2*p - 1)*(2*q - 1)*hidden*(2 + h)
        p: min(window[0], f)  # tokens of a window along frequency
        q: min(window[1], t)  # tokens of a window along time
        m: (f + p - 1)//p*p*((t + q - 1)//q*q)  # tokens of all windows
        h: c//min(head_width, c)  # heads

    Args:
        site: where it stands; it needs the bare grid.
        window: tokens of a window along frequency and time; along an axis that is no longer it is the whole of it.
        shift: whether windows of the second, fourth, ... layer of a stage stand half a window further on.
        head_width: channels of a head; there are width / head_width heads, or one where the model is narrower.
        bias: queries and values have a bias.
        hidden: hidden units of the network that makes the bias of the scores.
        pretrained_window: size of the windows whose weights are taken over, in which distances are then told; None for
            those of this one.
        dropout: probability of ignoring a token, and of silencing a value after the last map.

    Raises:
        SettingError: `head_width` does not divide the width, or a window is a single token, or too large to be held.
        MixkitError: the model has prefix tokens.

    Paper: Swin V2, Liu et al. 2022, arXiv:2111.09883, sections 3.2 and 3.3.

    Differs: where windows do not divide the grid, the code of the authors, timm's and transformers' fills the grid up
    with zeros and lets attention hear them; here nobody hears what is not there, and it is not computed.
    """

    def __init__(
        self,
        site: Site,
        *,
        window: tuple[Side, Side] = (8, 8),
        shift: bool = True,
        head_width: Count = 32,
        bias: bool = True,
        hidden: Count = 512,
        pretrained_window: tuple[Side, Side] | None = None,
        dropout: Rate = 0.0,
    ):
        super().__init__()
        heads = split_heads(site.width, head_width)
        self.windows = Windows("window_attention_v2", site, window, shift, heads)
        self._unit = pretrained_window or self.windows.size
        self.qkv = Linear(site.width, 3 * site.width, bias=False)
        self.query_bias = nn.Parameter(torch.zeros(site.width)) if bias else None
        self.value_bias = nn.Parameter(torch.zeros(site.width)) if bias else None
        self.scale = nn.Parameter(torch.full((heads[0],), math.log(10)))
        self.expand = Linear(2, hidden)
        self.contract = Linear(hidden, heads[0], bias=False)
        self.projection = Linear(site.width, site.width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Attend."""
        query, key, value = self.windows.cut(linear(x, self.qkv.weight, self._bias()))
        bias = self.windows.bias(BIAS * self._of_distances().sigmoid())
        scale = self.scale.clamp(max=MOST).exp().repeat(query.shape[1] // len(self.scale))[:, None, None]
        attended = functional.scaled_dot_product_attention(
            (functional.normalize(query, dim=-1) * scale).to(value.dtype),
            functional.normalize(key, dim=-1).to(value.dtype),
            value,
            attn_mask=bias.to(value.dtype),
            dropout_p=self.dropout.p if self.training else 0.0,
            scale=1.0,
        )
        projected: Tensor = self.dropout(self.projection(self.windows.join(attended)))
        return projected

    def _bias(self) -> Tensor | None:
        if self.query_bias is None or self.value_bias is None:
            return None
        return torch.cat((self.query_bias, torch.zeros_like(self.query_bias), self.value_bias))

    def _of_distances(self) -> Tensor:
        """A value for each offset and head: `o h`."""
        distances = self.windows.distances(self._unit, self.expand.weight.dtype)
        with without_autocast(distances.device):  # a few numbers, and 16 times what comes of them is a score
            of_distances: Tensor = self.contract(self.expand(distances).relu())
        return of_distances
