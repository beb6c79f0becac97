"""What is said of Hermit-Frequency-mixing: what it reads, what it writes, and that its matrix is always right."""

import copy
import pickle

import pytest
import torch
from torch import nn

from mixkit.operators import HermitFrequency
from mixkit.operators.hermit_pair import HermitPair
from mixkit.registry import Grid, Site, operator

SITE = Site(Grid(12, 50), width=768, depth=12)
SMALL = Site(Grid(4, 5), width=16)
X = torch.randn(2, SMALL.tokens, SMALL.width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_it_reads_the_first_half_and_writes_evenly() -> None:
    module = HermitFrequency(SITE)
    x = torch.randn(1, SITE.tokens, SITE.width, requires_grad=True)
    out = module(x)
    assert torch.equal(out[..., 1:], out[..., 1:].flip(-1))  # out[j] = out[768 - j]
    (gradient,) = torch.autograd.grad(out.square().sum(), x)
    alive = gradient.abs().amax((0, 1)) > 0
    assert alive.nonzero().flatten().tolist() == list(range(385))


@pytest.mark.parametrize("width", [1, 2, 3, 15, 16])
def test_the_pair_alone_is_the_even_extension(width: int) -> None:
    x = torch.randn(2, 6, width, dtype=torch.float64)
    out = operator.build(operator.spec("hermit"), Site(Grid(2, 3), width)).double()(x)
    source = [min(j, width - j) for j in range(width)]
    torch.testing.assert_close(out, x[..., source], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
@pytest.mark.parametrize("width", [2, 3, 16, 768])
def test_lossless_goes_there_and_back(width: int, norm: str) -> None:
    x = torch.randn(2, 6, width, dtype=torch.float64)
    hermit = operator.build(operator.spec("hermit", variant="lossless", norm=norm), Site(Grid(2, 3), width)).double()
    torch.testing.assert_close(hermit(x), x, rtol=1e-12, atol=1e-12)


def test_norm_decides_how_large_the_spectrum_is() -> None:
    x = torch.randn(4, 6, 768, dtype=torch.float64)
    sizes = {norm: HermitPair(768, "paper", norm).double().spectrum(x).std() for norm in ("backward", "ortho")}
    assert float(sizes["backward"]) == pytest.approx(768**0.5, rel=0.05)
    assert float(sizes["ortho"]) == pytest.approx(1.0, rel=0.05)


def test_without_a_bend_and_biases_the_transforms_do_not_matter() -> None:
    module = HermitFrequency(SMALL, variant="lossless").double()
    module.feed_forward.activation = nn.Identity()
    nn.init.zeros_(module.feed_forward.expand.bias)
    nn.init.zeros_(module.feed_forward.contract.bias)
    plain = module.feed_forward(X.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(module(X), plain, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("variant", ["paper", "lossless"])
def test_hermit_around_token_is_hermit_frequency(variant: str) -> None:
    one = operator.build(operator.spec("hermit_frequency", variant=variant, hidden=7), SMALL).double()
    inner = operator.spec("token", hidden=7)
    row = operator.build(operator.spec("hermit", around=(inner,), variant=variant), SMALL).double()
    row.load_state_dict({f"around.0.{name}": tensor for name, tensor in one.state_dict().items()})
    torch.testing.assert_close(row(X), one(X), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("tokens", [20, 15])
def test_along_tokens_the_weights_are_those_of_the_full_transform_folded(tokens: int) -> None:
    site = Site(Grid(1, tokens), width=6)
    module = operator.build(operator.spec("hermit_frequency", axis="token", hidden=9), site).double()
    full = nn.Sequential(nn.Linear(tokens, 9), nn.GELU(), nn.Linear(9, tokens)).double()
    columns = tokens // 2 + 1
    expand = full[0].weight[:, :columns].clone()
    for m in range(1, tokens - columns + 1):
        expand[:, m] += full[0].weight[:, tokens - m]
    state = {"expand.weight": expand, "expand.bias": full[0].bias}
    state |= {"contract.weight": full[2].weight[:columns], "contract.bias": full[2].bias[:columns]}
    module.feed_forward.load_state_dict(state)
    x = torch.randn(2, tokens, 6, dtype=torch.float64)
    mixed = full(torch.fft.hfft(x, n=tokens, dim=1).transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(module(x), torch.fft.irfft(mixed, n=tokens, dim=1), rtol=1e-10, atol=1e-10)


def test_the_matrix_is_no_part_of_the_state_dict() -> None:
    assert all(name.startswith("feed_forward.") for name in HermitFrequency(SMALL).state_dict())


def exact(pair: HermitPair, dtype: torch.dtype = torch.float64) -> bool:
    turns = torch.arange(9, dtype=torch.float64)
    weights = torch.tensor([1.0] + 7 * [2.0] + [1.0], dtype=torch.float64)
    expected = weights * torch.cos(2 * torch.pi * torch.outer(turns, turns) / 16)
    found = pair.cosine
    return found.dtype == dtype and bool((found.double() - expected.to(dtype).double()).abs().max() < 1e-13)


def test_the_matrix_is_exact_in_every_type_it_is_moved_to() -> None:
    pair = HermitPair(16, "paper", "backward")
    assert exact(pair, torch.float32)
    assert exact(pair.to(torch.bfloat16), torch.bfloat16)
    assert exact(pair.double())  # and not a bf16 cosine in a float64 tensor
    assert exact(copy.deepcopy(pair))
    assert exact(pickle.loads(pickle.dumps(pair)))


def test_the_matrix_is_there_after_meta() -> None:
    with torch.device("meta"):
        pair = HermitPair(16, "paper", "backward")
    assert pair.cosine.is_meta
    assert exact(pair.to_empty(device="cpu"), torch.float32)
    module = nn.Sequential(pair).to("meta")
    assert pair.cosine.is_meta
    module.to_empty(device="cpu")
    assert exact(pair.double())


def test_a_move_to_where_it_is_leaves_the_matrix_alone() -> None:
    pair = HermitPair(16, "paper", "backward")
    before = pair.cosine
    assert pair.to("cpu").cosine is before
    assert pair.share_memory().cosine.is_shared()


@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
def test_bf16_autocast_stays_within_one_percent(norm: str) -> None:
    torch.manual_seed(0)
    module = HermitFrequency(SITE, norm=norm).eval()
    x = torch.randn(1, SITE.tokens, SITE.width)
    with torch.no_grad():
        exact = module(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = module(x)
    assert rough.dtype == torch.bfloat16
    assert float((rough.float() - exact).norm() / exact.norm()) < 0.01
