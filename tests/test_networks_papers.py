"""ERANN and EAT: the published parameter counts, every size of input, and the layers that others compute as well."""

import pytest
import torch
from torch import nn

from mixkit.errors import SettingError
from mixkit.model.whole import build_whole
from mixkit.networks.eat import EAT, Down, EncoderLayer, _Convolution
from mixkit.networks.erann import ERANN, ResidualBlock
from mixkit.registry import network


def count(classes: int, shape: tuple[int, int], name: str, **settings: object) -> int:
    with torch.device("meta"):
        module = build_whole(network.spec(name, **settings), *shape, classes)
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("stride", "width", "classes", "parameters"),
    [
        (1, 6, 527, 54_529_265),  # AudioSet: 54.5 million (arXiv:2106.01621)
        (2, 5, 50, 37_890_308),  # ESC-50: 37.9
        (0, 4, 8, 24_021_578),  # RAVDESS: 24.0
        (1, 4, 8, 24_064_586),  # 24.1
        (1, 3, 8, 13_540_154),  # 13.5
    ],
)
def test_eranns_are_as_large_as_published(stride: int, width: int, classes: int, parameters: int) -> None:
    assert count(classes, (128, 512), "erann", stride=stride, width=width) == parameters


@pytest.mark.parametrize(("size", "parameters"), [("S", 5_175_386), ("M", 25_286_314)])
def test_eats_are_as_large_as_published(size: str, parameters: int) -> None:
    """On UrbanSound8K: 90,112 samples, which leave 88 moments, and ten classes (arXiv:2204.11479)."""
    assert count(10, (1, 90_112), "eat", size=size) == parameters


@pytest.mark.parametrize("shape", [(128, 64), (65, 99), (3, 7), (1, 1)])
def test_erann_takes_every_size(shape: tuple[int, int]) -> None:
    """A rest that fills no step counts as one."""
    module = ERANN(*shape, 3, width=1).eval()
    found = {}
    for stage, part in enumerate(module.stages):
        part.register_forward_hook(lambda _, __, out, stage=stage: found.update({stage: tuple(out.shape[1:])}))
    assert module(torch.randn(2, *shape)).shape == (2, 3)
    bins, frames = shape
    for stage, step in enumerate((1, 4, 2, 2, 2)):
        bins, frames = (-(-bins // 2) if stage else bins), -(-frames // step)
        assert found[stage] == (8 * 2**stage, bins, frames)


def test_a_residual_block_in_plain_words() -> None:
    """With a step of four frames: norm, activation, filters of six frames from one ahead; and every fourth frame."""
    block = ResidualBlock(2, 3, (2, 4)).double().eval()
    x = torch.randn(1, 2, 4, 8, dtype=torch.float64)
    with torch.no_grad():
        for norm in (block.norm, block.second_norm):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
        bent = nn.functional.leaky_relu(block.norm(x), 0.01)
        padded = nn.functional.pad(bent, (1, 1, 1, 1))
        change = torch.zeros(1, 3, 2, 2, dtype=torch.float64)
        for out in range(3):
            for f in range(2):
                for t in range(2):
                    window = padded[0, :, 2 * f : 2 * f + 3, 4 * t : 4 * t + 6]
                    change[0, out, f, t] = (window * block.first.weight[out]).sum()
        bent = nn.functional.leaky_relu(block.second_norm(change), 0.01)
        padded = nn.functional.pad(bent, (2, 2, 1, 1))
        expected = torch.einsum("bcft,oc->boft", x[:, :, ::2, ::4], block.shortcut.weight[:, :, 0, 0])
        for out in range(3):
            for f in range(2):
                for t in range(2):
                    expected[0, out, f, t] += (padded[0, :, f : f + 3, t : t + 5] * block.second.weight[out]).sum()
        torch.testing.assert_close(block(x), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("samples", [1, 700, 4097])
def test_eat_takes_every_length(samples: int) -> None:
    module = EAT(1, samples, 3, size="S").eval()
    assert module(torch.randn(2, 1, samples)).shape == (2, 3)
    assert module.position.shape[1] == 1 + -(-samples // 1024)


def test_eat_takes_waveforms_alone() -> None:
    with pytest.raises(SettingError) as caught:
        network.build(network.spec("eat"), 64, 99, 3)
    assert str(caught.value) == (
        "recipe.features give 64 bins, and network.eat listens to waveforms. "
        "Set recipe.features = @features.waveform()."
    )


def test_what_a_filter_lacks_is_mirrored_as_far_as_there_is_anything() -> None:
    layer = _Convolution(1, 1, 5)
    nn.init.constant_(layer.weight, 1.0)
    x = torch.tensor([[[1.0, 2.0, 4.0, 8.0]]])
    mirrored = torch.tensor([4.0, 2.0, 1.0, 2.0, 4.0, 8.0, 4.0, 2.0])
    assert torch.equal(layer(x)[0, 0], mirrored.unfold(0, 5, 1).sum(1))
    assert torch.equal(layer(x[..., :2])[0, 0], torch.tensor([0.0, 2.0, 1.0, 2.0, 1.0, 0.0]).unfold(0, 5, 1).sum(1))


@pytest.mark.parametrize(("step", "triangle"), [(2, [1, 2, 3, 2, 1]), (4, [1, 2, 3, 4, 5, 4, 3, 2, 1])])
def test_a_step_is_taken_behind_a_triangle(step: int, triangle: list[int]) -> None:
    down = Down(1, step)
    torch.testing.assert_close(down.triangle, torch.tensor(triangle) / sum(triangle))
    with torch.no_grad():
        nn.init.zeros_(down.filters.weight)
        down.filters.weight[:, :, step // 2] = 1.0
        down.eval()
        x = torch.rand(1, 1, 24)
        blurred = (x[0, 0].unfold(0, len(triangle), step) * down.triangle).sum(1) / (1 + 1e-5) ** 0.5
        torch.testing.assert_close(down(x)[0, 0, 1 : 1 + len(blurred)], blurred)


def test_an_encoder_layer_is_torchs() -> None:
    ours, theirs = (
        EncoderLayer(16, 4, 24, 0.1).double().eval(),
        nn.TransformerEncoderLayer(16, 4, 24, 0.1, activation="gelu", batch_first=True).double().eval(),
    )
    pairs = {
        "self_attn.in_proj": ours.ask,
        "self_attn.out_proj": ours.tell,
        "linear1": ours.expand,
        "linear2": ours.contract,
        "norm1": ours.norm,
        "norm2": ours.second_norm,
    }
    state = {}
    for name, part in pairs.items():
        mark = "_" if name.endswith("in_proj") else "."
        state |= {f"{name}{mark}{kind}": torch.randn_like(weight) for kind, weight in part.named_parameters()}
        for kind, weight in part.named_parameters():
            weight.data.copy_(state[f"{name}{mark}{kind}"])
    theirs.load_state_dict(state)
    x = torch.randn(2, 5, 16, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)
