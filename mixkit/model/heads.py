"""Heads: from the pooled vector to one number a class."""

from torch import Tensor, nn

from mixkit.registry import head
from mixkit.values import Positive, Rate


@head("linear")
class LinearHead(nn.Module):
    """Linear classifier: one weighted sum a class.

    Shape: `b c -> b k`.

    Args:
        width: channels of the pooled vector.
        classes: how many there are to tell apart.
        norm: LayerNorm first, as AST does.
        norm_eps: added to the variance in that norm.
        dropout: probability of leaving out a channel while training.

    Paper: Gong, Chung and Glass 2021, arXiv:2104.01778 (with norm); Tolstikhin et al. 2021, arXiv:2105.01601 (without).
    """

    def __init__(self, width: int, classes: int, *, norm: bool = False, norm_eps: Positive = 1e-5, dropout: Rate = 0.0):
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=norm_eps) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.linear(self.dropout(self.norm(x)))
        return logits


@head("mlp")
class MLPHead(nn.Module):
    """MLP classifier: a small network with one hidden layer: the other reading of ASM-RH's "MLP output layer".

    Shape: `b c -> b k`.

    Args:
        width: channels of the pooled vector.
        classes: how many there are to tell apart.
        expansion: hidden units per channel.
        dropout: probability of leaving out a hidden unit while training.

    Paper: arXiv:2402.18007 names an "MLP output layer" and leaves its form open.
    """

    def __init__(self, width: int, classes: int, *, expansion: Positive = 1.0, dropout: Rate = 0.0):
        super().__init__()
        hidden = max(1, round(expansion * width))
        self.layers = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.layers(x)
        return logits
