"""Starts from a run of mixkit: tensors that fit are its own, positions go to another grid by the closed form."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn.functional import interpolate

import mixkit
from mixkit.checkpoints.weights import save_weights
from mixkit.errors import MixkitError, SettingError
from mixkit.model.classifier import Classifier
from mixkit.model.mixer import Mixer
from mixkit.model.resizing import resized, resized_kernel
from mixkit.registry import Grid, Site, operator, weights
from mixkit.runs.folder import Run
from mixkit.weights.filters import resized_filter, resized_filters
from mixkit.weights.positions import AVERAGED
from mixkit.weights.start import Start

# Channels alone, so that all but the positions fits whatever the grid: 12 x 9 and 12 x 19 places.
LINES = (
    *("model.width = 8", "model.depth = 2", "block.branches = [@operator.channel()]", "model.norm = 'batch'"),
    *("features.log_mel.bins = 128", "stem.patches.size = (16, 16)", "stem.patches.stride = (10, 10)"),
)
SHORT, LONG = ("features.log_mel.frames = 96",), ("features.log_mel.frames = 196",)

Made = Callable[..., Path]


def network(*lines: str) -> Classifier:
    return mixkit.build(mixkit.load_recipe("mlp_mixer", settings=[*LINES, *lines]), classes=3)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Writes weights of noise, and gives their file."""

    def write(*lines: str) -> Path:
        model = network(*lines)
        model.labels = ("a", "b", "c")
        torch.manual_seed(1)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter)
        model.mixer.norm.mean.fill_(0.5)  # type: ignore[union-attr,operator]
        run = Run.create(model.recipe, tmp_path)
        save_weights(run, model, 1)
        return run.folder

    return write


def started(folder: Path, *lines: str, **settings: bool) -> tuple[Mixer, Mixer, Start]:
    """The network before, the one that started from it, and what is told."""
    mixer = network(*lines).mixer
    start = weights.build(weights.spec("run", path=str(folder), **settings), mixer)
    assert isinstance(start, Start)
    return mixkit.load(folder).mixer, mixer, start


def test_all_but_the_head_is_taken(made: Made) -> None:
    theirs, ours, start = started(
        made("model.positional = 'whole'", "model.prefix = 1"), "model.positional = 'whole'", "model.prefix = 1"
    )
    fresh = network("model.positional = 'whole'", "model.prefix = 1").mixer.state_dict()
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, (fresh if name.startswith("head") else theirs.state_dict())[name]), name
    head = sum(parameter.numel() for parameter in ours.head.parameters())  # type: ignore[attr-defined]
    assert start.parameters == start.of - head
    assert start.resized == ()
    assert start.left == ("head.linear",)


def test_the_head_too(made: Made) -> None:
    theirs, ours, start = started(made(), head=True)
    assert all(torch.equal(tensor, theirs.state_dict()[name]) for name, tensor in ours.state_dict().items())
    assert (start.parameters, start.left) == (start.of, ())


def test_whole_positions_go_to_another_grid(made: Made) -> None:
    lines = ("model.positional = 'whole'", "model.prefix = 1")
    theirs, ours, start = started(made(*lines, *SHORT), *lines, *LONG)
    assert theirs.position is not None
    assert ours.position is not None
    assert torch.equal(ours.position[:, :1], theirs.position[:, :1])
    x = theirs.position[0, 1:].reshape(1, 12, -1, 8).permute(0, 3, 1, 2)
    x = interpolate(x, (12, 19), mode="bicubic", antialias=True).permute(0, 2, 3, 1).reshape(-1, 8)
    torch.testing.assert_close(ours.position[0, 1:], x)
    assert start.resized == ("positions 12 x 9 to 12 x 19 (frequency x time)",)
    assert start.taken[-1] == "positional embedding"


@pytest.mark.parametrize("grids", [(SHORT, LONG), (LONG, SHORT), (LONG, LONG)])
def test_positions_of_the_axes_go_as_their_sums_do(made: Made, grids: tuple[tuple[str, ...], ...]) -> None:
    before, now = ((*frames, "model.positional = 'axes'") for frames in grids)
    theirs, ours, _ = started(made(*before), *now)
    wanted = resized(table(theirs).flatten(0, 1), theirs.stem.grid, ours.stem.grid)
    torch.testing.assert_close(table(ours).flatten(0, 1), wanted)


def test_sums_become_whole_positions_and_back(made: Made) -> None:
    axes, whole = "model.positional = 'axes'", "model.positional = 'whole'"
    theirs, ours, start = started(made(axes), whole)
    assert ours.position is not None
    assert torch.equal(ours.position[0], table(theirs).flatten(0, 1))
    assert start.resized == ("positions of each frequency and each time added up to those of every place",)
    theirs, ours, start = started(made(whole, "model.prefix = 2"), axes, "model.prefix = 2")
    assert start.resized == (AVERAGED,)
    assert theirs.position is not None
    assert theirs.prefix is not None
    assert ours.prefix is not None
    places = theirs.position[0, 2:].unflatten(0, (12, -1))
    apart = places.mean(1, keepdim=True) + places.mean(0) - places.mean((0, 1))  # the nearest sums there are
    torch.testing.assert_close(table(ours), apart)
    torch.testing.assert_close(ours.prefix, theirs.prefix + theirs.position[:, :2])


def table(mixer: Mixer) -> torch.Tensor:
    assert mixer.frequencies is not None
    assert mixer.times is not None
    return mixer.frequencies[0, :, None] + mixer.times[0]


def test_positions_are_resized_as_timm_does() -> None:
    layers = pytest.importorskip("timm.layers", reason="extra mixkit[parity] is not installed")
    learned = torch.randn(12 * 9, 8)
    for wanted in (Grid(12, 19), Grid(5, 9), Grid(24, 4)):
        theirs = layers.resample_abs_pos_embed(learned[None], [*vars(wanted).values()], [12, 9], num_prefix_tokens=0)
        torch.testing.assert_close(resized(learned, Grid(12, 9), wanted), theirs[0], rtol=0, atol=1e-6)


def test_what_does_not_fit_stays_fresh_and_is_told(made: Made) -> None:
    other = "block.branches = [@operator.token(), @operator.channel()]"
    folder = made(other, *SHORT)
    theirs, ours, start = started(folder, other, *LONG)
    fresh = network(other, *LONG).mixer.state_dict()
    for name, tensor in ours.state_dict().items():
        stays = "branches.0.operators" in name or name.startswith("head")
        assert torch.equal(tensor, (fresh if stays else theirs.state_dict())[name]), name
    assert start.left == (
        "blocks.*.branches.*.operators.*.feed_forward.expand",
        "blocks.*.branches.*.operators.*.feed_forward.contract",
        "head.linear",
    )
    # Blocks of other operators have nothing in common, even where shapes are the same.
    _, ours, start = started(folder, "block.branches = [@operator.time(), @operator.channel()]", *SHORT)
    assert any(name.startswith("blocks") for name in start.left)
    assert torch.equal(ours.state_dict()["stem.projection.weight"], theirs.state_dict()["stem.projection.weight"])


FILTERS = "block.branches = [@operator.global_filter(), @operator.channel()]"


@pytest.mark.parametrize("grids", [(SHORT, LONG), (LONG, SHORT), (LONG, LONG)])
def test_filters_go_to_another_grid_as_gfnets_do(made: Made, grids: tuple[tuple[str, ...], ...]) -> None:
    theirs, ours, start = started(made(FILTERS, *grids[0]), FILTERS, *grids[1])
    for layer in range(2):
        name = f"blocks.{layer}.branches.0.operators.0.filter"
        before, now = theirs.state_dict()[name], ours.state_dict()[name]
        height, width = now.shape[:2]
        # main_gfnet.py: all numbers of a rhythm side by side, real and imaginary in turn
        picture = before.reshape(1, *before.shape[:2], -1).permute(0, 3, 1, 2)
        wanted = interpolate(picture, (height, width), mode="bicubic", align_corners=True)
        torch.testing.assert_close(now, wanted.permute(0, 2, 3, 1).reshape(now.shape), rtol=0, atol=1e-6)
        torch.testing.assert_close(now[0, 0], before[0, 0])  # what it does to the mean
    head = sum(parameter.numel() for parameter in ours.head.parameters())  # type: ignore[attr-defined]
    assert start.parameters == start.of - head
    sizes = [f"{mixer.stem.grid.frequency} x {mixer.stem.grid.time}" for mixer in (theirs, ours)]
    told = () if sizes[0] == sizes[1] else (f"filters {sizes[0]} to {sizes[1]} (frequency x time)",)
    assert (start.resized, start.left) == (told, ("head.linear",))


def test_a_resized_filter_turns_up_and_moves_as_it_did() -> None:
    """One that does the same to every rhythm: where it is a gain it stays one, on any grid."""
    small, large = (operator.build(operator.spec("global_filter"), Site(Grid(4, t), 3, 0, 1)) for t in (6, 11))
    with torch.no_grad():
        small.filter.copy_(torch.tensor([2.0, 0.0]).expand_as(small.filter))  # type: ignore[attr-defined]
        large.filter.copy_(resized_filter(small.filter, *large.filter.shape[:2]))  # type: ignore[attr-defined]
    x = torch.randn(2, 44, 3)
    torch.testing.assert_close(large(x), 2 * x)


def test_filters_are_resized_in_blocks_of_the_same_operators_and_width() -> None:
    theirs, ours, wide = (network(FILTERS, *lines).mixer for lines in (SHORT, LONG, (*LONG, "model.width = 16")))
    assert len([*resized_filters(theirs, ours, [True, True])]) == 2
    assert [name.split(".")[1] for name, *_ in resized_filters(theirs, ours, [False, True])] == ["1"]
    assert not [*resized_filters(theirs, wide, [True, True])]


def test_refusals(made: Made, tmp_path: Path) -> None:
    mixer = network().mixer
    with pytest.raises(SettingError) as unset:
        weights.build(weights.spec("run"), mixer)
    assert str(unset.value) == (
        "weights.run.path is not set. Name a run folder: --set \"weights.run.path = 'runs/NAME'\"."
    )
    folder = made("model.width = 16", "stem.patches.size = (8, 8)")
    with pytest.raises(MixkitError) as narrow:
        weights.build(weights.spec("run", path=str(folder)), mixer)
    assert str(narrow.value) == (
        f"{folder / 'best.safetensors'} holds nothing that fits this network. "
        "Take a run with the same operators and width."
    )
    with pytest.raises(MixkitError, match="nowhere"):
        weights.build(weights.spec("run", path=str(tmp_path / "nowhere")), mixer)


@pytest.mark.parametrize("size", [(20, 24), (16, 30), (12, 20), (8, 8), (1, 3)])
def test_a_kernel_is_resized_as_timm_does(size: tuple[int, int]) -> None:
    """And where patches become larger, what it says of them is what it said; the control: interpolated it is not."""
    kernel = torch.randn(5, 1, 16, 16, dtype=torch.float64)
    found = resized_kernel(kernel, size)
    layers = pytest.importorskip("timm.layers", reason="extra mixkit[parity] is not installed")
    if (size[0] >= 16) == (size[1] >= 16):  # in 32 bits, timm's matrix has no inverse where one axis grows alone
        theirs = layers.resample_patch_embed(kernel, list(size), interpolation="bilinear", antialias=False)
        torch.testing.assert_close(found, theirs, rtol=0, atol=2e-4)
    patch = torch.randn(3, 1, 16, 16, dtype=torch.float64)
    larger, said = interpolate(patch, size, mode="bilinear"), torch.einsum("csft,bsft->bc", kernel, patch)
    if min(size) >= 16:
        torch.testing.assert_close(torch.einsum("csft,bsft->bc", found, larger), said, rtol=1e-10, atol=1e-10)
        naive = interpolate(kernel, size, mode="bilinear")
        assert float((torch.einsum("csft,bsft->bc", naive, larger) - said).abs().max()) > 0.1
    assert float(found.abs().max()) < 100


def test_patches_of_another_size_are_taken(made: Made) -> None:
    lines = ("model.positional = 'whole'", "stem.patches.size = (20, 16)")
    theirs, ours, start = started(made("model.positional = 'whole'"), *lines)
    wanted = resized_kernel(theirs.state_dict()["stem.projection.weight"], (20, 16)).float()
    torch.testing.assert_close(ours.state_dict()["stem.projection.weight"], wanted)
    assert torch.equal(ours.state_dict()["stem.projection.bias"], theirs.state_dict()["stem.projection.bias"])
    assert start.resized[0] == "patch kernels 16 x 16 to 20 x 16 (bins x frames)"
    assert start.left == ("head.linear",)
