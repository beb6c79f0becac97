"""Stems, stages, norms and pools against torch's and timm's own, and the sizes of published pyramids."""

import copy
import math
from functools import partial
from types import SimpleNamespace

import pytest
import timm.models.swin_transformer as swin
import timm.models.swin_transformer_v2 as swin_v2
import torch
from torch import Tensor, nn

import mixkit
from mixkit.data.batches import Batch
from mixkit.errors import MixkitError
from mixkit.export.fuse import fuse
from mixkit.model.cost import costs
from mixkit.model.downsample import PatchMerging
from mixkit.model.mixer import Mixer
from mixkit.model.norms import Affine, BatchNorm, norm_layer
from mixkit.model.stem import ConvolutionStem
from mixkit.recipe import catalog
from mixkit.recipe.faults import RecipeError
from mixkit.recipe.files import shown
from mixkit.recipe.gin_file import recipe_from_text
from mixkit.recipe.schema import Block, Branch, Model, Stage
from mixkit.recipe.writer import to_gin
from mixkit.registry import Grid, Site, downsample, operator, pool, stem
from mixkit.training.prepare import Prepared
from mixkit.training.step import Step

TINY = ["task.demo.seconds = 1.0", "train.epochs = 1"]


def blocks(*names: str, norm: str = "layer") -> tuple[Block, ...]:
    return (Block(tuple(Branch((operator.spec(name),), norm) for name in names)),)  # type: ignore[arg-type]


def pyramid(norm: str = "batch") -> Model:
    return Model(
        stages=(
            Stage(blocks("convolution", "channel", norm=norm), 8, 2),
            Stage(blocks("hermit_frequency", "roll_time", norm=norm), 16, 1, downsample.spec("convolution")),
            Stage(blocks("channel", norm=norm), 16, 1, downsample.spec("max_pool", size=(1, 2))),
        ),
        stem=stem.spec("convolution", channels=(4,)),
        norm=norm,  # type: ignore[arg-type]
        activation="relu",
        pool=pool.spec("mean_max"),
    )


def settled(module: nn.Module) -> nn.Module:
    """With gains, biases and running statistics that are not those of the start."""
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            tensor.data.add_(0.1 * torch.rand_like(tensor))
    return module


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_is_torchs(training: bool) -> None:
    ours, theirs = BatchNorm(6, 1e-5).train(training), nn.BatchNorm1d(6, eps=1e-5).train(training)
    for _ in range(3):
        x = torch.randn(4, 5, 6)
        torch.testing.assert_close(ours(x), theirs(x.flatten(0, 1)).view_as(x))
    assert theirs.running_mean is not None
    torch.testing.assert_close(ours.mean, theirs.running_mean)
    torch.testing.assert_close(ours.variance, theirs.running_var)
    assert bool(ours.mean.any()) == training


def test_batch_norm_without_statistics_does_the_same() -> None:
    norm = settled(BatchNorm(6, 1e-5)).eval()
    x = torch.randn(4, 5, 6)
    assert isinstance(norm, BatchNorm)
    torch.testing.assert_close(norm.affine()(x), norm(x))


def test_affine_starts_as_nothing() -> None:
    x = torch.randn(2, 3, 4)
    assert torch.equal(norm_layer("affine", 4, 1e-5)(x), x)
    assert isinstance(norm_layer("affine", 4, 1e-5), Affine)


def test_activations_computed_twice_are_counted_once() -> None:
    """The running statistics, too, are those of a network that keeps its activations."""
    once = Mixer(pyramid(), 32, 40, 3).train()
    twice = copy.deepcopy(once)
    twice.checkpointing = True
    x = torch.randn(4, 32, 40)
    for mixer in (once, twice):
        mixer(x).square().sum().backward()
    for (name, kept), again in zip(once.state_dict().items(), twice.state_dict().values(), strict=True):
        assert torch.equal(kept, again), name
    for one, other in zip(once.parameters(), twice.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_a_fused_pyramid_has_no_batch_norm_and_the_same_scores() -> None:
    mixer = settled(Mixer(pyramid(), 32, 40, 3)).double().eval()
    fused = fuse(mixer)
    x = torch.randn(4, 32, 40, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(fused(x), mixer(x), rtol=1e-10, atol=1e-10)
    assert any(isinstance(part, BatchNorm) for part in mixer.modules())
    assert not any(isinstance(part, BatchNorm) for part in fused.modules())


def test_a_pyramid_compiles_whole() -> None:
    mixer = Mixer(pyramid(), 32, 40, 3).train()
    twin = copy.deepcopy(mixer)
    torch._dynamo.reset()
    x = torch.randn(4, 32, 40)
    compiled = torch.compile(twin, fullgraph=True, backend="aot_eager", dynamic=False)
    torch.testing.assert_close(compiled(x), mixer(x), rtol=1e-4, atol=1e-5)
    for name, tensor in mixer.state_dict().items():
        torch.testing.assert_close(twin.state_dict()[name], tensor, rtol=1e-4, atol=1e-5)
    torch._dynamo.reset()


def test_a_step_that_is_left_out_leaves_no_trace() -> None:
    """Not in the running statistics either, which a forward pass moves by itself."""
    task = [
        "recipe.task = @task.demo()",
        "task.demo.seconds = 0.5",
        "task.augmentations = []",
        "train.augmentations = []",
        "train.on_bad_number = 'skip'",
    ]
    recipe = mixkit.load_recipe(
        "asm_rh", settings=["branch.norm = 'batch'", "model.depth = 1", "model.width = 8", *task]
    )
    model = mixkit.build(recipe, 2)
    step = Step(Prepared(recipe, torch.device("cpu"), "float32", model, SimpleNamespace(clips={"train": [0] * 4})))  # type: ignore[arg-type]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    waveform = torch.randn(4, 8000)
    waveform[0, 0] = float("nan")
    batch = Batch(waveform, torch.eye(2)[[0, 1, 0, 1]], torch.arange(4), 0)
    assert step(batch, 0).left_out
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_the_stem_of_convolutions_is_torchs() -> None:
    ours = settled(ConvolutionStem(20, 33, 8, channels=(4,), kernel=((3, 5),), stride=((2, 2), (2, 4)))).eval()
    assert isinstance(ours, ConvolutionStem)
    layers: list[nn.Module] = []
    for convolution, norm in zip(ours.layers, ours.norms, strict=True):
        assert isinstance(norm, BatchNorm)
        theirs = nn.BatchNorm2d(len(norm.weight))
        theirs.load_state_dict(
            {
                "weight": norm.weight,
                "bias": norm.bias,
                "running_mean": norm.mean,
                "running_var": norm.variance,
                "num_batches_tracked": torch.tensor(1),
            }
        )
        layers += [convolution, theirs, nn.ReLU()]
    x = torch.randn(3, 20, 33)
    expected: Tensor = nn.Sequential(*layers).eval()(x[:, None])
    assert (ours.grid, ours.step) == (Grid(5, 5), (4, 8))
    assert expected.shape[2:] == (5, 5)
    torch.testing.assert_close(ours(x), expected.flatten(2).transpose(1, 2))


def test_a_stem_with_max_pooling_is_a_cnn() -> None:
    """Filters at every place, then the strongest of each 2 x 2; what is left over at an edge counts, too."""
    ours = settled(ConvolutionStem(20, 33, 8, channels=(4,), coarsen="max_pool")).double().eval()
    assert isinstance(ours, ConvolutionStem)
    x = torch.randn(2, 20, 33, dtype=torch.float64)
    picture = x[:, None]
    for layer, norm in zip(ours.layers, ours.norms, strict=True):
        filtered = nn.functional.conv2d(picture, layer.weight, padding=1).permute(0, 2, 3, 1)
        picture = norm(filtered.flatten(1, 2)).relu().unflatten(1, filtered.shape[1:3]).permute(0, 3, 1, 2)
        picture = nn.functional.pad(picture, (0, picture.shape[3] % 2, 0, picture.shape[2] % 2), value=-math.inf)
        picture = picture.unfold(2, 2, 2).unfold(3, 2, 2).amax((4, 5))
    assert (ours.grid, ours.step, ours.first) == (Grid(5, 9), (4, 4), (1.5, 1.5))
    torch.testing.assert_close(ours(x), picture.flatten(2).mT, rtol=1e-12, atol=1e-12)


def test_a_network_of_stem_and_pool_alone() -> None:
    """Its recipe is written and read again, and it is what its parts make of a clip."""
    lines = ["block.branches = []", "model.depth = 1", "model.norm = 'none'", "model.stem = @stem.convolution()"]
    lines += ["model.width = 8", "model.activation = None", "model.pool = @pool.mean()", "task.demo.seconds = 0.5"]
    recipe = mixkit.load_recipe("asm_rh", settings=lines)
    assert recipe_from_text(to_gin(recipe), "asm_rh") == recipe
    mixer = mixkit.build(recipe, 3).mixer.eval()
    x = torch.randn(2, mixkit.build(recipe, 3).features.bins, mixkit.build(recipe, 3).features.frames)
    torch.testing.assert_close(mixer(x), mixer.head(mixer.stem(x).mean(1)))


@pytest.mark.parametrize("grid", [Grid(4, 6), Grid(5, 7)])
def test_merging_is_swins(grid: Grid) -> None:
    ours, theirs = PatchMerging(grid, 6, 12), swin.PatchMerging(6, 12)
    theirs.load_state_dict({f"{kind}.weight": getattr(ours, kind).weight for kind in ("norm",)}, strict=False)
    theirs.norm.bias.data, theirs.reduction.weight.data = ours.norm.bias.data, ours.projection.weight.data  # type: ignore[union-attr]
    x = torch.randn(2, grid.tokens, 6)
    expected = theirs(x.unflatten(1, (grid.frequency, grid.time)))
    assert expected.shape[1:3] == (ours.grid.frequency, ours.grid.time)
    torch.testing.assert_close(ours(x), expected.flatten(1, 2))


def test_merging_is_swin_v2s() -> None:
    ours, theirs = PatchMerging(Grid(5, 6), 6, 12, norm_place="merged"), swin_v2.PatchMerging(6, 12)
    settled(theirs)
    ours.norm.load_state_dict(theirs.norm.state_dict())
    ours.projection.load_state_dict(theirs.reduction.state_dict())
    x = torch.randn(2, 30, 6)
    torch.testing.assert_close(ours(x), theirs(x.unflatten(1, (5, 6))).flatten(1, 2))


def test_a_normed_convolution_is_a_layer_of_torchs() -> None:
    ours = settled(downsample.build(downsample.spec("normed_convolution"), Grid(5, 8), 3, 6)).eval()  # type: ignore[arg-type]
    norm = ours.norm
    assert isinstance(norm, BatchNorm)
    x = torch.randn(2, 40, 3)
    picture = nn.functional.conv2d(x.mT.unflatten(2, (5, 8)), ours.convolution.projection.weight, None, 2, 1)
    picture = nn.functional.batch_norm(picture, norm.mean, norm.variance, norm.weight, norm.bias).relu()
    assert (ours.grid, ours.step, ours.first) == (Grid(3, 4), (2, 2), (0.0, 0.0))
    torch.testing.assert_close(ours(x), picture.flatten(2).mT)


def test_max_pool_keeps_the_strongest() -> None:
    made = downsample.build(downsample.spec("max_pool", size=(2, 3)), Grid(3, 5), 2, 2)
    x = torch.randn(1, 15, 2)
    cube = x.view(3, 5, 2)
    expected = [cube[f : f + 2, t : t + 3].amax((0, 1)) for f in (0, 2) for t in (0, 3)]
    assert made.grid == Grid(2, 2)
    assert torch.equal(made(x)[0], torch.stack(expected))


def test_pools_are_what_they_say() -> None:
    site = Site(Grid(3, 5), 4, prefix=2)
    x = torch.randn(2, site.tokens, 4)
    cube = x[:, 2:].view(2, 3, 5, 4)
    attentive = pool.build(pool.spec("attention"), site)
    moments = cube.mean(1)
    scores = torch.tanh(moments @ attentive.expand.weight.T + attentive.expand.bias) @ attentive.score.weight.T  # type: ignore[attr-defined]
    expected = {
        "mean": cube.mean((1, 2)),
        "prefix": x[:, :2].mean(1),
        "mean_max": cube.mean((1, 2)) + cube.amax((1, 2)),
        "time_max": moments.mean(1) + moments.amax(1),
        "attention": (scores.exp() / scores.exp().sum(1, keepdim=True) * moments).sum(1),
    }
    assert set(expected) == {name for name in pool.names() if pool.entry(name).target.__module__ == "mixkit.model.pool"}
    for name, wanted in expected.items():
        made = attentive if name == "attention" else pool.build(pool.spec(name), site)
        torch.testing.assert_close(made(x), wanted)


def test_positions_along_the_axes_are_sums() -> None:
    model = Model(blocks("channel"), width=4, depth=1, positional="axes", prefix=1)
    mixer = Mixer(model, 36, 46, 3)
    added: list[Tensor] = []
    mixer.blocks[0].register_forward_pre_hook(lambda _, given: added.append(given[0].detach()))
    nn.init.zeros_(mixer.stem.projection.weight)  # type: ignore[attr-defined]
    nn.init.zeros_(mixer.stem.projection.bias)  # type: ignore[attr-defined]
    mixer(torch.randn(1, 36, 46))
    assert mixer.prefix is not None
    assert torch.equal(added[0][:, :1], mixer.prefix)
    table = added[0][0, 1:].view(3, 4, 4)
    torch.testing.assert_close(table[1:] - table[:-1], (table[1:, :1] - table[:-1, :1]).expand(2, 4, 4))
    assert table.any()


def test_layers_are_counted_over_all_stages() -> None:
    mixer = Mixer(pyramid(), 32, 40, 3)
    assert [(site.layer, site.depth, site.grid, site.width) for site in mixer.sites] == [
        (0, 4, Grid(8, 10), 8),
        (1, 4, Grid(8, 10), 8),
        (2, 4, Grid(4, 5), 16),
        (3, 4, Grid(4, 3), 16),
    ]
    assert [site.layer_in_stage for site in mixer.sites] == [0, 1, 0, 0]
    assert mixer.places == ((8, 16), (0.0, 4.0))
    assert [row.name for row in costs(pyramid(), 32, 40, 3)] == [
        *("stem", "0.0 convolution", "0.1 channel", "1.0 convolution", "1.1 channel"),
        *("2 downsample", "2.0 hermit_frequency", "2.1 roll_time", "3 downsample", "3.0 channel"),
        *("norm", "pool", "head"),
    ]


def test_what_cannot_stand_is_named() -> None:
    with pytest.raises(
        MixkitError, match=r"^stem.convolution.kernel has \[2, 3\], which has no middle. Use odd numbers.$"
    ):
        stem.build(stem.spec("convolution", kernel=((2, 3),)), 20, 20, 8)
    message = r"^stem.convolution.stride has 2 pairs for 3 layers \(channels has one less\). Use 3, or one for all.$"
    with pytest.raises(MixkitError, match=message):
        stem.build(stem.spec("convolution", stride=((2, 2), (1, 1))), 20, 20, 8)
    with pytest.raises(MixkitError, match=r"^model.pool is 'prefix', but model.prefix is 0."):
        Mixer(Model(blocks("channel"), width=4, depth=1, pool=pool.spec("prefix")), 36, 46, 3)


def test_a_pyramid_in_a_recipe(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "pyramid.gin"
    path.write_text(
        "include 'task/demo.gin'\n"
        "model.stages = [@early/stage(), @late/stage()]\n"
        "early/stage.width = 8\nearly/stage.depth = 1\nlate/stage.width = 16\nlate/stage.depth = 1\n"
        "late/stage.downsample = @downsample.patches()\nblock.branches = [@operator.channel()]\n"
        "late/block.branches = [@operator.hermit_frequency(), @operator.roll_time()]\n"
    )
    model = mixkit.load_recipe(path).model
    names = [[branch.operators[0].name for branch in stage.pattern[0].branches] for stage in model.stages]
    assert names == [["channel"], ["hermit_frequency", "roll_time"]]
    assert (model.width, model.depth, model.pattern) == (16, 2, ())


BESIDE = (
    "{place}: nothing uses model.width: model.stages ({stages}) have widths of their own. "
    "Set those, such as {own}stage.width = {width}, or make them one: model.stages = []."
)


def test_a_width_for_all_does_not_stand_beside_stages() -> None:
    stages = mixkit.load_recipe("poolformer").sources["model.stages"]
    first = partial(BESIDE.format, stages=stages, own="stage_4/")
    with pytest.raises(RecipeError) as caught:
        mixkit.load_recipe("poolformer", layers=["size/base"])
    width, depth = caught.value.faults
    assert width.place.file == depth.place.file == shown(catalog.find("size/base"))
    assert str(width) == first(place=width.place, width=768)
    assert depth.message.startswith("nothing uses model.depth: ")
    with pytest.raises(RecipeError) as caught:
        mixkit.load_recipe("poolformer", settings=["model.width = 8"])
    assert str(caught.value) == first(place='--set "model.width = 8"', width=8)


def test_stages_take_the_place_of_a_width_that_stood_ahead_of_them() -> None:
    model = mixkit.load_recipe("asm_rh", layers=["size/base", "size/tiny_pyramid"]).model
    assert [stage.width for stage in model.stages] == [32, 64, 96, 128]


def test_stages_are_made_one_again() -> None:
    model = mixkit.load_recipe("poolformer", layers=["size/base"], settings=["model.stages = []"]).model
    assert (model.stages, model.width, model.depth, len(model.pyramid)) == ((), 768, 12, 1)
