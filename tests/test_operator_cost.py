"""What the docstring of an operator says of its cost is what torch counts; and each says it, and how it works."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import mixkit.model.cost  # noqa: F401 - it tells the counter of transforms
from mixkit.conformance import SITES
from mixkit.errors import MixkitError
from mixkit.model.formulas import Formula, cost, formulas
from mixkit.registry import Grid, Site, Spec, operator
from mixkit.registry.docstring import sections
from tests.test_operators import BASE, NESTED, SETTINGS, SMALL, ours, stands

MORE = [
    operator.spec("attention", head_width=8),
    operator.spec("channel", hidden=5, activation="acon_c"),
    operator.spec("frequency", expansion=1.7, activation="acon_c"),
    operator.spec(
        "hermit",
        around=(operator.spec("channel"), operator.spec("roll", groups=4, bands=1), operator.spec("attention")),
        variant="lossless",
    ),
    operator.spec("hermit", variant="lossless", axis="token", around=(operator.spec("token", hidden=7),)),
    operator.spec("hermit_frequency", hidden=9, activation="acon_c"),
    operator.spec("hermit_frequency", axis="token", activation="acon_c", variant="lossless"),
    operator.spec("roll_time", groups=8, expansion=2.5, activation="acon_c"),
    operator.spec("spatial_shift", activation="acon_c"),
    operator.spec("spatial_gate", hidden=10, activation="acon_c"),
    operator.spec("time", hidden=4, activation="acon_c"),
    operator.spec("token", activation="acon_c"),
]
PLACES = [*SITES, SMALL, BASE, Site(Grid(2, 7), width=12, layer=3, depth=4), Site(Grid(1, 1), width=4)]


def counted(spec: Spec, site: Site) -> dict[str, int]:
    """By torch, which asks no formula of ours; on the meta device, where nothing is computed."""
    counter = FlopCounterMode(display=False)
    with torch.device("meta"), torch.no_grad():
        module = operator.build(spec, site).eval()
        with counter:
            module(torch.empty(1, site.tokens, site.width))
    return {
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
        "FLOPs": int(counter.get_total_flops()),
    }


@pytest.mark.parametrize("spec", [*ours(), *SETTINGS, *NESTED, *MORE], ids=str)
def test_the_formulas_give_what_is_counted(spec: Spec) -> None:
    places = [site for site in PLACES if stands(spec, site)]
    assert len(places) >= 3
    for site in places:
        assert cost(spec, site) == counted(spec, site), site


@pytest.mark.parametrize("name", [spec.name for spec in ours()])
def test_every_operator_says_how_it_works_and_what_it_costs(name: str) -> None:
    text = sections(operator.entry(name))
    assert "y" in text["Equation"]
    assert max(map(len, text["Equation"].splitlines())) <= 78, "it does not fit on its card"
    assert [line.name for line in formulas(operator.entry(name))][:2] == ["parameters", "FLOPs"]


@pytest.fixture
def defined(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Spec]:
    """Registers a linear map over channels with a section of the docstring, for this test only."""

    def define(section: str) -> Spec:
        monkeypatch.setattr(operator, "_entries", {name: operator.entry(name) for name in operator.names()})

        class Over(nn.Module):
            def __init__(self, site: Site, *, bias: bool = True):
                super().__init__()
                self.map = nn.Linear(site.width, site.width, bias=bias)

            def forward(self, x: Tensor) -> Tensor:
                return self.map(x)

        Over.__doc__ = f"Recombines channels.\n\n{section}"
        operator("over", mixes={"channel"})(Over)
        return operator.spec("over")

    return define


def test_a_formula_that_is_wrong_gives_another_number(defined: Callable[[str], Spec]) -> None:
    """The control of the test above, with bias and without."""
    right = defined("Cost:\n    parameters: c**2 + (c if bias else 0)\n    FLOPs: 2*n*c*d\n    d: c  # channels out")
    assert formulas(operator.entry("over"))[2] == Formula("d", "c", "channels out")
    assert cost(right, SMALL) == counted(right, SMALL) == {"parameters": 72, "FLOPs": 2560}
    assert cost(operator.spec("over", bias=False), SMALL)["parameters"] == 64
    wrong = defined("Cost:\n    parameters: c**2\n    FLOPs: n*c**2")
    assert cost(wrong, SMALL) == {"parameters": 64, "FLOPs": 1280}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            "Args:\n    bias: add one.",
            "operator 'over' has no formula for parameters. Write it under Cost: in its docstring.",
        ),
        (
            "Cost:\n    parameters: c**2",
            "operator 'over' has no formula for FLOPs. Write it under Cost: in its docstring.",
        ),
        (
            "Cost:\n    parameters: w**2\n    FLOPs: 0",
            "operator 'over' has a formula that cannot be computed, parameters: w**2 (name 'w' is not defined). "
            "It takes f, t, n, c, the settings, and letters with a line of their own.",
        ),
        (
            "Cost:\n    parameters: c squared\n    FLOPs: 0",
            "operator 'over' has a formula that cannot be computed, parameters: c squared (invalid syntax). "
            "It takes f, t, n, c, the settings, and letters with a line of their own.",
        ),
    ],
)
def test_what_is_said_of_a_formula(defined: Callable[[str], Spec], section: str, message: str) -> None:
    spec = defined(section)
    with pytest.raises(MixkitError) as caught:
        cost(spec, SMALL)
    assert str(caught.value) == message
