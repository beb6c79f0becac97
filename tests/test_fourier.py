"""What mixes by Fourier transforms against its closed forms, and FNet and GFNet at their published sizes."""

import pytest
import torch
from torch import Tensor, nn

import mixkit
from mixkit.model.block import MixerBlock
from mixkit.model.formulas import fft
from mixkit.model.mixer import Mixer
from mixkit.registry import Grid, Site, operator


@pytest.mark.parametrize("grid", [Grid(3, 5), Grid(4, 6), Grid(1, 1)])
@pytest.mark.parametrize("width", [1, 2, 7, 16])
def test_fourier_is_transformers(grid: Grid, width: int) -> None:
    fnet = pytest.importorskip("transformers.models.fnet.modeling_fnet", reason="mixkit[parity] is not installed")
    site = Site(grid, width, prefix=1)
    x = torch.randn(2, site.tokens, width, dtype=torch.float64)
    (expected,) = fnet.FNetBasicFourierTransform(fnet.FNetConfig())(x)
    ours = operator.build(operator.spec("fourier", norm="backward"), site)(x)
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("grid", [Grid(3, 5), Grid(4, 6), Grid(1, 8)])
def test_a_global_filter_is_a_convolution_that_goes_round(grid: Grid) -> None:
    """GFNet, arXiv:2107.00645, eq. 5: as large as the grid."""
    module = operator.build(operator.spec("global_filter"), Site(grid, 4)).double()
    x = torch.randn(1, grid.tokens, 4, dtype=torch.float64)
    impulse = torch.zeros_like(x)
    impulse[:, 0] = 1.0
    shape = (grid.frequency, grid.time)
    answer, cube = module(impulse).unflatten(1, shape), x.unflatten(1, shape)
    expected = sum(
        cube[:, f, t, None, None] * answer.roll((f, t), (1, 2)) for f in range(shape[0]) for t in range(shape[1])
    )
    torch.testing.assert_close(module(x).unflatten(1, shape), expected, rtol=1e-12, atol=1e-12)


def settled(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module.double().eval()


def test_the_block_of_fnet_is_transformers() -> None:
    """Norms stand behind the sums; at the base size the blocks have the parameters of its encoder."""
    fnet = pytest.importorskip("transformers.models.fnet.modeling_fnet", reason="mixkit[parity] is not installed")
    theirs = settled(fnet.FNetLayer(fnet.FNetConfig(hidden_size=8, intermediate_size=32, hidden_act="gelu")))
    (pattern,) = mixkit.load_recipe("fnet").model.pattern
    ours = MixerBlock(pattern, Site(Grid(3, 5), 8), 1e-12).double().eval()
    names = {
        "branches.0.norm": "fourier.output.LayerNorm",
        "branches.1.operators.0.feed_forward.expand": "intermediate.dense",
        "branches.1.operators.0.feed_forward.contract": "output.dense",
        "branches.1.norm": "output.LayerNorm",
    }
    state = theirs.state_dict()
    ours.load_state_dict(
        {
            f"{name}.{part}": state[f"{of_theirs}.{part}"]
            for name, of_theirs in names.items()
            for part in ("weight", "bias")
        }
    )
    x = torch.randn(2, 15, 8, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x)[0], rtol=1e-12, atol=1e-12)
    with torch.device("meta"):
        whole = Mixer(mixkit.load_recipe("fnet", layers=["size/fnet_base"]).model, 128, 512, 10).blocks
        encoder = fnet.FNetEncoder(fnet.FNetConfig(num_hidden_layers=12))
    assert parameters(whole) == parameters(encoder)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("size", "width", "depth", "millions"), [("tiny", 256, 12, 7.5), ("base", 512, 19, 43.1)])
def test_gfnet_has_its_published_parameters(size: str, width: int, depth: int, millions: float) -> None:
    """arXiv:2107.00645, table 1, by its authors' code: 1,000 classes at 224 x 224, less two colours of the stem."""
    with torch.device("meta"):
        ours = Mixer(mixkit.load_recipe("gfnet", layers=[f"size/gfnet_{size}"]).model, 224, 224, 1000)
    block = 4 * width + 2 * 14 * 8 * width + 2 * 4 * width**2 + 5 * width
    ends = 3 * 16 * 16 * width + width + 14 * 14 * width + 2 * width + 1000 * width + 1000
    assert parameters(ours) + 2 * 16 * 16 * width == depth * block + ends
    assert round((depth * block + ends) / 1e6, 1) == millions


def test_the_block_of_gfnet_has_one_residual() -> None:
    """By its authors' code: x + channel(norm(filter(norm(x))))."""
    (pattern,) = mixkit.load_recipe("gfnet").model.pattern
    block = settled(MixerBlock(pattern, Site(Grid(3, 5), 8), 1e-6))
    filtering, channel = block.branches  # type: ignore[misc]
    x = torch.randn(2, 15, 8, dtype=torch.float64)
    kernel = torch.view_as_complex(filtering.operators[0].filter)
    spectrum = torch.fft.rfft2(filtering.norm(x).view(2, 3, 5, 8), dim=(1, 2), norm="ortho")
    heard = torch.fft.irfft2(spectrum * kernel, s=(3, 5), dim=(1, 2), norm="ortho").reshape(2, 15, 8)
    torch.testing.assert_close(block(x), x + channel.operators(channel.norm(heard)), rtol=1e-12, atol=1e-12)


def test_a_frequency_filter_is_its_closed_form() -> None:
    """arXiv:2307.14008, eqs. 5 and 6, with the complex numbers that torch has."""
    site = Site(Grid(4, 6), 16)
    module = settled(operator.build(operator.spec("frequency_filter", blocks=4), site))
    maps = {
        name: (
            torch.view_as_complex(getattr(module, name).weight.movedim(0, -1).contiguous()),
            torch.view_as_complex(getattr(module, name).bias.movedim(0, -1).contiguous()),
        )
        for name in ("first", "second")
    }

    def both(function: nn.Module, x: Tensor) -> Tensor:
        return torch.complex(function(x.real), function(x.imag))

    x = torch.randn(2, 24, 16, dtype=torch.float64)
    spectrum = torch.fft.rfft2(x.view(2, 4, 6, 4, 4), dim=(1, 2), norm="ortho")
    units = both(nn.ReLU(), torch.einsum("bftki,kij->bftkj", spectrum, maps["first"][0]) + maps["first"][1])
    mask = torch.einsum("bftki,kij->bftkj", units, maps["second"][0]) + maps["second"][1]
    weighed = spectrum * both(nn.Softshrink(0.01), mask)
    heard = torch.fft.irfft2(weighed, s=(4, 6), dim=(1, 2), norm="ortho").reshape(2, 24, 16)
    torch.testing.assert_close(module(x), x + heard, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["fourier", "global_filter", "frequency_filter"])
def test_transforms_leave_autocast(name: str) -> None:
    """They are computed in float32, to the bit, and give back the type of what came in."""
    site = Site(Grid(4, 6), 16)
    module = operator.build(operator.spec(name), site)
    x = torch.randn(2, 24, 16).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = module(x.float())
        assert module(x).dtype == torch.bfloat16
    assert inside.dtype == torch.float32
    assert torch.equal(inside, module(x.float()))


def test_operations_of_a_transform() -> None:
    """5/2 m log m for each real row, and 5 m log m for each column of half of the frequencies."""
    assert fft(8) == 60
    assert fft(4, 8) == 4 * 60 + 5 * 40
    assert fft(2, 4, 8) == 8 * 60 + 5 * 4 * 10 + 5 * 2 * 40
    assert fft(1, 1) == 0


def test_the_gradient_of_the_transform_is_the_transform() -> None:
    x = torch.randn(2, 6, 5, dtype=torch.float64, requires_grad=True)
    for norm in ("backward", "ortho"):
        module = operator.build(operator.spec("fourier", norm=norm), Site(Grid(2, 3), 5))
        assert torch.autograd.gradcheck(module, x)
        assert torch.autograd.gradgradcheck(module, x)
