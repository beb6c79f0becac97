"""Operators are what others built: timm, SciPy, torch's FFTs, and the listing that the paper prints."""

import pytest
import torch
from torch import Tensor, nn

from mixkit.operators.fetched import fetched
from mixkit.operators.state_space import remembered
from mixkit.registry import Grid, Site, operator

BASE = Site(Grid(12, 50), width=768, depth=12)


def listing(x: Tensor, alpha: int, depth: int, groups: int = 16, bands: int = 4) -> Tensor:
    """RollBlock as ASM-RH prints it: in place, four sliced assignments. arXiv:2402.18007, II-B."""
    batch, tokens, width = x.shape
    gamma, step = 1 / (1 + alpha), depth - alpha
    table = x.reshape(batch, groups, tokens // bands, bands * width // groups)
    g = int(groups * gamma)
    table[:, :g] = torch.roll(table[:, :g], shifts=step, dims=3)
    table[:, g : 2 * g] = torch.roll(table[:, g : 2 * g], shifts=-step, dims=3)
    table[:, 2 * g : 3 * g] = torch.roll(table[:, 2 * g : 3 * g], shifts=step, dims=2)
    table[:, 3 * g : 4 * g] = torch.roll(table[:, 3 * g : 4 * g], shifts=-step, dims=2)
    return table.reshape(batch, tokens, width)


@pytest.mark.parametrize("layer", range(12))
def test_roll_is_the_listing(layer: int) -> None:
    site = Site(BASE.grid, BASE.width, layer, depth=12)
    x = torch.randn(2, site.tokens, site.width)
    before = x.clone()
    rolled = operator.build(operator.spec("roll"), site)(x)
    assert torch.equal(x, before)
    assert torch.equal(rolled, listing(x.clone(), layer, 12))


@pytest.mark.parametrize("layer", range(6))
@pytest.mark.parametrize(("tokens", "width", "groups", "bands"), [(12, 8, 4, 2), (15, 10, 5, 3), (7, 6, 3, 1)])
def test_roll_is_the_listing_wherever_that_can_cut(
    tokens: int, width: int, groups: int, bands: int, layer: int
) -> None:
    x = torch.randn(2, tokens, width)
    site = Site(Grid(1, tokens), width, layer, depth=7)
    rolled = operator.build(operator.spec("roll", groups=groups, bands=bands), site)(x)
    assert torch.equal(rolled, listing(x.clone(), layer, 7, groups, bands))


@pytest.mark.parametrize("layer", [0, 2, 11])
def test_roll_has_the_gradient_of_the_listing(layer: int) -> None:
    site = Site(BASE.grid, BASE.width, layer, depth=12)
    x = torch.randn(1, site.tokens, site.width, requires_grad=True)
    weights = torch.randn(1, site.tokens, site.width)
    ours = torch.autograd.grad((operator.build(operator.spec("roll"), site)(x) * weights).sum(), x)
    theirs = torch.autograd.grad((listing(x.clone(), layer, 12) * weights).sum(), x)
    assert torch.equal(*ours, *theirs)


def full_width(x: Tensor, feed_forward: nn.Module, norm: str) -> Tensor:
    """II-C to the letter: HFFT, transpose, feed-forward over tokens, transpose, IRFFT, all columns computed."""
    width = x.shape[2]
    spectrum = torch.fft.hfft(x, n=width, norm=norm)
    mixed = feed_forward(spectrum.transpose(1, 2)).transpose(1, 2)
    return torch.fft.irfft(mixed, n=width, norm=norm)


@pytest.mark.parametrize(
    ("site", "norm"),
    [
        (BASE, "backward"),
        *((Site(Grid(4, 5), width), norm) for width in (16, 15, 3, 2, 1) for norm in ("backward", "ortho", "forward")),
    ],
    ids=str,
)
def test_half_the_columns_are_the_full_transform(site: Site, norm: str) -> None:
    torch.manual_seed(0)
    module = operator.build(operator.spec("hermit_frequency", norm=norm, hidden=24), site).double()
    x = torch.randn(2, site.tokens, site.width, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(x.shape, dtype=torch.float64)
    outs = module(x), full_width(x, module.feed_forward, norm)
    torch.testing.assert_close(*outs, rtol=1e-10, atol=1e-10)
    gradients = [torch.autograd.grad((out * weights).sum(), [x, *module.parameters()]) for out in outs]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
@pytest.mark.parametrize("width", [2, 7, 16])
def test_lossless_is_the_longer_transform(width: int, norm: str) -> None:
    site = Site(Grid(3, 4), width)
    module = operator.build(operator.spec("hermit_frequency", variant="lossless", norm=norm, hidden=5), site).double()
    x = torch.randn(2, site.tokens, width, dtype=torch.float64)
    period = 2 * (width - 1)
    mixed = module.feed_forward(torch.fft.hfft(x, n=period, norm=norm).transpose(1, 2)).transpose(1, 2)
    expected = torch.fft.irfft(mixed, n=period, norm=norm)[..., :width]
    torch.testing.assert_close(module(x), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("width", [2, 16, 768])
def test_the_spectrum_is_a_cosine_transform(width: int) -> None:
    fft = pytest.importorskip("scipy.fft")
    x = torch.randn(3, 4, width, dtype=torch.float64)
    for variant, used in (("paper", width // 2 + 1), ("lossless", width)):
        pair = operator.build(operator.spec("hermit", variant=variant), Site(Grid(2, 2), width)).double().pair
        expected = torch.from_numpy(fft.dct(x[..., :used].numpy(), type=1))
        torch.testing.assert_close(pair.spectrum(x), expected, rtol=1e-10, atol=1e-10)
        back = torch.from_numpy(fft.idct(expected.numpy(), type=1))
        torch.testing.assert_close(pair.signal(expected)[..., :used], back, rtol=1e-10, atol=1e-10)


def take(ours: nn.Module, theirs: nn.Module, names: dict[str, str], **tables: str) -> None:
    """Give ours the weights of theirs: maps of theirs by the names of ours, and other tensors by ours of theirs."""
    state = theirs.state_dict()
    maps = {ours_name + part: state[name + part] for name, ours_name in names.items() for part in PARTS}
    ours.load_state_dict(maps | {name: state[name_of_theirs] for name, name_of_theirs in tables.items()})


PARTS = (".weight", ".bias")
MLP = {"fc1": "feed_forward.expand", "fc2": "feed_forward.contract"}


def noise(module: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module.double().eval()


def test_token_and_channel_are_timms_mixer_block() -> None:
    mlp_mixer = pytest.importorskip("timm.models.mlp_mixer", reason="extra mixkit[parity] is not installed")
    site = Site(Grid(3, 5), width=32)
    block = noise(mlp_mixer.MixerBlock(32, site.tokens))
    token = operator.build(operator.spec("token"), site).double()
    channel = operator.build(operator.spec("channel"), site).double()
    take(token, block.mlp_tokens, MLP)
    take(channel, block.mlp_channels, MLP)
    x = torch.randn(2, site.tokens, 32, dtype=torch.float64)
    y = x + token(block.norm1(x))
    y = y + channel(block.norm2(y))
    torch.testing.assert_close(y, block(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("prefix", [0, 2])
def test_attention_and_channel_are_timms_transformer_block(prefix: int) -> None:
    transformer = pytest.importorskip("timm.models.vision_transformer", reason="extra mixkit[parity] is not installed")
    site = Site(Grid(3, 5), width=32, prefix=prefix)
    block = noise(transformer.Block(32, num_heads=4, qkv_bias=True))
    attention = operator.build(operator.spec("attention", head_width=8), site).double()
    channel = operator.build(operator.spec("channel"), site).double()
    take(attention, block.attn, {"qkv": "qkv", "proj": "projection"})
    take(channel, block.mlp, MLP)
    x = torch.randn(2, site.tokens, 32, dtype=torch.float64)
    y = x + attention(block.norm1(x))
    torch.testing.assert_close(attention(x), block.attn(x), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(y + channel(block.norm2(y)), block(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("width", "heads"), [(192, 3), (384, 6), (768, 12), (16, 1)])
def test_default_heads_are_those_of_vit(width: int, heads: int) -> None:
    transformer = pytest.importorskip("timm.models.vision_transformer", reason="extra mixkit[parity] is not installed")
    theirs = noise(transformer.Attention(width, num_heads=heads, qkv_bias=True))
    ours = operator.build(operator.spec("attention"), Site(Grid(1, 3), width)).double()
    take(ours, theirs, {"qkv": "qkv", "proj": "projection"})
    x = torch.randn(2, 3, width, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-10, atol=1e-10)


def mamba_mixer(width: int) -> nn.Module:
    mamba = pytest.importorskip("transformers.models.mamba", reason="extra mixkit[parity] is not installed")
    settings = mamba.MambaConfig(hidden_size=width, state_size=5, num_hidden_layers=1, use_bias=False)
    made: nn.Module = mamba.modeling_mamba.MambaMixer(settings, 0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made.double().eval()


def take_mamba(ours: nn.Module, theirs: nn.Module, direction: str) -> None:
    names = {"conv1d": "convolution", "x_proj": "select", "dt_proj": "step", "A_log": "log_decay", "D": "skip"}
    own = {"in_proj.weight": "expand.weight", "out_proj.weight": "contract.weight"}
    for name, value in theirs.state_dict().items():
        part, dot, rest = name.partition(".")
        ours.get_parameter(own.get(name) or f"{direction}.{names[part]}{dot}{rest}").data.copy_(value)


@pytest.mark.parametrize("axis", ["time", "token"])
def test_state_space_is_mamba_in_each_direction(axis: str) -> None:
    """The reference rounds its states to float32 whatever it is given, so that it agrees no closer."""
    torch.manual_seed(0)
    site = Site(Grid(3, 7), width=32)
    forwards, backwards = mamba_mixer(32), mamba_mixer(32)
    for part in ("in_proj", "out_proj"):
        backwards.get_submodule(part).load_state_dict(forwards.get_submodule(part).state_dict())
    x = torch.randn(2, site.tokens, 32, dtype=torch.float64)
    rows = x if axis == "token" else x.unflatten(1, (3, 7)).flatten(0, 1)
    expected = {"forward": forwards(rows)}
    expected["both"] = expected["forward"] + backwards(rows.flip(1)).flip(1)
    for directions, wanted in expected.items():
        spec = operator.spec("state_space", axis=axis, directions=directions, states=5)
        ours = operator.build(spec, site).double()
        take_mamba(ours, forwards, "forwards")
        if directions == "both":
            take_mamba(ours, backwards, "backwards")
        torch.testing.assert_close(ours(x), wanted.reshape(x.shape), rtol=1e-5, atol=1e-6)
        assert ours(x).std() > 0.1


@pytest.mark.parametrize("length", [1, 2, 3, 10, 50, 101])
def test_a_memory_in_chunks_is_the_recurrence(length: int) -> None:
    step = torch.rand(2, length, 3, dtype=torch.float64) * 50
    rate, added = -torch.rand(3, 4, dtype=torch.float64), torch.randn(2, length, 3, 4, dtype=torch.float64)
    states = [torch.zeros(2, 3, 4, dtype=torch.float64)]
    for t in range(length):
        states.append(torch.exp(step[:, t, :, None] * rate) * states[-1] + added[:, t])
    torch.testing.assert_close(remembered(step, rate, added), torch.stack(states[1:], 1), rtol=1e-12, atol=1e-12)


def test_what_is_fetched_of_each_channel_is_torchs_sampling() -> None:
    """Active shifts are sampled, and fetched where a GPU has to repeat itself to the bit."""
    site = Site(Grid(4, 6), width=5)
    module = operator.build(operator.spec("active_shift", reach=2.5), site).double()
    x = torch.randn(2, site.tokens, 5, dtype=torch.float64, requires_grad=True)
    up, on = module.shifts
    outs = module(x), fetched(fetched(x.unflatten(1, (4, 6)), up, 1), on, 2).flatten(1, 2)
    torch.testing.assert_close(*outs, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(y.pow(3).sum(), [x, module.shifts]) for y in outs]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("grid", [Grid(3, 7), Grid(5, 1)])
def test_what_is_fetched_is_a_deformable_convolution(grid: Grid) -> None:
    ops = pytest.importorskip("torchvision.ops", reason="extra mixkit[parity] is not installed")
    torch.manual_seed(0)
    x = torch.randn(2, grid.frequency, grid.time, 4, dtype=torch.float64, requires_grad=True)
    distance = (4 * torch.randn(x.shape, dtype=torch.float64)).requires_grad_()
    weights = torch.randn(x.shape, dtype=torch.float64)
    for axis in (1, 2):
        offsets = torch.stack([distance * (axis == 1), distance * (axis == 2)], -1).flatten(3)  # of rows, of columns
        identity = torch.eye(4, dtype=torch.float64)[:, :, None, None]
        pictures = (part.permute(0, 3, 1, 2).contiguous() for part in (x, offsets))
        outs = fetched(x, distance, axis), ops.deform_conv2d(*pictures, identity).permute(0, 2, 3, 1)
        torch.testing.assert_close(*outs, rtol=1e-12, atol=1e-12)
        gradients = [torch.autograd.grad((out * weights).sum(), [x, distance]) for out in outs]
        torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [(3, 3), (5, 7)])
def test_cycle_is_deformable_convolutions(size: tuple[int, int]) -> None:
    """As its authors' code has it: the steps are offsets of 1 x 1 kernels."""
    ops = pytest.importorskip("torchvision.ops", reason="extra mixkit[parity] is not installed")
    torch.manual_seed(0)
    site = Site(Grid(4, 9), width=10)
    module = operator.build(operator.spec("cycle", size=size), site).double()
    x = torch.randn(2, site.tokens, 10, dtype=torch.float64, requires_grad=True)
    picture = x.unflatten(1, (4, 9)).permute(0, 3, 1, 2).contiguous()
    ways = []
    for along, over in ((1, module.time), (0, module.frequency)):
        offsets = torch.zeros(10, 2, dtype=torch.float64)
        offsets[:, along] = (torch.arange(10) + size[along] // 2) % size[along] - size[along] // 2
        everywhere = offsets.view(1, 20, 1, 1).expand(2, 20, 4, 9)
        ways.append(ops.deform_conv2d(picture, everywhere, over.weight[:, :, None, None], over.bias).flatten(2).mT)
    theirs = module.projection(module.weigh(*ways, module.channel(x)))
    torch.testing.assert_close(module(x), theirs, rtol=1e-12, atol=1e-12)
    parts = [x, *module.parameters()]
    gradients = [torch.autograd.grad(y.pow(3).sum(), parts) for y in (module(x), theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-10)


def test_active_shift_is_torchs_sampling() -> None:
    site = Site(Grid(4, 6), width=5)
    module = operator.build(operator.spec("active_shift", reach=2.5), site).double()
    x = torch.randn(2, site.tokens, 5, dtype=torch.float64, requires_grad=True)
    across, along = torch.meshgrid(*(torch.arange(size, dtype=torch.float64) for size in (4, 6)), indexing="ij")
    grids = [torch.stack((2 * (along + on) / 5 - 1, 2 * (across + up) / 3 - 1), -1) for up, on in module.shifts.T]
    pictures = x.mT.unflatten(2, (4, 6)).transpose(0, 1)
    places = torch.stack(grids).repeat_interleave(2, 0)
    sampled = nn.functional.grid_sample(pictures.flatten(0, 1)[:, None], places, align_corners=True)
    theirs = sampled.view(5, 2, 24).permute(1, 2, 0)
    torch.testing.assert_close(module(x), theirs, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(y.pow(3).sum(), [x, module.shifts]) for y in (module(x), theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-10)
