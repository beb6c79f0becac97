"""Attention in windows against Swin as timm and transformers have it, with the same weights."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from mixkit.registry import Grid, Site, operator
from tests.test_parity import MLP, noise, take

swin = pytest.importorskip("timm.models.swin_transformer", reason="extra mixkit[parity] is not installed")
swin_v2 = pytest.importorskip("timm.models.swin_transformer_v2", reason="extra mixkit[parity] is not installed")

# Grids that windows of 4 x 3 divide, or that are no larger than one along an axis; straight, and shifted.
WHOLE = [Site(Grid(*grid), 16, layer, 2) for grid in ((8, 9), (4, 6), (8, 2), (3, 3)) for layer in (0, 1)]
PARTS = {"attn.qkv": "qkv", "attn.proj": "projection"}


V2 = {
    "qkv.weight": "qkv.weight",
    "query_bias": "q_bias",
    "value_bias": "v_bias",
    "expand.weight": "cpb_mlp.0.weight",
    "expand.bias": "cpb_mlp.0.bias",
    "contract.weight": "cpb_mlp.2.weight",
    "projection.weight": "proj.weight",
    "projection.bias": "proj.bias",
    "scale": "logit_scale",
}


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def tokens(site: Site) -> Tensor:
    return torch.randn(2, site.tokens, site.width, dtype=torch.float64)


@pytest.mark.parametrize("site", WHOLE, ids=str)
def test_window_attention_is_timms(site: Site) -> None:
    shift = (2, 1) if site.layer else (0, 0)
    grid = (site.grid.frequency, site.grid.time)
    block = noise(swin.SwinTransformerBlock(16, grid, num_heads=4, window_size=(4, 3), shift_size=shift))
    ours = operator.build(operator.spec("window_attention", window=(4, 3), head_width=4), site).double()
    take(ours, block, PARTS, table="attn.relative_position_bias_table")
    channel = operator.build(operator.spec("channel"), site).double()
    take(channel, block.mlp, MLP)
    x = tokens(site)
    y = x + ours(block.norm1(x))
    close(y + channel(block.norm2(y)), block(x.unflatten(1, grid)).flatten(1, 2))


@pytest.mark.parametrize("site", [Site(Grid(5, 7), 16, layer, 2) for layer in (0, 1)], ids=str)
def test_what_is_beyond_the_edge_is_not_heard(site: Site) -> None:
    """Timm's attention of each window's tokens alone, found by where they stand, is that of the whole grid."""
    theirs = noise(swin.WindowAttention(16, num_heads=4, window_size=(4, 3)))
    ours = operator.build(operator.spec("window_attention", window=(4, 3), head_width=4), site).double()
    take(ours, theirs, {"qkv": "qkv", "proj": "projection"}, table="relative_position_bias_table")
    x, start = tokens(site), (2, 1) if site.layer else (0, 0)
    expected = torch.empty_like(x)
    for row in range(start[0] - 4 * (start[0] > 0), 5, 4):
        for column in range(start[1] - 3 * (start[1] > 0), 7, 3):
            places = [(f, t) for f in range(row, row + 4) for t in range(column, column + 3)]
            there = torch.tensor([0 <= f < 5 and 0 <= t < 7 for f, t in places])
            token = torch.tensor([f * 7 + t for f, t in places])
            window = torch.zeros(2, 12, 16, dtype=torch.float64)
            window[:, there] = x[:, token[there]]
            mask = torch.zeros(1, 12, 12, dtype=torch.float64).masked_fill(~there, -1e9)
            expected[:, token[there]] = theirs(window, mask)[:, there]
    close(ours(x), expected)


def test_every_second_layer_of_a_stage_shifts() -> None:
    site = Site(Grid(8, 8), 8, layer=3, depth=6)
    modules = [
        operator.build(operator.spec("window_attention", window=(4, 4)), placed)
        for placed in (site, replace(site, first=3), replace(site, layer=0), replace(site, layer=4, first=3))
    ]
    for module in modules:
        module.load_state_dict(modules[0].state_dict())
    x = torch.randn(1, 64, 8)
    shifted, straight, first, second = (module(x) for module in modules)
    assert torch.equal(straight, first)
    assert torch.equal(shifted, second)
    assert not torch.allclose(shifted, straight)
    still = operator.build(operator.spec("window_attention", window=(4, 4), shift=False), site)
    still.load_state_dict(modules[0].state_dict())
    assert torch.equal(still(x), straight)


@pytest.mark.parametrize("layer", [0, 1])
def test_window_attention_is_transformers(layer: int) -> None:
    theirs = pytest.importorskip("transformers.models.swin.modeling_swin", reason="mixkit[parity] is not installed")
    config = theirs.SwinConfig(window_size=4)
    config._attn_implementation = "eager"
    site = Site(Grid(8, 12), 16, layer, 2)
    block = noise(theirs.SwinLayer(config, 16, (8, 12), num_heads=4, shift_size=2 * layer))
    ours = operator.build(operator.spec("window_attention", window=(4, 4), head_width=4), site).double()
    state = block.attention.state_dict()
    joined = {f"qkv.{part}": torch.cat([state[f"{row}_proj.{part}"] for row in "qkv"]) for part in ("weight", "bias")}
    projection = {f"projection.{part}": state[f"o_proj.{part}"] for part in ("weight", "bias")}
    table = state["relative_position_bias.relative_position_bias_table"]
    ours.load_state_dict({**joined, **projection, "table": table})
    channel = operator.build(operator.spec("channel"), site).double()
    take(channel, block.mlp, MLP)
    x = tokens(site)
    y = x + ours(block.layernorm_before(x))
    expected, _ = block(x, (8, 12))
    # Its softmax is taken in float32.
    torch.testing.assert_close(y + channel(block.layernorm_after(y)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pretrained", [None, (6, 6)])
@pytest.mark.parametrize("site", WHOLE, ids=str)
def test_version_2_is_timms(site: Site, pretrained: tuple[int, int] | None) -> None:
    shift = (2, 1) if site.layer else (0, 0)
    grid = (site.grid.frequency, site.grid.time)
    block = noise(
        swin_v2.SwinTransformerV2Block(16, grid, 4, (4, 3), shift, pretrained_window_size=pretrained or (0, 0))
    )
    # Straight, some are above the most that is allowed; shifted, they are less than the masks of theirs, -100.
    nn.init.normal_(block.attn.logit_scale, 2.0 if site.layer else 4.5)
    spec = operator.spec("window_attention_v2", window=(4, 3), head_width=4, pretrained_window=pretrained)
    ours = operator.build(spec, site).double()
    state = block.attn.state_dict()
    ours.load_state_dict({name: state[theirs].view_as(ours.get_parameter(name)) for name, theirs in V2.items()})
    channel = operator.build(operator.spec("channel"), site).double()
    take(channel, block.mlp, MLP)
    far = ours.windows.distances(pretrained or ours.windows.size, torch.float64)
    torch.testing.assert_close(far.view_as(block.attn.relative_coords_table), block.attn.relative_coords_table)
    block.attn.relative_coords_table.copy_(far.view_as(block.attn.relative_coords_table))  # theirs is of float32
    x = tokens(site)
    y = x + block.norm1(ours(x))
    close(y + block.norm2(channel(y)), block(x.unflatten(1, grid)).flatten(1, 2))


@pytest.mark.parametrize("layer", [0, 1])
def test_version_2_is_transformers(layer: int) -> None:
    theirs = pytest.importorskip("transformers.models.swinv2.modeling_swinv2", reason="mixkit[parity] is not installed")
    site = Site(Grid(8, 12), 16, layer, 2)
    block = noise(theirs.Swinv2Layer(theirs.Swinv2Config(window_size=4), 16, (8, 12), 4, shift_size=2 * layer))
    ours = operator.build(operator.spec("window_attention_v2", window=(4, 4), head_width=4), site).double()
    attention = block.attention.self
    state = attention.state_dict()
    ours.load_state_dict(
        {
            "qkv.weight": torch.cat([state[f"{part}.weight"] for part in ("query", "key", "value")]),
            "query_bias": state["query.bias"],
            "value_bias": state["value.bias"],
            "scale": state["logit_scale"].flatten(),
            "expand.weight": state["continuous_position_bias_mlp.0.weight"],
            "expand.bias": state["continuous_position_bias_mlp.0.bias"],
            "contract.weight": state["continuous_position_bias_mlp.2.weight"],
            **{f"projection.{part}": tensor for part, tensor in block.attention.output.dense.state_dict().items()},
        }
    )
    far = ours.windows.distances(ours.windows.size, torch.float64)
    attention.relative_coords_table.copy_(far.view_as(attention.relative_coords_table))
    x = tokens(site)
    y = x + block.layernorm_before(ours(x))
    expected = y + block.layernorm_after(block.output(block.intermediate(y)))
    close(expected, block(x, (8, 12))[0])
