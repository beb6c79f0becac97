"""Networks have the sizes that papers state, the parts that recipes name, and the same weights for the same seed."""

from functools import partial

import pytest
import torch

import mixkit
from mixkit.errors import MixkitError
from mixkit.model.block import DropPath, MixerBlock
from mixkit.model.cost import costs
from mixkit.model.mixer import Mixer
from mixkit.model.norms import GridNorm
from mixkit.model.stem import Patches
from mixkit.recipe.schema import Block, Branch, Model
from mixkit.registry import Grid, Registry, Site, operator, stem


def feed_forward(inputs: int, hidden: int) -> int:
    return 2 * inputs * hidden + hidden + inputs


def recipe(name: str, *settings: str, layers: tuple[str, ...] = ("size/base",)) -> Model:
    return mixkit.load_recipe(name, layers=list(layers), settings=list(settings)).model


def parameters(model: Model, classes: int, frames: int = 512) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in Mixer(model, 128, frames, classes).parameters())


TOKENS, WIDTH, DEPTH = 600, 768, 12
PATCHES = 16 * 16 * WIDTH + WIDTH
CHANNEL = feed_forward(WIDTH, 3072)
NORMS = 4 * WIDTH


@pytest.mark.parametrize("hidden", [384, 300, 2400])
def test_asm_rh_at_base_has_the_parameters_of_the_formula(hidden: int) -> None:
    model = recipe("asm_rh", f"operator.hermit_frequency.hidden = {hidden}")
    expected = PATCHES + DEPTH * (NORMS + feed_forward(TOKENS, hidden) + CHANNEL) + 2 * WIDTH + (WIDTH + 1) * 35
    assert parameters(model, 35) == expected
    assert expected == {384: 62_473_283, 300: 61_262_675, 2400: 91_527_875}[hidden]


def test_ast_at_base_has_the_parameters_of_the_formula() -> None:
    attention = 4 * WIDTH * WIDTH + 4 * WIDTH
    prefix_and_position = (2 + 602) * WIDTH
    ends = 4 * WIDTH + (WIDTH + 1) * 50
    expected = PATCHES + prefix_and_position + DEPTH * (NORMS + attention + CHANNEL) + ends
    assert parameters(recipe("ast"), 50) == expected == 85_757_234


@pytest.mark.parametrize(
    ("name", "token_part"),
    [
        ("mlp_mixer", feed_forward(600, 384)),
        ("asm_h", feed_forward(600, 384)),
        ("asm_r", feed_forward(600, 384)),
        ("shift_mixer", 0),
    ],
)
def test_the_other_grid_recipes_at_base(name: str, token_part: int) -> None:
    norms = 2 * WIDTH if name == "shift_mixer" else NORMS
    expected = PATCHES + DEPTH * (norms + token_part + CHANNEL) + 2 * WIDTH + (WIDTH + 1) * 35
    assert parameters(recipe(name), 35) == expected


def test_asm_mixes_602_tokens() -> None:
    blocks = DEPTH * (NORMS + feed_forward(602, 384) + CHANNEL)
    assert parameters(recipe("asm"), 35) == PATCHES + (2 + 602) * WIDTH + blocks + 4 * WIDTH + (WIDTH + 1) * 35


@pytest.mark.parametrize(
    ("bins", "frames", "grid"), [(128, 512, (12, 50)), (128, 505, (12, 49)), (128, 128, (12, 12)), (16, 16, (1, 1))]
)
def test_the_grid_of_patches(bins: int, frames: int, grid: tuple[int, int]) -> None:
    assert Patches(bins, frames, 8).grid == Grid(*grid)


@pytest.mark.parametrize(
    ("bins", "frames", "message"),
    [
        (
            15,
            512,
            "stem.patches.size is [16, 16], but there are 15 bins. Use at most 15 bins a patch, such as "
            "stem.patches.size = (15, 16).",
        ),
        (
            128,
            9,
            "stem.patches.size is [16, 16], but there are 9 frames. Use at most 9 frames a patch, such as "
            "stem.patches.size = (16, 9).",
        ),
    ],
)
def test_a_patch_that_does_not_fit(bins: int, frames: int, message: str) -> None:
    with pytest.raises(MixkitError) as caught:
        stem.build(stem.spec("patches"), bins, frames, 8)
    assert str(caught.value) == message


def test_tokens_are_frequency_major() -> None:
    mixer = Mixer(recipe("mlp_mixer", "model.width = 4"), 36, 56, 3)
    torch.nn.init.ones_(mixer.stem.projection.weight)
    x = torch.zeros(1, 36, 56)
    x[0, 20:, 40:] = 1.0  # only the last patch row and column see all of it
    moved = (mixer.stem(x) - mixer.stem(torch.zeros_like(x))).abs().sum(-1)[0].reshape(3, 5)
    assert mixer.stem.grid == Grid(3, 5)
    assert moved[2, 4] == moved.max()
    assert moved[0].sum() == 0
    assert moved[:, 0].sum() == 0


def test_the_same_seed_gives_the_same_weights_and_leaves_torch_alone() -> None:
    loaded = mixkit.load_recipe("asm_rh", layers=["size/tiny"])
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second = (mixkit.build(loaded, classes=4).state_dict() for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], second[key]) for key in first)
    other = mixkit.build(mixkit.load_recipe("asm_rh", settings=["train.seed = 1"]), classes=4).state_dict()
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_a_pattern_is_tiled_over_the_depth() -> None:
    token, channel = (operator.spec(name) for name in ("token", "channel"))
    model = Model((Block((token,)), Block((channel,))), width=8, depth=5)  # type: ignore[arg-type]
    mixer = Mixer(model, 36, 56, 3)
    names = [type(block.branches[0].operators[0]).__name__ for block in mixer.blocks]
    assert names[0::2] == [names[0]] * 3
    assert names[1::2] == [names[1]] * 2
    assert names[0] != names[1]


@pytest.fixture
def doubling(monkeypatch: pytest.MonkeyPatch) -> str:
    """An operator that doubles, registered for one test."""
    operator.names()
    monkeypatch.setattr(operator, "_entries", dict(operator._entries))

    @operator("doubling", mixes={"channel"})
    class Doubling(torch.nn.Module):
        """Doubles."""

        def __init__(self, site: Site):
            super().__init__()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * x

    return "doubling"


def test_branches_add_or_replace(doubling: str) -> None:
    spec = operator.spec(doubling)
    site = Site(Grid(2, 2), width=4)
    x = torch.randn(2, 4, 4)
    normed = partial(torch.nn.functional.layer_norm, normalized_shape=(4,), eps=1e-6)
    for branch, expected in [
        (Branch((spec,), norm="none"), 3 * x),
        (Branch((spec, spec), norm="none"), 5 * x),
        (Branch((spec,), norm="none", residual=False), 2 * x),
        (Branch((spec,)), x + 2 * normed(x)),
        (Branch((spec,), norm_place="res_post"), x + normed(2 * x)),
        (Branch((spec,), norm_place="post"), normed(3 * x)),
        (Branch((spec,), residual=False, norm_place="post"), normed(2 * x)),
    ]:
        block = MixerBlock(Block((branch,)), site, 1e-6)
        torch.testing.assert_close(block(x), expected)
    scaled = MixerBlock(Block((Branch((spec,), norm="none"),), layer_scale=0.25), site, 1e-6)
    torch.testing.assert_close(scaled(x), 1.5 * x)


def test_a_block_may_have_one_residual_for_all_of_its_branches(doubling: str) -> None:
    bare = Branch((operator.spec(doubling),), norm="none", residual=False)
    x = torch.randn(64, 4, 4)
    block = MixerBlock(
        Block((bare, bare), drop_path=0.5, layer_scale=0.25, residual=True), Site(Grid(2, 2), 4, 1, 2), 1e-6
    )
    torch.testing.assert_close(block.eval()(x), 2 * x)
    assert [name for name, _ in block.named_parameters()] == ["branches.1.scale.gain"]
    dropped = block.train()(x)
    assert {round(float(ratio), 5) for ratio in (dropped.detach() / x).unique()} <= {1.0, 3.0}
    assert not torch.allclose(dropped, x)


def test_drop_path_grows_with_the_layer_and_keeps_the_mean(doubling: str) -> None:
    block = Block((Branch((operator.spec(doubling),), norm="none"),), drop_path=0.5)
    rates = [
        MixerBlock(block, Site(Grid(2, 2), 4, layer, 5), 1e-6).branches[0].drop_path.rate  # type: ignore[union-attr]
        for layer in range(5)
    ]
    assert rates == pytest.approx([0, 0.125, 0.25, 0.375, 0.5])
    torch.manual_seed(0)
    drop = DropPath(0.5).train()
    out = drop(torch.ones(4000, 1, 1))
    assert set(out.unique().tolist()) == {0.0, 2.0}
    assert out.mean().item() == pytest.approx(1.0, abs=0.08)
    assert torch.equal(drop.eval()(torch.ones(3, 1, 1)), torch.ones(3, 1, 1))


def test_grid_norm_sees_tokens_and_channels_together() -> None:
    x = torch.randn(3, 5, 4, dtype=torch.float64) * 7 + 2
    out = GridNorm(4, 1e-12).double()(x)
    centred = x - x.mean((1, 2), keepdim=True)
    torch.testing.assert_close(out, centred / x.var((1, 2), correction=0, keepdim=True).sqrt())


def test_costs_add_up() -> None:
    model = recipe("asm_rh")
    rows = costs(model, 128, 512, 35)
    assert sum(row.parameters for row in rows) == 62_473_283
    assert [row.name for row in rows[:3]] == ["stem", "0.0 hermit_frequency", "0.1 roll_time"]
    roll_time = rows[2]
    assert roll_time.flops == 2 * 2 * TOKENS * WIDTH * 3072
    assert roll_time.parameters == CHANNEL + 2 * WIDTH
    token = next(row for row in costs(recipe("mlp_mixer"), 128, 512, 35) if row.name == "0.0 token")
    assert token.flops == 2 * 2 * TOKENS * WIDTH * 384
    # Half the columns of the token MLP, and two cosine matrices of 385 x 385 over 600 tokens.
    assert rows[1].flops <= 2 * 2 * TOKENS * 385 * 384 + 2 * 2 * TOKENS * 385 * 385


def test_prefix_tokens_and_grid_operators_do_not_go_together() -> None:
    model = recipe("shift_mixer", "model.prefix = 2")
    with pytest.raises(MixkitError, match="prefix"):
        Mixer(model, 128, 512, 3)


def test_waveforms_of_any_length_become_logits() -> None:
    model = mixkit.build(mixkit.load_recipe("asm_rh", layers=["size/tiny"]), classes=7).eval()
    for samples in (1, 16_000, 80_000):
        assert model(torch.randn(2, samples)).shape == (2, 7)
    assert model.mixer(torch.randn(2, model.features.bins, model.features.frames)).shape == (2, 7)


def test_registered_heads_build() -> None:
    from mixkit.registry import head

    assert isinstance(head, Registry)
    assert set(head.names()) >= {"linear", "mlp"}
    for name in head.names():
        built = head.build(head.spec(name), 8, 3)
        assert built(torch.randn(2, 8)).shape == (2, 3)
