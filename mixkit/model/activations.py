"""Activations by their names in a recipe."""

from collections.abc import Mapping

from torch import nn

from mixkit.recipe.schema import Activation

ACTIVATIONS: Mapping[Activation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,  # the exact one (erf)
    "silu": nn.SiLU,
    "mish": nn.Mish,
}
