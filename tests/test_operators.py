"""Every registered operator holds what all have to hold, and does what its equation says, value by value."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch

from mixkit.conformance import SITES, checks
from mixkit.errors import MixkitError
from mixkit.operators import mixes_of
from mixkit.registry import Grid, Site, Spec, operator
from tests.reference.activation import activation
from tests.reference.active_token import active_token
from tests.reference.attention import attention
from tests.reference.axial import axial_shift, cycle, hire, wave
from tests.reference.broadcast_residual import broadcast_residual
from tests.reference.cross_patch import cross_patch
from tests.reference.factorized import factorized_token
from tests.reference.fourier import fourier, frequency_filter, global_filter
from tests.reference.hermit import hermit
from tests.reference.neighbours import convolution, pooling
from tests.reference.perspective import perspective
from tests.reference.pointwise import pointwise
from tests.reference.roll import roll, roll_time
from tests.reference.shift import active_shift, shift, spatial_shift
from tests.reference.spatial_gate import spatial_gate
from tests.reference.state_space import state_space
from tests.reference.window_attention import window_attention, window_attention_v2

BASE = Site(Grid(12, 50), width=768, depth=12)
SMALL = Site(Grid(4, 5), width=8, layer=2, depth=4)

TWINS: dict[str, Callable[..., np.ndarray]] = {
    "activation": activation,
    "active_token": active_token,
    "active_shift": active_shift,
    "attention": attention,
    "axial_shift": axial_shift,
    "broadcast_residual": broadcast_residual,
    "channel": partial(perspective, axes=("channel",)),
    "convolution": convolution,
    "cross_patch": cross_patch,
    "cycle": cycle,
    "factorized_channel": partial(perspective, axes=("channel",)),
    "factorized_token": factorized_token,
    "frequency": partial(perspective, axes=("frequency",)),
    "fourier": fourier,
    "frequency_filter": frequency_filter,
    "global_filter": global_filter,
    "hermit": hermit,
    "hermit_frequency": hermit,
    "hire": hire,
    "perspective": perspective,
    "pointwise": pointwise,
    "pooling": pooling,
    "roll": roll,
    "roll_time": roll_time,
    "shift": shift,
    "spatial_gate": spatial_gate,
    "spatial_shift": spatial_shift,
    "state_space": state_space,
    "time": partial(perspective, axes=("time",)),
    "token": partial(perspective, axes=("frequency", "time")),
    "wave": wave,
    "window_attention": window_attention,
    "window_attention_v2": window_attention_v2,
}

SETTINGS = [
    operator.spec("activation", kind="mish"),
    operator.spec("active_token", share=1),
    operator.spec("attention", head_width=4, bias=False),
    operator.spec("axial_shift", size=(1, 7)),
    operator.spec("broadcast_residual", kernel=(1, 5), dilation=2, bands=1),
    operator.spec("broadcast_residual", kernel=(5, 1), bands=4, dropout=0.0),
    operator.spec("channel", activation="mish"),
    operator.spec("convolution", kernel=(1, 3), bias=False),
    operator.spec("convolution", kernel=(3, 1)),
    operator.spec("convolution", kernel=(3, 3), dilation=(1, 2)),
    operator.spec("cycle", size=(7, 1)),
    operator.spec("fourier", norm="backward"),
    operator.spec("fourier", norm="forward"),
    operator.spec("frequency_filter", blocks=1, activation="silu", shrink=0.3, skip=False),
    operator.spec("hermit", axis="token", norm="forward"),
    operator.spec("hermit", variant="lossless", axis="token"),
    operator.spec("hermit_frequency", axis="token"),
    operator.spec("hermit_frequency", variant="lossless", norm="ortho"),
    operator.spec("hermit_frequency", variant="lossless", norm="forward", axis="token"),
    operator.spec("hire", region=(4, 3), turns=3, step=2),
    operator.spec("perspective", axes=("time", "channel"), activation="silu"),
    operator.spec("perspective", axes=("channel", "frequency")),
    operator.spec("perspective", axes=("frequency", "time", "channel"), hidden=3, activation="acon_c"),
    operator.spec("factorized_token", parts=3, hidden=5, activation="acon_c"),
    operator.spec("pointwise", bias=False),
    operator.spec("pooling", size=(5, 3)),
    operator.spec("roll", groups=4, bands=2),
    operator.spec("active_shift", reach=3.0),
    operator.spec("shift", parts=4, edges="wrap"),
    operator.spec("shift", parts=4, edges="keep"),
    operator.spec("shift", parts=8, groups=(3, 3), edges="wrap"),
    operator.spec("shift", parts=5, groups=(1, 5)),
    operator.spec("spatial_shift", activation="silu"),
    operator.spec("spatial_gate", hidden=6, activation="silu"),
    operator.spec("window_attention", window=(2, 3), head_width=4, bias=False),
    operator.spec("window_attention", window=(1, 4), head_width=1),
    operator.spec("window_attention", window=(3, 3), shift=False),
    operator.spec("window_attention_v2", window=(2, 3), head_width=4, bias=False, hidden=6),
    operator.spec("window_attention_v2", window=(4, 2), head_width=8, pretrained_window=(6, 1)),
    operator.spec("state_space", axis="token", expansion=0.5, states=3, kernel=2, rank=2),
    operator.spec("state_space", directions="forward", states=2),
    operator.spec("wave", kernel=(1, 3)),
]
NESTED = [
    operator.spec("hermit", around=(operator.spec("token"), operator.spec("attention"))),
    operator.spec("hermit", around=(operator.spec("time"),), variant="lossless"),
    operator.spec("hermit", around=(operator.spec("channel"),), axis="token"),
    operator.spec("token", dropout=0.5),
]


def ours() -> list[Spec]:
    """Every operator of mixkit itself, with its defaults: plugins of whoever runs this stay out."""
    names = [name for name in operator.names() if operator.entry(name).target.__module__.startswith("mixkit.")]
    return [operator.spec(name) for name in names]


def stands(spec: Spec, site: Site) -> bool:
    try:
        operator.build(spec, site)
    except MixkitError:
        return False
    return True


def test_the_list_is_not_short() -> None:
    assert {spec.name for spec in ours()} == set(TWINS)
    assert len(TWINS) >= 13
    assert len(checks()) >= 13


@pytest.mark.parametrize("spec", [*ours(), *SETTINGS, *NESTED], ids=str)
@pytest.mark.parametrize("check", checks(), ids=lambda check: check.__name__)
def test_conformance(check: Callable[[Spec], None], spec: Spec) -> None:
    check(spec)


COMPARED = [(spec, site) for spec in (*ours(), *SETTINGS) for site in (*SITES, SMALL) if stands(spec, site)]


def test_every_operator_is_compared_on_several_sites() -> None:
    for name in TWINS:
        assert sum(spec.name == name for spec, _ in COMPARED) >= 3, name


@pytest.mark.parametrize(("spec", "site"), COMPARED, ids=str)
def test_the_slow_twin_agrees(spec: Spec, site: Site) -> None:
    torch.manual_seed(0)
    module = operator.build(spec, site).double().eval()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(2, site.tokens, site.width, dtype=torch.float64)
    weights = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    twin = np.stack([TWINS[spec.name](clip, site, weights, **spec.params) for clip in x.numpy()])
    with torch.no_grad():
        torch.testing.assert_close(module(x), torch.from_numpy(twin), rtol=1e-10, atol=1e-10)


def learns(spec: Spec) -> bool:
    # A bias of the keys moves all scores of a query alike, so that attention without it is the one to ask.
    return "expansion" in spec.params or spec.params.get("bias") is False


@pytest.mark.parametrize("spec", [*filter(learns, (*ours(), *SETTINGS, *NESTED))], ids=str)
def test_every_weight_is_alive(spec: Spec) -> None:
    site = next(site for site in SITES if stands(spec, site))
    torch.manual_seed(0)
    module = operator.build(spec, site).double().eval()
    module(torch.randn(4, site.tokens, site.width, dtype=torch.float64)).square().sum().backward()
    assert list(module.parameters())
    for name, parameter in module.named_parameters():
        dead = int((parameter.grad == 0).sum())
        assert dead == 0, f"{dead} of {parameter.numel()} entries of {name}"


@pytest.mark.parametrize("spec", [*ours(), *NESTED], ids=str)
def test_built_on_meta_and_moved_it_is_the_same(spec: Spec) -> None:
    site = next(site for site in SITES if stands(spec, site))
    torch.manual_seed(0)
    module = operator.build(spec, site).eval()
    with torch.device("meta"):
        moved = operator.build(spec, site).eval()
        assert moved(torch.empty(2, site.tokens, site.width)).shape == (2, site.tokens, site.width)
    moved.to_empty(device="cpu").load_state_dict(module.state_dict())
    x = torch.randn(2, site.tokens, site.width)
    assert torch.equal(moved(x), module(x))


PARAMETERS = [
    (operator.spec("token"), 2 * 600 * 384 + 384 + 600),
    (operator.spec("channel"), 4_722_432),
    (operator.spec("hermit_frequency"), 461_784),
    (operator.spec("hermit_frequency", variant="lossless"), 461_784),
    (operator.spec("hermit_frequency", axis="token"), 2 * 301 * 384 + 384 + 301),
    (operator.spec("roll_time"), 4_722_432),
    (operator.spec("roll_time", hidden=2048), 3_148_544),
    (operator.spec("attention"), 4 * 768**2 + 4 * 768),
    (operator.spec("time"), 2 * 50 * 384 + 384 + 50),
    (operator.spec("frequency", expansion=0.25), 2 * 12 * 192 + 192 + 12),
    (operator.spec("channel", activation="acon_c"), 4_722_432 + 3 * 3072),
    (operator.spec("roll"), 0),
    (operator.spec("shift"), 0),
    (operator.spec("pooling"), 0),
    (operator.spec("convolution"), 768 * 26),
    (operator.spec("convolution", kernel=(9, 9), bias=False), 768 * 81),
    (operator.spec("hermit"), 0),
    (operator.spec("fourier"), 0),
    (operator.spec("global_filter"), 479_232),
    (operator.spec("frequency_filter"), 297_984),
    (operator.spec("cross_patch"), 360_600),
    (operator.spec("spatial_shift"), 1_181_184),
    (operator.spec("active_shift"), 2 * 768),
    (operator.spec("factorized_token", parts=4), 462_936),
    (operator.spec("factorized_channel"), 2 * 768 * 192 + 192 + 768),
    (operator.spec("pointwise"), 768**2 + 768),
    (operator.spec("spatial_gate"), 5_680_536 - 2 * 768),
    (operator.spec("state_space", directions="forward"), 3_770_880),
    (operator.spec("active_token"), 2_953_920 + 296_832),
    (operator.spec("axial_shift"), 2_365_440),
    (operator.spec("cycle"), 2_953_920),
    (operator.spec("hire"), 4_137_408),
    (operator.spec("wave"), 4_158_144),
    (operator.spec("broadcast_residual"), 768**2 + 768 * (2 * 3 + 2 * 6)),
    (operator.spec("window_attention", window=(6, 10), head_width=64), 2_364_876),
]


@pytest.mark.parametrize(("spec", "count"), PARAMETERS, ids=str)
def test_parameters_at_base_size(spec: Spec, count: int) -> None:
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in operator.build(spec, BASE).parameters()) == count


def test_mixes_follow_the_settings() -> None:
    assert mixes_of(operator.spec("perspective", axes=("time", "channel"))) == {"time", "channel"}
    assert mixes_of(operator.spec("hermit_frequency")) == {"frequency", "time", "channel"}
    assert mixes_of(operator.spec("hermit_frequency", axis="token")) == {"frequency", "time"}
    assert mixes_of(operator.spec("shift", groups=(1, 3))) == {"time"}
    assert mixes_of(operator.spec("convolution", kernel=(1, 3))) == {"time"}
    assert mixes_of(operator.spec("window_attention")) == {"frequency", "time", "channel"}
    assert mixes_of(operator.spec("window_attention", window=(1, 7))) == {"time", "channel"}
    assert mixes_of(operator.spec("hermit")) == {"channel"}
    assert mixes_of(operator.spec("state_space")) == {"time", "channel"}
    assert mixes_of(operator.spec("state_space", axis="token")) == {"frequency", "time", "channel"}
    assert mixes_of(operator.spec("hermit", variant="lossless")) == set()
    assert mixes_of(operator.spec("hermit", around=(operator.spec("time"),))) == {"time", "channel"}


@pytest.mark.parametrize("activation", ["gelu", "silu", "mish", "acon_c"])
def test_dropout_is_for_training_only(activation: str) -> None:
    module = operator.build(operator.spec("channel", activation=activation, dropout=0.5), SMALL)
    x = torch.randn(64, SMALL.tokens, SMALL.width)
    assert torch.equal(module.eval()(x), module(x))
    zeros = (module.train()(x) == 0).float().mean()
    assert 0.45 < zeros < 0.55


def test_acon_c_starts_as_silu() -> None:
    x = torch.randn(2, SMALL.tokens, SMALL.width)
    silu = operator.build(operator.spec("channel", activation="silu"), SMALL)
    acon = operator.build(operator.spec("channel", activation="acon_c"), SMALL)
    acon.load_state_dict(silu.state_dict(), strict=False)
    torch.testing.assert_close(acon(x), silu(x))
