"""The fast forms give what the plain ones give: the product, the roll in one pass, and fused networks."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import mixkit
import mixkit.model.cost
from mixkit import linear
from mixkit.export.fuse import fuse
from mixkit.model.classifier import Classifier, build
from mixkit.operators import Roll, RollTime
from mixkit.recipe import catalog
from mixkit.registry import Grid, Site
from tests.test_recipes import small

SMALL = ("model.width = 32", "model.depth = 3", "task.demo.seconds = 0.5")
SHAPES = [((7, 12), 5), ((2, 3, 12), 5), ((600, 96), 384), ((1, 4), 1)]


def network(recipe: str, *layers: str) -> Any:
    return classifier(recipe, *layers).network.eval()


def classifier(recipe: str, *layers: str) -> Classifier:
    return build(mixkit.load_recipe(recipe, layers, small(catalog.find(recipe), SMALL)), 5)


def spectrograms(recipe: str, dtype: torch.dtype = torch.float32) -> Tensor:
    heard = classifier(recipe).features
    return torch.randn(2, heard.bins, heard.frames, dtype=dtype)


@pytest.fixture
def onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other library's product, whatever the processor and the size."""
    if not torch.backends.mkldnn.is_available():
        pytest.skip("torch was built without oneDNN")
    monkeypatch.setattr(linear, "WORTH_IT", 0)
    monkeypatch.setattr(linear, "LIBRARY", "oneDNN")


def products(call: object) -> bool:
    """Whether the other product was taken."""
    with FlopCounterMode(display=False) as counter:
        call()  # type: ignore[operator]
    return any("mixkit" in str(name) for name in counter.get_flop_counts()["Global"])


@pytest.mark.usefixtures("onednn")
@pytest.mark.parametrize(("shape", "out"), SHAPES)
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("order", ["plain", "transposed", "gaps"])
def test_the_product_and_its_gradients(shape: tuple[int, ...], out: int, biased: bool, order: str) -> None:
    def leaves() -> list[Tensor]:
        torch.manual_seed(0)
        return [torch.randn(shape), torch.randn(out, 2 * shape[-1]), torch.randn(out)]

    def run(multiply: object) -> list[Tensor]:
        x, weight, bias = (leaf.requires_grad_() for leaf in leaves())
        narrow = weight[:, : shape[-1]] if order == "gaps" else weight[:, : shape[-1]].contiguous()
        if order == "transposed":
            narrow = narrow.t().contiguous().t()
        y = multiply(x, narrow, bias if biased else None)  # type: ignore[operator]
        (y * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum().backward()
        return [y, x.grad, weight.grad, *([bias.grad] if biased else [])]  # type: ignore[list-item]

    for ours, theirs in zip(run(linear.linear), run(functional.linear), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)


@pytest.mark.usefixtures("onednn")
def test_when_the_other_product_is_taken() -> None:
    x, weight = torch.randn(4, 8), torch.randn(3, 8)
    assert products(lambda: linear.linear(x, weight))
    assert not products(lambda: linear.linear(x.double(), weight.double()))
    assert not products(lambda: linear.linear(x.to("meta"), weight.to("meta")))
    with torch.autocast("cpu", torch.bfloat16):
        assert not products(lambda: linear.linear(x, weight))


@pytest.mark.usefixtures("onednn")
def test_a_compiler_takes_it_whole() -> None:
    """Also with the question of which library, which is asked for large products alone."""
    weight, x, graphs = torch.randn(3, 8), torch.randn(4, 8), []

    def kept(graph: torch.fx.GraphModule, _: object) -> object:
        graphs.append(str(graph.graph))
        return graph.forward

    compiled = torch.compile(linear.linear, fullgraph=True, backend=kept)
    torch.testing.assert_close(compiled(x, weight), functional.linear(x, weight))
    assert ["mixkit.linear" in graph for graph in graphs] == [True]
    torch._dynamo.reset()


def test_it_is_not_taken_where_it_does_not_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "LIBRARY", "torch")
    assert not products(lambda: linear.linear(torch.randn(2048, 128), torch.randn(128, 128)))
    monkeypatch.setattr(linear, "LIBRARY", "oneDNN")
    assert not products(lambda: linear.linear(torch.randn(4, 8), torch.randn(3, 8)))


@pytest.mark.parametrize(
    ("maker", "instructions", "faster"),
    [
        ("AuthenticAMD", "AVX512", True),
        ("GenuineIntel", "AVX512", False),
        ("AuthenticAMD", "AVX2", False),
        ("", "AVX512", False),
    ],
)
def test_which_processors(monkeypatch: pytest.MonkeyPatch, maker: str, instructions: str, faster: bool) -> None:
    monkeypatch.setattr(linear, "_maker", lambda: maker)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: instructions)
    theirs = faster and torch.backends.mkldnn.is_available()
    assert linear._choose() == ("oneDNN" if theirs else "torch")


@pytest.mark.usefixtures("onednn")
def test_a_linear_map_can_be_learned_twice_over() -> None:
    """Second derivatives exist: a penalty on gradients can be trained."""
    x = torch.randn(4, 8, requires_grad=True)
    layer = linear.Linear(8, 3)
    (slope,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
    slope.square().sum().backward()
    theirs = nn.Linear(8, 3)
    theirs.load_state_dict(layer.state_dict())
    twin = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(theirs(twin).square().sum(), twin, create_graph=True)
    slope.square().sum().backward()
    torch.testing.assert_close(layer.weight.grad, theirs.weight.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layer", range(12))
def test_one_pass_slides_as_slices_do(layer: int) -> None:
    roll = Roll(Site(Grid(4, 6), 32, layer, 12))
    x = torch.randn(3, 24, 32, dtype=torch.float64, requires_grad=True)
    twin = x.detach().requires_grad_()
    weights = torch.randn(3, 24, 32, dtype=torch.float64)
    one, joined = roll(x), roll._joined(twin)
    assert torch.equal(one, joined)
    (one * weights).sum().backward()
    (joined * weights).sum().backward()
    assert torch.equal(x.grad, twin.grad)  # type: ignore[arg-type]
    assert torch.equal(roll(twin.transpose(1, 2).contiguous().transpose(1, 2)), joined)


@pytest.mark.parametrize("recipe", sorted(catalog.names()))
def test_a_fused_network_gives_the_same_scores(recipe: str) -> None:
    model = network(recipe).double()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    fused = fuse(model.train())
    x = spectrograms(recipe, torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(fused(x), model.eval()(x), rtol=1e-10, atol=1e-10)
    assert not fused.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    rolled = [module for module in fused.modules() if isinstance(module, RollTime)]
    absorbed = [isinstance(module.roll, nn.Identity) for module in rolled]
    assert absorbed == [True, False, False][: len(rolled)]


@pytest.mark.parametrize("form", ["stem/patches", "stem/convolution"])
def test_fused_in_bf16_stays_close(form: str) -> None:
    model = network("asm_rh", form)
    x = spectrograms("asm_rh")
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(fuse(model)(x).float(), model(x).float(), rtol=0.05, atol=0.05)


def test_the_order_matters() -> None:
    """The control: without the weight's new order the scores are others."""
    model = network("asm_rh", "stem/patches").double()  # without batch norms, which would be folded, too
    wrong = fuse(model)
    wrong.load_state_dict(model.state_dict())
    x = spectrograms("asm_rh", torch.float64)
    with torch.no_grad():
        assert (wrong(x) - model(x)).abs().max() > 1e-4


@pytest.mark.parametrize("recipe", ["asm_rh", "ast", "bc_resnet", "cnn", "poolformer", "spatio_temporal", "swin"])
def test_a_recipe_compiles_whole(recipe: str) -> None:
    """Of every form: filters, patches, prefix tokens, stages, a whole network; operators are compiled one by one."""
    model = network(recipe)
    torch._dynamo.reset()
    x = spectrograms(recipe)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager", dynamic=False)
    found, expected = compiled(x), model(x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    found.sum().backward()
    torch._dynamo.reset()


def test_the_makers_name_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = tmp_path / "cpuinfo"
    facts.write_text("processor\t: 0\nvendor_id\t: AuthenticAMD\n")
    monkeypatch.setattr(linear, "Path", lambda _: facts)
    assert linear._maker() == "AuthenticAMD"
    facts.unlink()
    assert linear._maker() == ""


@pytest.mark.parametrize(
    ("operators", "left"),
    [
        ("@operator.roll(), @operator.roll(), @operator.channel()", 1),
        ("@operator.roll(), @operator.roll_time()", 1),
        ("@operator.roll(), @operator.roll(), @operator.roll_time()", 1),
        ("@operator.roll(), @operator.channel(), @operator.roll()", 2),
        ("@other/operator.roll(), @operator.roll(), @operator.channel()", 2),
    ],
)
def test_rolls_that_follow_each_other_become_one(operators: str, left: int) -> None:
    settings = [*SMALL, f"block.branches = [@operator.token(), [{operators}]]"]
    settings += ["other/operator.roll.groups = 8"] if "other/" in operators else []
    model = build(mixkit.load_recipe("asm_rh", settings=settings), 5).mixer.eval().double()
    fused = fuse(model)
    x = spectrograms("asm_rh", torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(fused(x), model(x), rtol=1e-10, atol=1e-10)
    last = [module for module in fused.blocks[-1].modules() if isinstance(module, Roll)]
    assert len(last) == left
