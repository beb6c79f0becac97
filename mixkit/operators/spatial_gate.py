"""Spatial gating: what is passed on at one place is decided by what is heard at all of them."""

from torch import Tensor, nn

from mixkit.errors import SettingError
from mixkit.linear import Linear
from mixkit.operators.feed_forward import Activation, activation_layer, hidden_units
from mixkit.registry import Site, operator
from mixkit.values import Count, Positive, Rate

NORM_EPS = 1e-5


@operator("spatial_gate", mixes={"frequency", "time", "channel"}, paper="arXiv:2105.08050, section 2")
class SpatialGate(nn.Module):
    """Spatial gating unit (gMLP): opens and closes every place in the spectrogram by what sounds elsewhere, feature
    by feature.

    gMLP's block between its norm and its residual: a map to hidden channels, the spatial gating unit, in which one half
    of them is mapped over all tokens and multiplies the other, and a map back. A model of it needs no other operator.

    Shape:
        `b n c -> b n c`, prefix tokens included

    Equation:
        u, v = φ(x W₁ᵀ + b₁), cut in two halves of h / 2 channels
        z[:, j] = W₂ LN(v)[:, j] + b₂
        y = (u ⊙ z) W₃ᵀ + b₃
        j = hidden channel, φ = activation

    Cost:
        parameters: c*h + h + h + n**2 + n + c*h//2 + c + acon
        FLOPs: 3*n*c*h + n**2*h
        h: hidden or round(expansion*c)  # hidden channels
        acon: 3*h if activation == "acon_c" else 0  # numbers that the activation learns

    Args:
        site: where it stands.
        expansion: hidden channels, as a multiple of the model's width; half of them reach the map back.
        hidden: hidden channels outright, an even number; `expansion` then has no effect.
        activation: the function behind the first map.
        dropout: probability of silencing a value after the activation, and after the last map.

    Raises:
        SettingError: the hidden channels have no half.

    Paper: gMLP, Liu et al. 2021, arXiv:2105.08050, section 2. The map over tokens begins at almost zero and its bias at
    one, so that a new block passes on u as it is; the paper's hidden channels are 6 times the width.
    """

    def __init__(
        self,
        site: Site,
        *,
        expansion: Positive = 6.0,
        hidden: Count | None = None,
        activation: Activation = "gelu",
        dropout: Rate = 0.0,
    ):
        super().__init__()
        units = hidden_units(site.width, expansion, hidden)
        if units % 2:
            setting, value = ("expansion", expansion) if hidden is None else ("hidden", hidden)
            fix = f"Use an even number, such as operator.spatial_gate.hidden = {units + 1}."
            raise SettingError(setting, f"is {value:g}, and {units} hidden channels have no half. {fix}")
        self.expand = Linear(site.width, units)
        self.activation = activation_layer(activation, units)
        self.norm = nn.LayerNorm(units // 2, eps=NORM_EPS)
        self.spatial = Linear(site.tokens, site.tokens)
        nn.init.normal_(self.spatial.weight, std=1e-6)
        nn.init.ones_(self.spatial.bias)
        self.contract = Linear(units // 2, site.width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Gate."""
        passed, heard = self.dropout(self.activation(self.expand(x))).chunk(2, dim=-1)
        gate = self.spatial(self.norm(heard).transpose(1, 2)).transpose(1, 2)
        gated: Tensor = self.dropout(self.contract(passed * gate))
        return gated
