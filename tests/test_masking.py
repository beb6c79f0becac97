"""Masked prediction: what is hidden, that nothing of it is seen, and the losses against plain loops."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

import mixkit
from mixkit.draw import Draw
from mixkit.errors import SettingError
from mixkit.model.classifier import Classifier
from mixkit.model.masking import MaskedNetwork, MaskedPrediction, contrasted, squared_error
from mixkit.model.masks import Masks
from mixkit.recipe.pretrain import Pretrain
from mixkit.registry import Grid
from tests.reference import masked_prediction

OVERLAP = (
    *("model.stem = @stem.patches()", "stem.patches.size = (16, 16)", "stem.patches.stride = (10, 10)"),
    "features.log_mel.frames = 66",
)


def network(recipe: str = "mlp_mixer", *lines: str) -> Classifier:
    always = ("recipe.pretrain = @pretrain()", "model.width = 16", "features.log_mel.frames = 64", *lines)
    stages = recipe in ("poolformer", "bc_resnet")
    own = [line for line in always if not (stages and line.startswith("model.width"))]
    return mixkit.build(mixkit.load_recipe(recipe, settings=own), 0)


def prediction_of(model: Classifier) -> MaskedPrediction:
    assert model.pretraining is not None
    return model.pretraining


def spectrograms(model: Classifier, clips: int = 3) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(clips, model.features.bins, model.features.frames)


def draw(clips: int = 3, epoch: int = 0) -> Draw:
    return Draw(0, epoch, torch.arange(clips), -1)


def as_mask(hidden: Tensor, grid: Grid) -> Tensor:
    return torch.zeros(len(hidden), grid.tokens, dtype=torch.bool).scatter(1, hidden, True)


def test_losses_are_those_of_the_equations() -> None:
    said, guessed, cells = torch.randn(3, 2, 7, 12, dtype=torch.float64)
    real = (torch.rand(2, 7, 12) < 0.8).double()
    found, _ = contrasted(said, cells)
    wanted = [masked_prediction.contrastive(*clip) for clip in zip(said.numpy(), cells.numpy(), strict=True)]
    torch.testing.assert_close(found, torch.tensor(wanted, dtype=torch.float64), atol=1e-10, rtol=0)
    rows = zip(guessed.numpy(), cells.numpy(), real.numpy(), strict=True)
    error = [masked_prediction.reconstruction(*clip) for clip in rows]
    torch.testing.assert_close(
        squared_error(guessed, cells, real), torch.tensor(error, dtype=torch.float64), atol=1e-10, rtol=0
    )
    over_predictions = contrasted(cells, said)[0]  # the control: as the authors' code has it
    assert (over_predictions - found).abs().min() > 1e-3


def test_a_cell_is_told_where_its_own_scores_highest() -> None:
    cells = torch.eye(4)[None]
    assert contrasted(5 * cells, cells)[1] == 1
    assert contrasted(5 * cells[:, [1, 0, 2, 3]], cells)[1] == 0.5
    assert contrasted(torch.ones(1, 4, 3), torch.ones(1, 4, 3))[1] == 1, "cells of silence are one another"


def test_both_losses_of_a_network() -> None:
    """What the network gives is what the equations make of its predictions and of the spectrogram."""
    model = network().eval()
    prediction, x = prediction_of(model), spectrograms(model)
    hidden = prediction.masks(draw())
    with torch.no_grad():
        found = MaskedNetwork(model.mixer, prediction).eval()(x, hidden)
        said, guessed = (part.double().numpy() for part in prediction.predicted(model.mixer, x, hidden))
    patches = F.unfold(x[:, None], 8, stride=8).transpose(1, 2)
    for clip, cells in enumerate(hidden):
        own = patches[clip, cells].double().numpy()
        assert masked_prediction.contrastive(said[clip], own) == pytest.approx(float(found.contrastive[clip]), rel=1e-5)
        wanted = masked_prediction.reconstruction(guessed[clip], own, np.ones_like(own))
        assert wanted == pytest.approx(float(found.error[clip]), rel=1e-5)


def test_without_overlap_a_cell_is_a_patch() -> None:
    model = network()
    x, cells = spectrograms(model), prediction_of(model).cells
    assert torch.equal(cells.cut(x), F.unfold(x[:, None], 8, stride=8).transpose(1, 2))
    assert cells.inside(x).all()


def test_of_patches_that_overlap_a_cell_is_the_middle() -> None:
    model = network("mlp_mixer", *OVERLAP)
    x, cells = spectrograms(model), prediction_of(model).cells
    middles = F.unfold(x[:, None, 3:53, 3:63], 10, stride=10).transpose(1, 2)
    assert cells.grid == Grid(5, 6)
    assert torch.equal(cells.cut(x), middles)


def test_beyond_the_edge_there_is_nothing_to_tell() -> None:
    """A stem of filters has its first place on the first bin: half of that cell lies beyond."""
    model = network("asm_rh")
    x, cells = spectrograms(model), prediction_of(model).cells
    real = cells.inside(x).unflatten(1, (8, 8)).unflatten(3, (8, 8))[0]
    assert cells.size == (8, 8)
    assert not real[0, :, :3].any()
    assert real[0, 1:, 3:].all()
    assert real[1:, 1:].all()
    whole = cells.cut(x).unflatten(1, (8, 8)).unflatten(3, (8, 8)).transpose(2, 3).flatten(1, 2).flatten(2)
    assert torch.equal(whole[:, 3:, 3:], x[:, :61, :61])
    assert not whole[:, :3].any()


def test_the_one_place_along_an_axis_stands_for_all_of_it() -> None:
    model = network("bc_resnet")
    x, cells = spectrograms(model), prediction_of(model).cells
    assert (cells.grid, cells.size) == (Grid(1, 64), (40, 1))
    assert torch.equal(cells.cut(x), x.transpose(1, 2))
    wide = network("mlp_mixer", "stem.patches.stride = (1000000, 8)")
    assert prediction_of(wide).cells.size == (64, 8)


@pytest.mark.parametrize("side", [1, 2, 3, 5])
def test_squares_are_hidden_one_after_the_other(side: int) -> None:
    grid, clips = Grid(6, 9), 20
    masks = Masks(Pretrain(masked=0.6, cluster=(side, side)), grid)
    hidden, again = masks(draw(clips)), draw(clips)
    again.integer(1, 1)
    turns = again.uniform((grid.frequency + side - 1) * (grid.time + side - 1))
    order = again.uniform(grid.tokens).argsort(1)
    for clip in range(clips):
        corners = turns[clip].view(grid.frequency + side - 1, -1).numpy()
        wanted = masked_prediction.clusters(corners, side, order[clip].tolist(), masks.count, (6, 9))
        assert set(hidden[clip].tolist()) == wanted
    assert hidden.shape == (clips, round(0.6 * grid.tokens))
    assert torch.equal(hidden, hidden.sort(1).values)


def test_sides_are_drawn_for_each_clip() -> None:
    """Of a share so small that one square is enough, its size is seen."""
    grid = Grid(40, 40)
    masks = Masks(Pretrain(masked=0.05, cluster=(1, 9)), grid)
    mask = as_mask(masks(draw(300)), grid).view(-1, 40, 40)
    together = (mask[:, 1:] & mask[:, :-1]).flatten(1).sum(1) / masks.count
    assert together.min() < 0.2
    assert together.max() > 0.8


@pytest.mark.parametrize("cluster", [(1, 1), (3, 5)])
def test_no_cell_is_spared(cluster: tuple[int, int]) -> None:
    """The authors' code never hides the first, and keeps the lowest of the last square."""
    grid = Grid(8, 12)
    often = as_mask(Masks(Pretrain(masked=0.5, cluster=cluster), grid)(draw(4000)), grid).float().mean(0)
    assert 0.42 < often.min() < often.max() < 0.58


def test_frames_are_hidden_with_all_their_frequencies() -> None:
    grid = Grid(4, 20)
    masks = Masks(Pretrain(masked=0.3, shape="frames"), grid)
    mask = as_mask(masks(draw(2000)), grid).view(-1, 4, 20)
    assert masks.count == 24
    assert torch.equal(mask.any(1), mask.all(1))
    assert (mask.all(1).sum(1) == 6).all()
    often = mask[:, 0].float().mean(0)
    assert 0.26 < often.min() < often.max() < 0.34


def test_masks_are_those_of_a_clip_and_an_epoch() -> None:
    masks = Masks(Pretrain(), Grid(8, 12))
    many = masks(draw(5))
    assert torch.equal(masks(Draw(0, 0, torch.tensor([3, 1]), -1)), many[[3, 1]])
    assert not torch.equal(masks(draw(5, epoch=1)), many)
    assert not torch.equal(masks(Draw(1, 0, torch.arange(5), -1)), many)
    assert len({tuple(row.tolist()) for row in many}) == 5


@pytest.mark.parametrize(
    ("settings", "grid", "shown"),
    [
        (Pretrain(), Grid(1, 2), "hides clusters of a grid of 1 x 2 cells"),
        (Pretrain(shape="frames"), Grid(8, 1), "hides frames of a grid of 8 x 1 cells"),
    ],
)
def test_a_grid_too_coarse_is_refused(settings: Pretrain, grid: Grid, shown: str) -> None:
    with pytest.raises(SettingError) as refused:
        Masks(settings, grid)
    fix = "Use smaller patches or strides, fewer stages or longer clips."
    assert str(refused.value) == f"pretrain.shape {shown}, which are too few. {fix}"
    assert Masks(settings, Grid(2, 2)).count == (3 if settings.shape == "clusters" else 2)


RECIPES = {
    "patches": ("mlp_mixer",),
    "overlap": ("mlp_mixer", *OVERLAP),
    "filters": ("asm_rh",),
    "attention": ("ast",),
    "fixed tokens": ("asm_rh", *OVERLAP, "block.branches = [@operator.token(), @operator.cross_patch()]"),
    "frames": ("small_data", "pretrain.shape = 'frames'"),
    "stages": ("poolformer",),
    "windows": ("swin",),
    "frequency taken together": ("bc_resnet",),
}


@pytest.mark.parametrize("made", [pytest.param(made, id=name) for name, made in RECIPES.items()])
def test_nothing_of_what_is_hidden_is_seen(made: tuple[str, ...]) -> None:
    model = network(*made).eval()
    prediction, x = prediction_of(model), spectrograms(model)
    hidden = prediction.masks(draw())
    mask = as_mask(hidden, prediction.cells.grid)
    area = prediction.cells.hide(torch.ones_like(x), mask) == 0
    assert area.any()
    assert not area.all()
    told = prediction.predicted(model.mixer, x, hidden)
    nudged = prediction.predicted(model.mixer, torch.where(area, torch.randn_like(x), x), hidden)
    assert all(torch.equal(one, other) for one, other in zip(told, nudged, strict=True))
    seen = prediction.predicted(model.mixer, torch.where(area, x, torch.randn_like(x)), hidden)
    assert not torch.equal(told[0], seen[0]), "the control: what is not hidden is heard"
    real = prediction.cells.inside(x).bool() & mask[:, :, None]
    wiped = prediction.cells.cut(prediction.cells.hide(x, mask))
    assert not wiped[real.expand_as(wiped)].any(), "every value that is to be told is hidden"


@pytest.mark.parametrize("made", [RECIPES["overlap"], RECIPES["filters"]])
def test_tokens_alone_would_leak(made: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: patches that overlap, and filters that reach over, see what hidden tokens saw."""
    model = network(*made).eval()
    prediction, x = prediction_of(model), spectrograms(model)
    hidden = prediction.masks(draw())
    area = prediction.cells.hide(torch.ones_like(x), as_mask(hidden, prediction.cells.grid)) == 0
    monkeypatch.setattr(prediction.cells, "hide", lambda x, hidden: x)
    told, nudged = (
        prediction.predicted(model.mixer, given, hidden)[0] for given in (x, torch.where(area, torch.randn_like(x), x))
    )
    assert not torch.equal(told, nudged)


@pytest.mark.parametrize("made", [pytest.param(made, id=name) for name, made in RECIPES.items()])
def test_all_that_pretraining_needs_learns(made: tuple[str, ...]) -> None:
    model = network(*made)
    prediction, x = prediction_of(model), spectrograms(model)
    found = MaskedNetwork(model.mixer, prediction)(x, prediction.masks(draw()))
    (found.contrastive.mean() + 10 * found.error.mean()).backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in prediction.parameters())
    behind = {name for name, weight in model.mixer.named_parameters() if weight.grad is None}
    assert {name.partition(".")[0] for name in behind} <= {"head", "pool"}


def test_batch_norm_keeps_what_whole_clips_have() -> None:
    """Of a quarter of the batch; and it tells by the batch, also in evaluation, which keeps nothing."""
    model, plain = network("asm_rh"), network("asm_rh")
    prediction, x = prediction_of(model), spectrograms(model, 8)
    hidden = prediction.masks(draw(8))
    both = MaskedNetwork(model.mixer, prediction).train()
    trained = both(x, hidden)
    plain.mixer.train().tokens(x[:2])
    kept, wanted = (dict(one.mixer.named_buffers()) for one in (model, plain))
    assert any("mean" in name for name in kept)
    assert all(torch.equal(kept[name], wanted[name]) for name in kept)
    told = both.eval()(x, hidden)
    assert all(torch.allclose(one, other) for one, other in zip(told, trained, strict=True))
    assert all(torch.equal(kept[name], wanted[name]) for name in kept)
    assert not any(module.recomputes for module in model.mixer.modules() if hasattr(module, "recomputes"))
    assert not any(module.training for module in model.mixer.modules())


@pytest.mark.parametrize("made", [RECIPES["stages"], RECIPES["frames"]])
def test_on_a_cuda_device(made: tuple[str, ...]) -> None:
    """A fake one: nothing is left on the CPU."""
    model = network(*made)
    both = MaskedNetwork(model.mixer, prediction_of(model))
    x = spectrograms(model)
    cuda = torch.device("cuda:0")
    with FakeTensorMode(allow_non_fake_inputs=False), torch.no_grad():
        held = (*both.named_parameters(), *both.named_buffers())
        moved = {name: torch.empty(kept.shape, dtype=kept.dtype, device=cuda) for name, kept in held}
        hidden = prediction_of(model).masks(Draw(0, 0, torch.empty(3, dtype=torch.int64, device=cuda), -1))
        found = torch.func.functional_call(both, moved, (torch.empty(x.shape, device=cuda), hidden))
        assert {part.device for part in found} == {cuda}


def test_in_half_precision_losses_are_of_float32() -> None:
    model = network()
    prediction, x = prediction_of(model), spectrograms(model)
    hidden, both = prediction.masks(draw()), MaskedNetwork(model.mixer, prediction)
    whole = both(x, hidden)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = both(x, hidden)
    assert {part.dtype for part in half} == {torch.float32}
    torch.testing.assert_close(half.error, whole.error, rtol=0.03, atol=0.03)
