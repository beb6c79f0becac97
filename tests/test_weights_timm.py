"""Starts from timm: a saved network gives the same logits here, and what does not fit is resized or told."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import interpolate

import mixkit
from mixkit.errors import DamagedError, MixkitError, SettingError
from mixkit.model.mixer import Mixer
from mixkit.model.resizing import resized
from mixkit.registry import Grid, weights
from mixkit.weights.start import Start
from mixkit.weights.timm import resized_table

timm = pytest.importorskip("timm", reason="extra mixkit[parity] is not installed")
models = timm.models

PATCHES = ("stem.patches.size = (8, 8)", "stem.patches.stride = (8, 8)")
SMALL = ("model.width = 12", "model.depth = 2", *PATCHES)
PYRAMID = tuple(f"stage_{stage}/stage.width = {4 * 2**stage}" for stage in (1, 2, 3, 4))
HEADS = ("head.linear.norm = False", "operator.attention.head_width = 64")
VIT = {"img_size": (32, 48), "patch_size": 8, "num_classes": 5, "embed_dim": 64, "depth": 2, "num_heads": 1}


def mixer_like(ratio: int, **kinds: str) -> Callable[[], nn.Module]:
    made = models.mlp_mixer
    found = {kind: getattr(made, name) for kind, name in kinds.items()}
    sizes = {"patch_size": 8, "num_blocks": 2, "embed_dim": 12, "mlp_ratio": ratio}
    return lambda: made.MlpMixer(5, (32, 48), **sizes, **found)


def pyramid(kind: Callable[..., nn.Module], window: int = 4, size: int = 64) -> nn.Module:
    sizes = {"img_size": size, "num_classes": 5, "embed_dim": 8, "depths": (2, 2, 2, 2)}
    return kind(**sizes, num_heads=(1, 2, 4, 8), window_size=window)


def poolformer() -> nn.Module:
    kinds = {"mlp_act": nn.GELU, "mlp_bias": True, "downsample_norm": None, "norm_layers": timm.layers.GroupNorm1}
    scales = {"layer_scale_init_values": 1e-5, "res_scale_init_values": None}
    sizes = {"num_classes": 5, "depths": (1, 1, 1, 1), "dims": (32, 64, 96, 128)}
    return models.metaformer.MetaFormer(**sizes, **kinds, **scales, use_mlp_head=False)


@dataclass(frozen=True)
class Network:
    """One of timm's, for 5 classes and three colours; how our recipe becomes as small; and what it hears."""

    theirs: Callable[[], nn.Module]
    settings: tuple[str, ...]
    size: tuple[int, int] = (32, 48)
    layers: tuple[str, ...] = ()


def swins(version: str) -> tuple[str, ...]:
    operator = f"operator.window_attention{version}"
    return (*PYRAMID, "stage_3/stage.depth = 2", f"{operator}.window = (4, 4)", f"{operator}.head_width = 8")


NETWORKS = {
    "mlp_mixer": Network(mixer_like(4, block_layer="MixerBlock"), (*SMALL, "operator.token.hidden = 48")),
    "gmlp": Network(mixer_like(6, block_layer="SpatialGatingBlock", mlp_layer="GatedMlp"), SMALL),
    "resmlp": Network(mixer_like(4, block_layer="ResBlock", norm_layer="Affine"), SMALL),
    "convmixer": Network(lambda: models.convmixer.ConvMixer(12, 2, kernel_size=9, patch_size=8, num_classes=5), SMALL),
    "ast": Network(
        lambda: models.vision_transformer.VisionTransformer(**VIT),
        ("model.width = 64", "model.depth = 2", *PATCHES, "model.prefix = 1", *HEADS),
    ),
    "swin": Network(lambda: pyramid(models.SwinTransformer), swins(""), (64, 64), ("size/swin_tiny",)),
    "swin_v2": Network(
        lambda: pyramid(models.swin_transformer_v2.SwinTransformerV2), swins("_v2"), (64, 64), ("size/swin_v2_tiny",)
    ),
    "poolformer": Network(poolformer, ("stage_3/stage.depth = 1",), (68, 60)),
}


def noise(network: nn.Module) -> nn.Module:
    """In numbers of 32 bits, as files hold them."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    for name, buffer in network.named_buffers():
        if "running" in name:
            nn.init.uniform_(buffer, 0.5, 1.5)
    return network.eval()


def saved(network: nn.Module, folder: Path) -> Path:
    file = folder / "timm.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, file)
    return file


def built(recipe: str, *settings: str, size: tuple[int, int] | None = None) -> Mixer:
    network = NETWORKS[recipe]
    model = mixkit.load_recipe(recipe, layers=network.layers, settings=[*network.settings, *settings]).model
    return Mixer(model, *(size or network.size), 5).double().eval()


def start(mixer: Mixer, file: Path, **settings: object) -> Start:
    found = weights.build(weights.spec("timm", path=str(file), **settings), mixer)
    assert isinstance(found, Start)
    return found


def colours(x: Tensor, factors: tuple[float, ...] = (1, 1, 1)) -> Tensor:
    return x[:, None] * x.new_tensor(factors)[:, None, None]


def far(theirs: nn.Module, ours: Mixer) -> None:
    """Distances of Swin V2 as ours, which timm holds in 32 bits."""
    for block in theirs.modules():
        if isinstance(block, models.swin_transformer_v2.WindowAttention):
            unit = block.window_size
            windows = next(part for part in ours.modules() if getattr(part, "size", 0) == unit)
            found = windows.distances(unit, torch.float64)  # type: ignore[operator]
            block.relative_coords_table = found.view_as(block.relative_coords_table)


@pytest.mark.parametrize("recipe", NETWORKS)
def test_the_network_is_timms(recipe: str, tmp_path: Path) -> None:
    """The same logits, where its three colours all hear the spectrogram; nothing of the file is left."""
    theirs = noise(NETWORKS[recipe].theirs())
    ours = built(recipe)
    told = start(ours, saved(theirs, tmp_path), head=True)
    counters = ("blocks.*.*.fn.*.num_batches_tracked", "blocks.*.*.num_batches_tracked", "stem.*.num_batches_tracked")
    assert told.left == (counters if recipe == "convmixer" else ())
    assert told.parameters == told.of == sum(parameter.numel() for parameter in ours.parameters())
    assert told.resized == ()
    far(theirs.double(), ours)
    x = torch.randn(3, *NETWORKS[recipe].size, dtype=torch.float64)
    with torch.no_grad():
        if recipe == "poolformer":
            # timm's stem has fewer zeros beyond the edge, and its last norm stands behind the pool, not ahead of it.
            between = theirs.stages(ours.stem(x).unflatten(1, (17, 15)).permute(0, 3, 1, 2))  # type: ignore[operator]
            found, expected = ours.tokens(x), ours.norm(between.flatten(2).mT)
        else:
            found, expected = ours(x), theirs(colours(x))
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("colour", "factors"), [("sum", (1, 1, 1)), ("mean", (1 / 3,) * 3), ("gray", (0.299, 0.587, 0.114))]
)
def test_colours_become_one(colour: str, factors: tuple[float, ...], tmp_path: Path) -> None:
    theirs, ours = noise(NETWORKS["mlp_mixer"].theirs()), built("mlp_mixer")
    told = start(ours, saved(theirs, tmp_path), colour=colour, head=True)
    assert told.taken[0] == f"first map (RGB by {colour})"
    x = torch.randn(3, 32, 48, dtype=torch.float64)
    with torch.no_grad():
        expected = theirs.double()(colours(x, factors))
        torch.testing.assert_close(ours(x), expected, rtol=1e-10, atol=1e-10)


def test_one_channel_is_taken_as_it_is(tmp_path: Path) -> None:
    theirs = noise(models.vision_transformer.VisionTransformer(**VIT, in_chans=1))
    ours = built("ast")
    assert start(ours, saved(theirs, tmp_path), head=True).taken[0] == "first map"
    x = torch.randn(2, 32, 48, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs.double()(x[:, None]), rtol=1e-10, atol=1e-10)


def test_the_head_is_new_and_what_it_was_is_told(tmp_path: Path) -> None:
    theirs, ours = noise(NETWORKS["gmlp"].theirs()), built("gmlp")
    fresh = ours.head.state_dict()
    before = {name: tensor.clone() for name, tensor in fresh.items()}
    told = start(ours, saved(theirs, tmp_path))
    assert all(torch.equal(tensor, before[name]) for name, tensor in ours.head.state_dict().items())
    assert told.left == ("head",)
    assert told.taken == ("first map (RGB by sum)", "2 of 2 blocks", "norm")
    assert told.parameters == told.of - sum(tensor.numel() for tensor in before.values())


def test_positions_go_to_another_grid(tmp_path: Path) -> None:
    """As timm itself takes them there; a square of 6 x 6 places to 4 x 9."""
    theirs = noise(models.vision_transformer.VisionTransformer(**{**VIT, "img_size": 48}))
    ours = built("ast", size=(32, 72))
    told = start(ours, saved(theirs, tmp_path))
    assert told.resized == ("positions 6 x 6 to 4 x 9 (frequency x time)",)
    assert ours.position is not None
    wanted = timm.layers.resample_abs_pos_embed(theirs.pos_embed, [4, 9], [6, 6], num_prefix_tokens=1)
    torch.testing.assert_close(ours.position, wanted.double(), rtol=0, atol=1e-6)
    assert torch.equal(ours.position[:, 0], theirs.pos_embed[:, 0].double())
    assert ours.prefix is not None
    assert torch.equal(ours.prefix[0], theirs.cls_token[0].double())


def test_positions_without_a_class_token(tmp_path: Path) -> None:
    """Of DeiT III they are of the patches alone; two prefix tokens here, of which the first is taken."""
    theirs = noise(models.vision_transformer.VisionTransformer(**VIT, no_embed_class=True, init_values=1e-5))
    ours = built("ast", "model.prefix = 2", "block.layer_scale = 1e-5")
    assert ours.position is not None
    fresh = ours.position[0, :2].clone()
    told = start(ours, saved(theirs, tmp_path))
    assert torch.equal(ours.position[0, 2:], theirs.pos_embed[0].double())
    assert torch.equal(ours.position[0, :2], fresh)
    assert "class token" in told.taken
    scale = ours.layers[1].get_parameter("branches.1.scale.gain")
    assert torch.equal(scale, theirs.blocks[1].ls2.gamma.double())
    assert told.left == ("head",)


def test_patches_of_another_size(tmp_path: Path) -> None:
    """On a spectrogram twice as large, patches twice as long say what they said: whole networks agree."""
    theirs = noise(NETWORKS["mlp_mixer"].theirs())
    ours = built("mlp_mixer", "stem.patches.size = (16, 8)", "stem.patches.stride = (16, 8)", size=(64, 48))
    told = start(ours, saved(theirs, tmp_path), head=True)
    assert told.resized == ("patch kernels 8 x 8 to 16 x 8 (bins x frames)",)
    patches = torch.randn(2, 4, 8, 48, dtype=torch.float64)
    larger = interpolate(patches.flatten(0, 1)[:, None], (16, 48), mode="bilinear").view(2, 64, 48)
    with torch.no_grad():
        expected = theirs.double()(colours(patches.flatten(1, 2)))
        torch.testing.assert_close(ours(larger), expected, rtol=1e-10, atol=1e-10)


def test_biases_of_windows_of_another_size(tmp_path: Path) -> None:
    theirs = noise(pyramid(models.SwinTransformer))
    file = saved(theirs, tmp_path)
    ours = built("swin", "operator.window_attention.window = (8, 4)")
    told = start(ours, file)
    assert (
        told.resized
        == (
            "biases of windows of 4 x 4 to 8 x 4 tokens",
            "biases of windows of 4 x 4 to 4 x 2 tokens",
            "biases of windows of 2 x 2 to 2 x 1 tokens",
        )[: len(told.resized)]
    )
    assert told.resized
    table = theirs.layers[0].blocks[0].attn.relative_position_bias_table.detach()
    own = ours.layers[0].get_parameter("branches.0.operators.0.table")
    simple = timm.layers.pos_embed_rel.resize_rel_pos_bias_table_simple(table, (8, 4), (15 * 7, 1))
    torch.testing.assert_close(own, simple.double(), rtol=0, atol=1e-6)
    assert torch.equal(resized_table(table, (7, 7), (7, 7)), table)


def test_maps_over_tokens_stay_fresh_on_another_grid(tmp_path: Path) -> None:
    theirs = noise(NETWORKS["resmlp"].theirs())
    ours = built("resmlp", size=(40, 48))
    fresh = ours.layers[0].get_parameter("branches.0.operators.0.tokens.weight").clone()
    told = start(ours, saved(theirs, tmp_path))
    assert told.left == (
        "head",
        "blocks.*.linear_tokens ([24], and here [30])",
        "blocks.*.linear_tokens ([24, 24], and here [30, 30])",
    )
    assert torch.equal(ours.layers[0].get_parameter("branches.0.operators.0.tokens.weight"), fresh)
    assert torch.equal(ours.norm.weight.flatten(), theirs.norm.alpha.flatten().double())  # type: ignore[union-attr,operator]


def test_other_operators_and_depths(tmp_path: Path) -> None:
    """Where blocks have other operators these stay fresh; of a deeper network the first blocks are taken."""
    theirs = noise(NETWORKS["mlp_mixer"].theirs())
    file = saved(theirs, tmp_path)
    lines = ("block.branches = [@operator.time(), @operator.channel()]", "model.depth = 1")
    ours = without(("token",), *lines)
    told = start(ours, file)
    assert told.taken == ("first map (RGB by sum)", "1 of 1 blocks", "norm")
    assert sorted(told.left) == [
        "blocks.*.mlp_channels.fc1",
        "blocks.*.mlp_channels.fc2",
        "blocks.*.mlp_tokens.fc1",
        "blocks.*.mlp_tokens.fc2",
        "blocks.*.norm1",
        "blocks.*.norm2",
        "head",
    ]
    expand = ours.layers[0].get_parameter("branches.1.operators.0.feed_forward.expand.weight")
    assert torch.equal(expand, theirs.blocks[0].mlp_channels.fc1.weight.double())


def test_heads_of_another_width_are_told(tmp_path: Path) -> None:
    theirs = noise(models.vision_transformer.VisionTransformer(**VIT))
    told = start(built("ast", "operator.attention.head_width = 16"), saved(theirs, tmp_path))
    assert "attention in heads of 16 channels, where timm's ViTs have 64" in told.taken


@pytest.mark.parametrize(
    ("words", "settings", "message"),
    [
        (
            (),
            ("model.width = 16",),
            "{file}: stem.proj.weight is [12, 3, 8, 8], and this network takes [16, 1 or 3, 8, 8]. Set model.width = "
            "12.",
        ),
        (
            ("patches",),
            ("model.stem = @stem.convolution()",),
            "model.stem has nothing in common with the stem of mlp_mixer, of which {file} is. Take that of the recipe "
            "mlp_mixer.",
        ),
        (
            ("token",),
            ("block.branches = [@operator.roll_time()]",),
            "{file} holds blocks of token and channel, and this network has none that they fit. Take the recipe "
            "mlp_mixer, of the same width.",
        ),
    ],
)
def test_what_is_refused(words: tuple[str, ...], settings: tuple[str, ...], message: str, tmp_path: Path) -> None:
    file = saved(noise(NETWORKS["mlp_mixer"].theirs()), tmp_path)
    with pytest.raises(MixkitError) as caught:
        start(without(words, *settings), file)
    assert str(caught.value) == message.format(file=file)


def without(words: tuple[str, ...], *settings: str) -> Mixer:
    """Our twin of timm's MlpMixer with other settings, and without those of its own that hold one of the words."""
    own = (line for line in NETWORKS["mlp_mixer"].settings if not any(word in line for word in words))
    return Mixer(mixkit.load_recipe("mlp_mixer", settings=[*own, *settings]).model, 32, 48, 5).double().eval()


def test_files_that_are_refused(tmp_path: Path) -> None:
    ours = built("mlp_mixer")
    with pytest.raises(SettingError) as unset:
        weights.build(weights.spec("timm"), ours)
    assert unset.value.setting == "weights.timm.path"
    state = noise(NETWORKS["mlp_mixer"].theirs()).state_dict()
    torch.save(state, tmp_path / "timm.pth")
    with pytest.raises(DamagedError) as pickled:
        start(ours, tmp_path / "timm.pth")
    assert str(pickled.value) == (
        f"{tmp_path}/timm.pth is no safetensors file. Save one: safetensors.torch.save_file(model.state_dict(), PATH)."
    )
    save_file({"conv1.weight": torch.zeros(3)}, tmp_path / "resnet.safetensors")
    with pytest.raises(MixkitError) as other:
        start(ours, tmp_path / "resnet.safetensors")
    assert str(other.value) == (
        f"{tmp_path}/resnet.safetensors holds no network of timm that has a twin here: gmlp, mlp_mixer, resmlp, "
        "convmixer, poolformer, swin_v2, swin, ast. It has: conv1."
    )


def test_positions_are_resized_in_both_directions() -> None:
    """The control of the one above: there and back is not what it was."""
    learned = torch.randn(36, 4)
    back = resized(resized(learned, Grid(6, 6), Grid(4, 9)), Grid(4, 9), Grid(6, 6))
    assert float((back - learned).abs().max()) > 0.1
