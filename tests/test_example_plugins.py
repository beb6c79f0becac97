"""The plugins that are there to be copied pass what our own operators pass."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from mixkit.conformance import SITES, Check, checks
from mixkit.errors import MixkitError
from mixkit.plugins.load import load_plugins
from mixkit.registry import Grid, Site, Spec, operator
from tests.reference.dilated_roll import dilated_roll
from tests.reference.gated_time import gated_time
from tests.reference.modulation_filter import modulation_filter

FOLDER = Path(__file__).parents[1] / "plugins"
TWINS: dict[str, Callable[..., np.ndarray]] = {
    "dilated_roll": dilated_roll,
    "gated_time": gated_time,
    "modulation_filter": modulation_filter,
}
SETTINGS = [("dilated_roll", {}), ("dilated_roll", {"groups": 4}), ("gated_time", {}), ("modulation_filter", {})]
PLACES = [*SITES, Site(Grid(2, 1), width=3), Site(Grid(2, 2), width=5)]

pytestmark = pytest.mark.usefixtures("without_plugins")


@pytest.fixture
def spec(request: pytest.FixtureRequest) -> Spec:
    name, settings = request.param
    load_plugins([str(FOLDER / f"{name}.py")])
    return operator.spec(name, **settings)


each = pytest.mark.parametrize("spec", SETTINGS, indirect=True, ids=str)


def test_every_example_is_here() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == set(TWINS) == {name for name, _ in SETTINGS}


@each
@pytest.mark.parametrize("check", checks(), ids=lambda check: check.__name__)
def test_conformance(check: Check, spec: Spec) -> None:
    check(spec)


@pytest.fixture
def exact() -> Iterator[None]:
    """Constants are computed in float64: made float64 afterwards, they would be exact to 1e-7 and no further."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@each
@pytest.mark.usefixtures("exact")
def test_the_slow_twin_agrees(spec: Spec) -> None:
    compared = 0
    for site in PLACES:
        torch.manual_seed(0)
        try:
            module = operator.build(spec, site).double().eval()
        except MixkitError:
            continue
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        x = torch.randn(2, site.tokens, site.width, dtype=torch.float64)
        weights = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
        twin = np.stack([TWINS[spec.name](clip, site, weights, **spec.params) for clip in x.numpy()])
        with torch.no_grad():
            torch.testing.assert_close(module(x), torch.from_numpy(twin), rtol=1e-10, atol=1e-10)
        compared += 1
    assert compared >= 4


@each
def test_every_weight_is_alive(spec: Spec) -> None:
    torch.manual_seed(0)
    module = operator.build(spec, SITES[0]).double().eval()
    x = torch.randn(4, SITES[0].tokens, SITES[0].width, dtype=torch.float64, requires_grad=True)
    module(x).square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad.all(), name


def test_parameters() -> None:
    load_plugins([str(FOLDER)])
    site = Site(Grid(12, 50), width=768)
    counts = {"dilated_roll": 0, "gated_time": 50 * 51 + 768 * 769, "modulation_filter": 12 * 50 * 768}
    for name, count in counts.items():
        module = operator.build(operator.spec(name), site)
        assert sum(parameter.numel() for parameter in module.parameters()) == count, name


def test_a_modulation_filter_is_a_circular_convolution() -> None:
    load_plugins([str(FOLDER / "modulation_filter.py")])
    site = Site(Grid(1, 7), width=2)
    module = operator.build(operator.spec("modulation_filter", spread=0.5), site)
    x = torch.randn(1, 7, 2)
    with torch.no_grad():
        torch.testing.assert_close(module(x.roll(3, 1)), module(x).roll(3, 1))
    still = operator.build(operator.spec("modulation_filter", spread=0.0), site)
    torch.testing.assert_close(still(x), x)
