"""Recipes at published sizes have the published parameters, and give what timm gives with the same weights."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import NamedTuple

import pytest
import torch
from torch import nn

import mixkit
from mixkit.model.mixer import Mixer

timm = pytest.importorskip("timm", reason="extra mixkit[parity] is not installed")

# A recipe, its published size, timm's name for it, and its parameters for 1,000 classes in three colours.
PUBLISHED = [
    ("gmlp", "size/gmlp_s16", "gmlp_s16_224", 19_422_656),
    ("resmlp", "size/resmlp_s12", "resmlp_12_224", 15_350_872),
    ("resmlp", "size/resmlp_s24", "resmlp_24_224", 30_020_680),
    ("swin", "size/swin_tiny", "swin_tiny_patch4_window7_224", 28_288_354),
    ("swin_v2", "size/swin_v2_tiny", "swinv2_tiny_window8_256", 28_347_154),
]


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("recipe", "size", "name", "published"), PUBLISHED)
def test_published_sizes(recipe: str, size: str, name: str, published: int) -> None:
    """With the stem's weights for two colours more than a spectrogram has."""
    model = mixkit.load_recipe(recipe, layers=[size]).model
    with torch.device("meta"):
        theirs = timm.create_model(name)
        ours = Mixer(model, *theirs.default_cfg["input_size"][1:], 1000)
    first = next(part for part in ours.stem.modules() if isinstance(part, nn.Conv2d))  # type: ignore[attr-defined]
    assert parameters(ours) + 2 * first.weight.numel() == published == parameters(theirs)


class Network(NamedTuple):
    """One of timm's, for 32 x 48 values and 5 classes; how our recipe becomes as small; and our names for its names."""

    theirs: Callable[[ModuleType], nn.Module]
    settings: tuple[str, ...]
    names: Mapping[str, str]


PATCHES = ("stem.patches.size = (8, 8)", "stem.patches.stride = (8, 8)")
SMALL = ("model.width = 12", "model.depth = 2", *PATCHES)


def mlp_mixer(models: ModuleType, ratio: int, block: str, **kinds: str) -> nn.Module:
    made = models.mlp_mixer
    found = {kind: getattr(made, name) for kind, name in {"block_layer": block, **kinds}.items()}
    sizes = {"in_chans": 1, "patch_size": 8, "num_blocks": 2, "embed_dim": 12, "mlp_ratio": ratio}
    return made.MlpMixer(5, (32, 48), **sizes, **found)


ENDS = {r"^stem\.proj\.": "stem.projection.", r"^head\.": "head.linear.", "alpha$": "weight", "beta$": "bias"}
NETWORKS = {
    "gmlp": Network(
        partial(mlp_mixer, ratio=6, block="SpatialGatingBlock", mlp_layer="GatedMlp"),
        SMALL,
        {
            r"\.norm\.(?=w|b)": ".branches.0.norm.",
            r"\.mlp_channels\.gate\.branches\.0\.norm": ".branches.0.operators.0.norm",
            r"\.mlp_channels\.gate\.proj": ".branches.0.operators.0.spatial",
            r"\.mlp_channels\.fc1": ".branches.0.operators.0.expand",
            r"\.mlp_channels\.fc2": ".branches.0.operators.0.contract",
        },
    ),
    "resmlp": Network(
        partial(mlp_mixer, ratio=4, block="ResBlock", norm_layer="Affine"),
        SMALL,
        {
            r"\.norm1": ".branches.0.norm",
            r"\.norm2": ".branches.1.norm",
            r"\.ls1": ".branches.0.scale.gain",
            r"\.ls2": ".branches.1.scale.gain",
            r"\.linear_tokens": ".branches.0.operators.0.tokens",
            r"\.mlp_channels\.fc1": ".branches.1.operators.0.feed_forward.expand",
            r"\.mlp_channels\.fc2": ".branches.1.operators.0.feed_forward.contract",
        },
    ),
}


def renamed(name: str, names: Mapping[str, str]) -> str:
    for pattern, ours in {**ENDS, **names}.items():
        name = re.sub(pattern, ours, name)
    return name


@pytest.mark.parametrize("recipe", NETWORKS)
def test_the_network_is_timms(recipe: str) -> None:
    network = NETWORKS[recipe]
    torch.manual_seed(0)
    theirs = network.theirs(timm.models).double().eval()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3)
    model = mixkit.load_recipe(recipe, settings=network.settings).model
    ours = Mixer(model, 32, 48, 5).double().eval()
    weights = {renamed(name, network.names): tensor for name, tensor in theirs.state_dict().items()}
    ours.load_state_dict({name: tensor.view_as(ours.state_dict()[name]) for name, tensor in weights.items()})
    x = torch.randn(3, 32, 48, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x[:, None]), rtol=1e-12, atol=1e-12)
