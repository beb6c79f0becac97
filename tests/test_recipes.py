"""Every shipped recipe loads, builds, takes a step, and reads the same after it was written out."""

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

import mixkit
from mixkit.recipe import catalog
from mixkit.recipe.gin_file import recipe_from_text
from mixkit.registry import features, loss, optimizer

RECIPES = [catalog.find(name) for name in catalog.names()]
FRAGMENTS = [catalog.find(name) for name in catalog.fragments()]
SMALL = ["model.width = 16", "model.depth = 2", "operator.attention.head_width = 8", "features.log_mel.frames = 96"]


LOSSES = Path(__file__).parent / "golden" / "recipe_losses.txt"
GOLDEN = {name: [float(value) for value in losses] for name, *losses in map(str.split, LOSSES.read_text().splitlines())}


def small(path: Path, lines: Iterable[str] = SMALL) -> list[str]:
    """The settings that make a recipe quick, without those that it does not use."""
    attention = [] if "operator.attention(" in path.read_text() else ["operator.attention"]
    recipe = mixkit.load_recipe(path)
    own_size = recipe.model is None or recipe.model.stages
    unused = [*attention, *(["model."] if own_size else [])]
    unused += [] if recipe.features.name == "log_mel" else ["features.log_mel"]
    return [line for line in lines if not any(part in line for part in unused)]


def test_the_list_is_not_short() -> None:
    names = {path.stem for path in RECIPES}
    assert names >= {"asm_rh", "asm_h", "asm_r", "mlp_mixer", "asm", "ast", "shift_mixer"}
    assert {path.stem for path in FRAGMENTS} >= {"tiny", "base", "demo", "fsdd", "fsdd_speakers", "esc10_folder"}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_takes_a_step(path: Path) -> None:
    recipe = mixkit.load_recipe(path, settings=small(path))
    model = mixkit.build(recipe, classes=3)
    steps = optimizer.build(recipe.train.optimizer, model.network.parameters(), recipe.train.learning_rate)
    objective = loss.build(recipe.train.loss, None)
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    waveform = torch.randn(4, model.features.samples) * 0.1
    for _ in range(
        2 if recipe.network else 1
    ):  # residual branches of timm begin at 0: behind the first step they count
        logits = model(waveform)
        steps.zero_grad()
        objective(logits, torch.eye(3)[[0, 1, 2, 0]]).backward()
        steps.step()
    still = [name for name, tensor in model.network.state_dict().items() if torch.equal(tensor, before[name])]
    assert logits.shape == (4, 3)
    assert still == [], "parameters that a step does not move"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_golden_losses_of_a_recipe(path: Path) -> None:
    """At the start, and behind a step by plain gradients; more steps make much of the little that rounding changes.

    A change that should not alter results leaves the losses alone. One that should writes them anew by hand, with the
    reason in the commit, and so does a new recipe its own.
    """
    recipe = mixkit.load_recipe(path, settings=small(path))
    model = mixkit.build(recipe, classes=3)
    steps, objective = torch.optim.SGD(model.parameters(), lr=0.01), loss.build(recipe.train.loss, None)
    torch.manual_seed(0)
    waveform, found = torch.randn(4, model.features.samples) * 0.1, []
    for _ in range(2):
        cost = objective(model(waveform), torch.eye(3)[[0, 1, 2, 0]])
        found.append(cost.item())
        steps.zero_grad()
        cost.backward()
        steps.step()
    line = " ".join([path.stem, *(f"{value:.6f}" for value in found)])
    assert path.stem in GOLDEN, f"no golden losses. Add to {LOSSES}, if they are right: {line}"
    assert found == pytest.approx(GOLDEN[path.stem], rel=1e-3), line


def test_no_golden_losses_are_left_of_a_recipe_that_is_gone() -> None:
    assert set(GOLDEN) <= {path.stem for path in RECIPES}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
@pytest.mark.parametrize("layer", ["size/tiny", "size/small", "size/base"])
def test_the_resolved_text_is_the_recipe(path: Path, layer: str) -> None:
    model = mixkit.load_recipe(path).model
    one_stage = ["model.stages = []"] if model and model.stages else []  # the sizes are of one
    recipe = mixkit.load_recipe(path, layers=[layer], settings=one_stage)
    text = mixkit.to_gin(recipe)
    again = recipe_from_text(text, "another_name")
    assert again == recipe
    assert mixkit.to_gin(again) == text
    assert again.name == path.stem


SMALL_FORM = ("recipes/size/tiny.gin", "recipes/training/small_data.gin", "recipes/stem/convolution.gin")


@pytest.mark.parametrize("name", ["asm_rh", "asm_h", "asm_r", "asm", "ast", "mlp_mixer"])
@pytest.mark.parametrize("layer", ["size/base", "training/ast_sounds", "training/ast_words"])
def test_what_a_paper_has_keeps_nothing_of_the_small_form(name: str, layer: str) -> None:
    """A paper's size replaces form, features and training, a paper's training the training: no setting is left over."""
    written = mixkit.load_recipe(name, layers=[layer]).sources
    left = {key for key, place in written.items() if place.rpartition(":")[0] in SMALL_FORM}
    if layer != "size/base":
        assert "model.width" in left  # or this looks for files that are called otherwise
        left = {key for key in left if key.startswith("train.")}
    assert not left


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_fragment_lies_over_a_recipe(path: Path) -> None:
    recipe = mixkit.load_recipe("asm_rh", layers=[f"{path.parent.name}/{path.stem}"])
    heard = features.build(recipe.features, recipe.task.params["sample_rate"], recipe.task.params["seconds"])
    assert heard.frames >= 16


@pytest.mark.parametrize("path", RECIPES + FRAGMENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recipe_is_short_and_says_what_it_is(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= 25
    assert lines[0].startswith("# ")
    assert lines[0].endswith(".")
    assert all(len(line) <= 120 for line in lines)
    assert catalog.summary(path)


def test_the_recipes_are_different_networks() -> None:
    networks = [mixkit.load_recipe(path, settings=small(path)).architecture for path in RECIPES]
    assert len(set(networks)) == len(RECIPES)
