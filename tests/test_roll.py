"""What is said of RollBlock: a permutation that moves so much, at so many layers, and that layer 0 could do without."""

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn

from mixkit.operators import Roll
from mixkit.registry import Grid, Site, operator

TOKENS, WIDTH, DEPTH = 600, 768, 12


def permutation(layer: int) -> Tensor:
    """Where each of the 600 x 768 values comes from."""
    places = torch.arange(TOKENS * WIDTH).view(1, TOKENS, WIDTH)
    return Roll(Site(Grid(12, 50), WIDTH, layer, DEPTH))(places).flatten()


# Layer, groups that slide together, step, groups per direction, share of values that move, share that change token.
TABLE = [
    (0, 16, 12, (16, 0, 0, 0), 1.0, 0.0),
    (1, 8, 11, (8, 8, 0, 0), 1.0, 0.0),
    (2, 5, 10, (5, 5, 5, 1), 1.0, 0.375),
    (3, 4, 9, (4, 4, 4, 4), 1.0, 0.5),
    (4, 3, 8, (3, 3, 3, 3), 0.75, 0.375),
    (5, 2, 7, (2, 2, 2, 2), 0.5, 0.25),
    (6, 2, 6, (2, 2, 2, 2), 0.5, 0.25),
    (7, 2, 5, (2, 2, 2, 2), 0.5, 0.25),
    (8, 1, 4, (1, 1, 1, 1), 0.25, 0.125),
    (9, 1, 3, (1, 1, 1, 1), 0.25, 0.094),
    (10, 1, 2, (1, 1, 1, 1), 0.25, 0.063),
    (11, 1, 1, (1, 1, 1, 1), 0.25, 0.032),
]


@pytest.mark.parametrize(("layer", "share", "step", "sizes", "moved", "other_token"), TABLE)
def test_the_table(layer: int, share: int, step: int, sizes: tuple[int, ...], moved: float, other_token: float) -> None:
    assert (share, step) == (16 // (1 + layer), 12 - layer)
    source, here = permutation(layer), torch.arange(TOKENS * WIDTH)
    assert float((source != here).double().mean()) == pytest.approx(moved)
    change = (source // WIDTH != here // WIDTH).double().mean()
    assert float(change) == pytest.approx(other_token, abs=0.0005)
    jump = (source - here).view(16, 150, 192)
    # A group tells its direction by its value in the middle, which nothing carries around the end.
    middle = jump[:, 75, 96].tolist()
    slides = zip((*sizes, 16 - sum(sizes)), (-step, step, -192 * step, 192 * step, 0), strict=True)
    assert middle == [by for size, by in slides for _ in range(size)]


@pytest.mark.parametrize("layer", range(12))
def test_it_is_a_permutation(layer: int) -> None:
    assert torch.equal(permutation(layer).sort().values, torch.arange(TOKENS * WIDTH))


@pytest.mark.parametrize("layer", range(12))
def test_sliding_the_other_way_undoes_it(layer: int) -> None:
    x = torch.randn(2, TOKENS, WIDTH)
    there = Roll(Site(Grid(12, 50), WIDTH, layer, DEPTH))
    back = Roll(Site(Grid(12, 50), WIDTH, layer, 2 * layer - DEPTH))  # step = depth - layer, of the other sign
    assert torch.equal(back(there(x)), x)


def test_only_some_tokens_ever_hear_others() -> None:
    here = torch.arange(TOKENS * WIDTH) // WIDTH
    heard = torch.stack([(permutation(layer) // WIDTH != here).view(TOKENS, WIDTH).any(1) for layer in range(DEPTH)])
    assert not heard[:, :75].any()
    assert heard[:, 300:].any(1).nonzero().flatten().tolist() == [2, 3, 4]
    assert heard[8:].any(0).nonzero().flatten().tolist() == list(range(75, 150))


def test_the_next_linear_map_can_absorb_layer_0() -> None:
    site = Site(Grid(4, 6), 32, layer=0, depth=12)
    module = operator.build(operator.spec("roll_time"), site).double()
    channel = operator.build(operator.spec("channel"), site).double()
    channel.load_state_dict(module.state_dict())
    order = module.roll(torch.arange(32).expand(1, site.tokens, 32))[0]
    assert (order == order[0]).all()
    expand = channel.feed_forward.expand
    expand.weight = nn.Parameter(expand.weight[:, order[0].argsort()])
    x = torch.randn(2, site.tokens, 32, dtype=torch.float64)
    torch.testing.assert_close(module(x), channel(x), rtol=1e-12, atol=1e-12)


def test_from_layer_groups_on_nothing_moves() -> None:
    x = torch.randn(1, 12, 16)
    assert torch.equal(Roll(Site(Grid(3, 4), 16, layer=16, depth=20))(x), x)
    assert not torch.equal(Roll(Site(Grid(3, 4), 16, layer=15, depth=20))(x), x)


@given(
    tokens=st.integers(1, 40),
    width=st.integers(1, 30),
    groups=st.integers(1, 20),
    bands=st.integers(1, 6),
    layer=st.integers(0, 9),
    more=st.integers(1, 9),
)
def test_any_cut_gives_a_permutation_with_its_inverse(
    tokens: int, width: int, groups: int, bands: int, layer: int, more: int
) -> None:
    assume(bands <= tokens and groups <= width * bands)
    site, back = (Site(Grid(1, tokens), width, layer, layer + step) for step in (more, -more))
    x = torch.arange(site.tokens * site.width).view(1, site.tokens, site.width)
    slid = Roll(site, groups=groups, bands=bands)(x)
    assert torch.equal(slid.flatten().sort().values, x.flatten())
    assert torch.equal(Roll(back, groups=groups, bands=bands)(slid), x)


def test_the_first_groups_have_one_row_more() -> None:
    """63 tokens are 252 rows of a quarter token: 16 in each of 12 groups, 15 in each of 4."""
    here = torch.arange(63 * 32)
    source = Roll(Site(Grid(9, 7), 32, layer=3, depth=5))(here.view(1, 63, 32)).flatten()
    jumps = (source - here).view(252, 8).split([16] * 12 + [15] * 4)
    assert [int(jump[7, 4]) for jump in jumps] == [*[-2] * 4, *[2] * 4, *[-16] * 4, *[16] * 4]
    assert [int(jump[0, 4]) for jump in jumps[8:12]] == [14 * 8] * 4  # from the end of its own group
    assert [int(jump[-1, 4]) for jump in jumps[12:]] == [-13 * 8] * 4
