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
    ("convmixer", "size/convmixer_768_32", "convmixer_768_32", 21_110_248),
    ("poolformer", "size/poolformer_s12", "poolformer_s12", 11_915_176),
]


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def stem_weights(network: Mixer) -> int:
    """Of the first convolution, which a picture has for each of its colours."""
    first = next(part for part in network.stem.modules() if isinstance(part, nn.Conv2d))  # type: ignore[attr-defined]
    return first.weight.numel()


@pytest.mark.parametrize(("recipe", "size", "name", "published"), PUBLISHED)
def test_published_sizes(recipe: str, size: str, name: str, published: int) -> None:
    """With the stem's weights for two colours more than a spectrogram has."""
    model = mixkit.load_recipe(recipe, layers=[size]).model
    with torch.device("meta"):
        theirs = timm.create_model(name)
        ours = Mixer(model, *theirs.default_cfg["input_size"][1:], 1000)
    assert parameters(ours) + 2 * stem_weights(ours) == published == parameters(theirs)


def test_shiftvit_is_as_large_as_published() -> None:
    """28.57 M by its authors' code, of which there is no package."""
    model = mixkit.load_recipe("shiftvit", layers=["size/shiftvit_tiny"]).model
    with torch.device("meta"):
        count = parameters(Mixer(model, 224, 224, 1000)) + 2 * 96 * 4 * 4
    assert round(count / 1e6, 2) == 28.57


# A recipe, its published size, its parameters for 1,000 classes in three colours by its authors' code, which is no
# package, and how many of them are biases of convolutions ahead of a batch norm: ours have none.
AUTHORS = [
    ("as_mlp", "size/as_mlp_tiny", 28_282_696, 0),
    ("cycle_mlp", "size/cycle_mlp_b1", 15_155_400, 0),
    ("wave_mlp", "size/wave_mlp_tiny", 17_193_160, 64 + 128 + 320 + 512),
    ("hire_mlp", "size/hire_mlp_tiny", 18_041_672, 64 + 128 + 320 + 512),
]


@pytest.mark.parametrize(("recipe", "size", "published", "biases"), AUTHORS)
def test_sizes_published_as_code_alone(recipe: str, size: str, published: int, biases: int) -> None:
    model = mixkit.load_recipe(recipe, layers=[size]).model
    with torch.device("meta"):
        ours = Mixer(model, 224, 224, 1000)
    assert parameters(ours) + 2 * stem_weights(ours) + biases == published


def test_active_mlp_is_as_large_as_published() -> None:
    """15.35 M by its authors' code, of which there is no package.

    There every second block, and the last of a stage, has neither distances of its own nor a convolution ahead, and the
    convolutions of a stage share their weights.
    """
    model = mixkit.load_recipe("active_mlp", layers=["size/active_mlp_xtiny"]).model
    shares = {64: 2, 128: 4, 320: 4, 512: 8}
    own = {width: 2 * width + (width + 1) * 2 * width // share for width, share in shares.items()}
    without = [64, 128, 320, 320, 512]
    more = sum(own[width] + 10 * width for width in without) + 10 * 320
    with torch.device("meta"):
        count = parameters(Mixer(model, 224, 224, 1000)) - more + 2 * 64 * 7 * 7
    assert count == 15_349_128


def test_s2_mlp_is_as_large_as_its_equations_say() -> None:
    """No code was published; table 1 of arXiv:2106.07477 says 71 M."""
    model = mixkit.load_recipe("s2_mlp", layers=["size/s2_mlp_wide"]).model
    with torch.device("meta"):
        count = parameters(Mixer(model, 224, 224, 1000)) + 2 * 768 * 16 * 16
    block = 4 * 768 + 2 * (768**2 + 768) + 2 * 4 * 768**2 + 5 * 768
    assert count == (3 * 16 * 16 + 1) * 768 + 12 * block + 2 * 768 + 769 * 1000 == 72_241_384


def test_kw_mlp_is_as_large_as_published() -> None:
    """0.424 M for 35 words of a second (arXiv:2110.07749, table 1), 424,811 by its authors' code."""
    recipe = mixkit.load_recipe("kw_mlp", settings=["task.demo.seconds = 1.0"])
    assert parameters(mixkit.build(recipe, classes=35).mixer) == 424_811


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


def convmixer(models: ModuleType) -> nn.Module:
    return models.convmixer.ConvMixer(12, 2, kernel_size=9, patch_size=8, in_chans=1, num_classes=5)


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
    "convmixer": Network(
        convmixer,
        SMALL,
        {
            r"^stem\.0": "stem.projection",
            r"^stem\.2": "stem.norm",
            r"\.0\.fn\.0": ".branches.0.operators.0.depthwise",
            r"\.0\.fn\.2": ".branches.0.norm",
            r"\.1\.(?=weight|bias)": ".branches.1.operators.0.channels.",
            r"\.3\.(?=weight|bias|running)": ".branches.1.norm.",
            "running_mean": "mean",
            "running_var": "variance",
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


POOLFORMER = {
    r"^stages\.(\d)\.blocks\.0": r"blocks.\1",
    r"^stages\.(\d)\.downsample\.conv": r"downsamples.\1.projection",
    r"\.norm1": ".branches.0.norm",
    r"\.norm2": ".branches.1.norm",
    r"\.layer_scale1\.scale": ".branches.0.scale.gain",
    r"\.layer_scale2\.scale": ".branches.1.scale.gain",
    r"\.mlp\.fc1": ".branches.1.operators.0.feed_forward.expand",
    r"\.mlp\.fc2": ".branches.1.operators.0.feed_forward.contract",
}


def noise(network: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    for buffer in network.buffers():
        if buffer.is_floating_point():
            nn.init.uniform_(buffer, 0.5, 1.5)
    return network.double().eval()


def take(ours: nn.Module, theirs: nn.Module, names: Mapping[str, str]) -> set[str]:
    """Gives ours the weights of theirs; which of ours there are none for."""
    state = ours.state_dict()
    for name, tensor in theirs.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        for pattern, replacement in {**ENDS, **names}.items():
            name = re.sub(pattern, replacement, name)
        state[name].copy_(tensor.view_as(state[name]))
        del state[name]
    return set(state)


@pytest.mark.parametrize("recipe", NETWORKS)
def test_the_network_is_timms(recipe: str) -> None:
    network = NETWORKS[recipe]
    theirs = noise(network.theirs(timm.models))
    ours = Mixer(mixkit.load_recipe(recipe, settings=network.settings).model, 32, 48, 5).double().eval()
    assert not take(ours, theirs, network.names)
    x = torch.randn(3, 32, 48, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x[:, None]), rtol=1e-12, atol=1e-12)


def test_poolformer_is_timms_between_its_ends() -> None:
    """timm's stem has fewer zeros beyond the edge, and its last norm stands behind the pool, not ahead of it."""
    metaformer, widths = timm.models.metaformer, (32, 64, 96, 128)
    settings = {"mlp_act": nn.GELU, "mlp_bias": True, "downsample_norm": None, "norm_layers": timm.layers.GroupNorm1}
    scales = {"layer_scale_init_values": 1e-5, "res_scale_init_values": None}
    theirs = noise(metaformer.MetaFormer(depths=(1, 1, 1, 1), dims=widths, **settings, **scales).stages)
    recipe = mixkit.load_recipe("poolformer", settings=["stage_3/stage.depth = 1"])
    ours = noise(Mixer(recipe.model, 68, 60, 5))
    left = take(ours, nn.ModuleDict({"stages": theirs}), POOLFORMER)
    assert {name.partition(".")[0] for name in left} == {"stem", "norm", "head"}
    x = torch.randn(2, 68, 60, dtype=torch.float64)
    with torch.no_grad():
        expected = ours.norm(theirs(ours.stem(x).unflatten(1, (17, 15)).permute(0, 3, 1, 2)).flatten(2).mT)
        torch.testing.assert_close(ours.tokens(x), expected, rtol=1e-12, atol=1e-12)
