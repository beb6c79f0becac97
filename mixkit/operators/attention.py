"""Self-attention over all tokens."""

from torch import Tensor, nn
from torch.nn import functional

from mixkit.linear import Linear
from mixkit.operators.heads import split_heads
from mixkit.registry import Site, operator
from mixkit.values import Count, Rate


@operator("attention", mixes={"frequency", "time", "channel"}, paper="arXiv:2010.11929")
class Attention(nn.Module):
    """Multi-head self-attention: lets every place in the spectrogram choose, by what it contains, which others to
    hear.

    Shape:
        `b n c -> b n c`, prefix tokens included

    Equation:
        q, k, v = x Wᵀ + b, cut in c / head_width heads
        z = softmax(q kᵀ / √head_width) v, heads side by side
        y = z Uᵀ + u

    Cost:
        parameters: 4*c**2 + (4*c if bias else c)
        FLOPs: 8*n*c**2 + 4*n**2*c

    Args:
        site: where it stands.
        head_width: channels of a head; there are width / head_width heads, or one where the model is narrower. 64 gives
            the heads of ViT and AST: 3 at a width of 192, 6 at 384, 12 at 768.
        bias: queries, keys and values have a bias.
        dropout: probability of ignoring a token, and of silencing a value after the last map.

    Raises:
        SettingError: `head_width` does not divide the width.

    Paper: Dosovitskiy et al. 2021, arXiv:2010.11929, appendix A, as in AST (Gong et al. 2021, arXiv:2104.01778).
    """

    def __init__(self, site: Site, *, head_width: Count = 64, bias: bool = True, dropout: Rate = 0.0):
        super().__init__()
        self.qkv = Linear(site.width, 3 * site.width, bias=bias)
        self.projection = Linear(site.width, site.width)
        self.dropout = nn.Dropout(dropout)
        self._heads = (3, *split_heads(site.width, head_width))
        self.head_width = self._heads[2]

    def forward(self, x: Tensor) -> Tensor:
        """Attend."""
        query, key, value = self.qkv(x).unflatten(-1, self._heads).permute(2, 0, 3, 1, 4)
        dropout = self.dropout.p if self.training else 0.0
        attended = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        projected: Tensor = self.dropout(self.projection(attended.transpose(1, 2).flatten(2)))
        return projected
