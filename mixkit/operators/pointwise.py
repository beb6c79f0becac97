"""One linear map over the channels of each token."""

from torch import Tensor, nn

from mixkit.linear import Linear
from mixkit.registry import Site, operator


@operator("pointwise", mixes={"channel"}, paper="arXiv:2201.09792, section 2")
class Pointwise(nn.Module):
    """Pointwise linear layer, a 1 x 1 convolution: writes each feature of a place as a weighted sum of all features
    there, every place by itself.

    A 1 x 1 convolution: what `channel` is without hidden units and without an activation.

    Shape:
        `b n c -> b n c`, prefix tokens included

    Equation:
        y[i, :] = W x[i, :] + b
        i = token

    Cost:
        parameters: c**2 + (c if bias else 0)
        FLOPs: 2*n*c**2

    Args:
        site: where it stands.
        bias: add one to each channel.

    Paper: ConvMixer, Trockman and Kolter 2022, arXiv:2201.09792, mixes channels so.
    """

    def __init__(self, site: Site, *, bias: bool = True):
        super().__init__()
        self.channels = Linear(site.width, site.width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Recombine."""
        mixed: Tensor = self.channels(x)
        return mixed
