"""Recipes at published sizes have the published parameters; that they give what timm does is in test_weights_timm."""

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
