"""BC-ResNet against torch's own layers put together as its paper says, in training too, and its published sizes."""

import pytest
import torch
from torch import Tensor, nn

import mixkit
from mixkit.errors import SettingError
from mixkit.export.fuse import fuse
from mixkit.model.broadcast import Broadcast, BroadcastTransition
from mixkit.model.mixer import Mixer
from mixkit.model.norms import BatchNorm
from mixkit.registry import Grid, Site, downsample, operator

# Of Kim et al. 2021, arXiv:2106.04140, table 1, to the unit by the authors' code: 40 mel bins, 12 classes.
PUBLISHED = [([], 9_232), (["size/bc_resnet_3"], 54_168), (["size/bc_resnet_8"], 321_068)]


@pytest.mark.parametrize(("layers", "published"), PUBLISHED)
def test_published_sizes(layers: list[str], published: int) -> None:
    model = mixkit.load_recipe("bc_resnet", layers=layers).model
    with torch.device("meta"):
        mixer = Mixer(model, 40, 98, 12)
    assert sum(parameter.numel() for parameter in mixer.parameters()) == published
    assert [(site.grid.frequency, site.width // model.stages[0].width) for site in mixer.sites] == [
        *((20, 1), (20, 1), (10, 1)),
        *((5, 2), (5, 2), (5, 2), (5, 2), (5, 2), (5, 2), (1, 4)),
    ]
    dilations = [branch.operators[0].params.get("dilation") for s in model.stages for branch in s.pattern[-1].branches]
    assert dilations == [1, None, 2, None, 4, None, 8, None, None]


def layers(ours: Broadcast, width: int, stride: int, dilation: int) -> tuple[nn.Sequential, nn.Sequential]:
    """f2 and f1 of section 2.1 in torch's layers, with the weights of ours; the bands side by side as channels."""
    along_frequency = nn.Conv2d(width, width, (3, 1), (stride, 1), (1, 0), groups=width, bias=False)
    along_time = nn.Conv2d(width, width, (1, 3), 1, (0, dilation), (1, dilation), groups=width, bias=False)
    pointwise = nn.Conv2d(width, width, 1, bias=False)
    along_frequency.weight.data = ours.along_frequency.weight.data
    along_time.weight.data = ours.along_time.weight.data.unsqueeze(2)
    pointwise.weight.data = ours.pointwise.weight.data[:, :, None, None]
    bands = nn.BatchNorm2d(width * len(ours.bands.norms))
    for kind in ("weight", "bias"):  # channel by channel, and in each the bands from low to high
        getattr(bands, kind).data = torch.stack([getattr(norm, kind).data for norm in ours.bands.norms], 1).flatten()
    norm = nn.BatchNorm2d(width)
    norm.load_state_dict({"weight": ours.norm.weight, "bias": ours.norm.bias}, strict=False)
    return nn.Sequential(along_frequency, bands), nn.Sequential(along_time, norm, nn.SiLU(), pointwise)


def broadcast(x: Tensor, layers: tuple[nn.Sequential, nn.Sequential], bands: int) -> Tensor:
    """f2(x) + BC(f1(mean f2(x))), `b c f t`."""
    (along_frequency, norm), course = layers
    filtered = along_frequency(x)
    side_by_side = filtered.unflatten(2, (bands, -1)).flatten(1, 2)
    rows = norm(side_by_side).unflatten(1, (-1, bands)).flatten(2, 3)
    return rows + course(rows.mean(2, keepdim=True))


def shaken(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    return module.double().train()


@pytest.mark.parametrize("dilation", [1, 2])
def test_the_operator_is_the_papers_in_training_and_after(dilation: int) -> None:
    made = operator.build(
        operator.spec("broadcast_residual", dilation=dilation, dropout=0.0), Site(Grid(10, 7), width=6)
    )
    ours = shaken(made)  # type: ignore[arg-type]
    inner = ours.broadcast
    assert isinstance(inner, Broadcast)
    theirs = tuple(part.double() for part in layers(inner, 6, 1, dilation))
    for training in (True, False):
        ours.train(training)
        x = torch.randn(4, 6, 10, 7, dtype=torch.float64)
        expected = broadcast(x, tuple(part.train(training) for part in theirs), 5).flatten(2).transpose(1, 2)  # type: ignore[arg-type]
        torch.testing.assert_close(ours(x.flatten(2).transpose(1, 2)), expected, rtol=1e-12, atol=1e-12)


def test_the_transition_is_the_papers() -> None:
    ours = shaken(BroadcastTransition(Grid(10, 7), 6, 8, dilation=2, dropout=0.0))
    assert isinstance(ours, BroadcastTransition)
    theirs = tuple(part.double() for part in layers(ours.broadcast, 8, 2, 2))
    norm = nn.BatchNorm2d(8).double()
    norm.load_state_dict({"weight": ours.norm.weight, "bias": ours.norm.bias}, strict=False)
    x = torch.randn(4, 6, 10, 7, dtype=torch.float64)
    mapped = norm(torch.einsum("wc,bcft->bwft", ours.projection.weight, x)).relu()
    expected = broadcast(mapped, theirs, 5).relu()  # type: ignore[arg-type]
    assert (ours.grid, ours.step) == (Grid(5, 7), (2, 1))
    torch.testing.assert_close(
        ours(x.flatten(2).transpose(1, 2)), expected.flatten(2).transpose(1, 2), rtol=1e-12, atol=1e-12
    )


def test_a_channel_is_left_out_whole() -> None:
    made = operator.build(operator.spec("broadcast_residual", kernel=(1, 1), dropout=0.5), Site(Grid(2, 3), width=64))
    inner = made.train().broadcast  # type: ignore[attr-defined]
    added: list[Tensor] = []
    inner.dropout.register_forward_hook(lambda _, __, out: added.append(out))
    made(torch.randn(2, 6, 64))
    left_out = (added[0] == 0).all(2)
    assert torch.equal(left_out, (added[0] == 0).any(2))
    assert 32 < int(left_out.sum()) < 96


def test_without_statistics_it_does_the_same() -> None:
    model = mixkit.load_recipe("bc_resnet").model
    mixer = Mixer(model, 40, 30, 3).double()
    for norm in (part for part in mixer.modules() if isinstance(part, BatchNorm)):
        norm.mean.uniform_(-0.2, 0.2)
        norm.variance.uniform_(0.5, 2.0)
    fused = fuse(mixer.eval())
    x = torch.randn(2, 40, 30, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(fused(x), mixer(x), rtol=1e-10, atol=1e-10)
    assert not any(isinstance(part, BatchNorm) for part in fused.modules())


@pytest.mark.parametrize("padding", [(False, True), (True, False), (False, False)])
def test_a_convolution_without_padding_stays_on_the_grid(padding: tuple[bool, bool]) -> None:
    spec = downsample.spec("convolution", kernel=(5, 3), stride=(2, 1), padding=padding, separable=True, bias=False)
    ours = downsample.build(spec, Grid(7, 6), 4, 6)
    depthwise, pointwise = ours.projection  # type: ignore[attr-defined]
    x = torch.randn(2, 4, 7, 6)
    zeros = (2 * padding[0], 1 * padding[1])
    filtered = nn.functional.conv2d(x, depthwise.weight, stride=(2, 1), padding=zeros, groups=4)
    expected = torch.einsum("wc,bcft->bftw", pointwise.weight[:, :, 0, 0], filtered)
    assert sum(parameter.numel() for parameter in ours.parameters()) == 4 * 15 + 4 * 6  # type: ignore[attr-defined]
    assert ours.grid == Grid(*expected.shape[1:3])
    assert ours.first == (0.0 if padding[0] else 2.0, 0.0 if padding[1] else 1.0)
    torch.testing.assert_close(ours(x.flatten(2).transpose(1, 2)), expected.flatten(1, 2))


def test_a_kernel_that_does_not_fit_is_refused() -> None:
    spec = downsample.spec("convolution", kernel=(5, 5), padding=(False, True))
    message = (
        r"^downsample.convolution.kernel is \[5, 5\], and the grid 3 x 9. Use padding = \(True, True\), or a kernel "
    )
    message += r"that fits, such as \(3, 5\).$"
    with pytest.raises(SettingError, match=message):
        downsample.build(spec, Grid(3, 9), 4, 4)
