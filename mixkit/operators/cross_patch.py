"""The cross-patch map: one linear map over all places, the same for every feature."""

from torch import Tensor, nn

from mixkit.linear import Linear
from mixkit.registry import Site, operator


@operator("cross_patch", mixes={"frequency", "time"}, paper="arXiv:2105.03404, eq. 2")
class CrossPatch(nn.Module):
    """Cross-patch linear layer (ResMLP): writes every place in the spectrogram as a weighted sum of all places, one
    channel at a time.

    What `token` is without hidden units and without an activation: a single linear map over the tokens.

    Shape:
        `b n c -> b n c`, prefix tokens included

    Equation:
        y[:, j] = W x[:, j] + b
        j = channel

    Cost:
        parameters: n**2 + n
        FLOPs: 2*n**2*c

    Args:
        site: where it stands.

    Paper: ResMLP, Touvron et al. 2021, arXiv:2105.03404, eq. 2. There the norm ahead is a gain and bias per channel
    (`branch.norm = 'affine'`) and the branch has a layer scale (`block.layer_scale`).
    """

    def __init__(self, site: Site):
        super().__init__()
        self.tokens = Linear(site.tokens, site.tokens)

    def forward(self, x: Tensor) -> Tensor:
        """Mix."""
        mixed: Tensor = self.tokens(x.transpose(1, 2)).transpose(1, 2)
        return mixed
