"""What was heard in several ways, weighed channel by channel: how CycleMLP and its kin put their branches together."""

from torch import Tensor, nn

from mixkit.linear import Linear

WAYS = 3


class Weigh(nn.Sequential):
    """The sum of three, each channel by weights that a small network makes of the mean of all tokens.

    Shape:
        three times `b n c -> b n c`

    Equation:
        a = softmax over the three of MLP(mean over tokens of u + v + w)
        y = a₁ u + a₂ v + a₃ w

    Args:
        width: channels c; a quarter as many are hidden units.

    Paper: ViP, Hou et al. 2021, arXiv:2106.12368, weighs its branches so.
    """

    def __init__(self, width: int):
        hidden = max(width // 4, 1)
        super().__init__(Linear(width, hidden), nn.GELU(), Linear(hidden, WAYS * width))

    def forward(self, first: Tensor, second: Tensor, third: Tensor) -> Tensor:  # type: ignore[override]
        """Weigh and add."""
        scores = (first + second + third).mean(1)
        for layer in self:
            scores = layer(scores)
        u, v, w = scores.unflatten(1, (-1, WAYS)).softmax(2)[:, None].unbind(-1)
        return first * u + second * v + third * w
