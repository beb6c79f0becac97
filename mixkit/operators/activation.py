"""An activation by itself, for networks that have one behind a residual or a norm."""

from torch import Tensor, nn

from mixkit.model.activations import ACTIVATIONS
from mixkit.recipe.schema import Activation as Name
from mixkit.registry import Site, operator


@operator("activation", mixes=set(), paper="arXiv:1512.03385, fig. 2")
class Activation(nn.Module):
    """Pointwise activation: bends every value by itself and mixes nothing: for what other operators leave to be
    bent.

    In a branch without norm and residual it stands behind the sum ahead of it, as in a ResNet.

    Shape:
        `b n c -> b n c`, prefix tokens included

    Equation:
        y = φ(x)
        φ = activation

    Cost:
        parameters: 0
        FLOPs: 0

    Args:
        site: where it stands.
        kind: the function.

    Paper: behind the residual: He et al. 2015, arXiv:1512.03385, fig. 2.
    """

    def __init__(self, site: Site, *, kind: Name = "relu"):
        super().__init__()
        self.activation = ACTIVATIONS[kind]()

    def forward(self, x: Tensor) -> Tensor:
        """Bend."""
        bent: Tensor = self.activation(x)
        return bent
