"""The grand table: every operator that mixes places in one otherwise equal network, on the grids of three tasks."""

from dataclasses import replace
from functools import cache

import pytest
import torch

import mixkit
from mixkit.operators import mixes_of
from mixkit.recipe.schema import Recipe
from mixkit.registry import Grid, operator
from mixkit.study.arms import Loader, arms_of
from mixkit.study.definition import load_study
from mixkit.study.edits import operators_of

GENERAL = {"hermit", "perspective", "roll"}  # of which others are named cases
BY_ITSELF = {"roll_time", "spatial_gate"}  # mixes channels too, so that no other operator does
FLOOR = "channel alone"

STUDY = load_study("study/perspectives")
assert STUDY is not None


@cache
def arms(layer: str, *lines: str) -> dict[str, Recipe]:
    """The arms over a task, by name."""
    study = replace(STUDY, added_layers=(layer,), added=lines)
    found = arms_of(study, Loader(study, ()))
    assert (found.base, found.notes) == ("convolution", ())
    return {arm.name: loaded.recipe for arm, loaded in found.arms}


def test_every_operator_that_mixes_places_has_an_arm() -> None:
    places = {name for name in operator.names() if mixes_of(operator.spec(name)) & {"frequency", "time"}}
    named = {name for recipe in arms("task/demo").values() for name in operators_of(recipe.model)}
    assert named == {"channel"} | places - GENERAL


@pytest.mark.parametrize("name", STUDY.arms)
def test_an_arm_differs_in_what_mixes_alone(name: str) -> None:
    recipe, usual_recipe = arms("task/demo")[name], arms("task/demo")["convolution"]
    base, own = usual_recipe.model, recipe.model
    named = [] if name == FLOOR else name.split(" + ")
    channels = [] if BY_ITSELF & {*named} else ["channel"]
    (block,), (usual,) = own.pattern, base.pattern
    assert operators_of(own) == (*named, *channels)
    assert {branch.norm for branch in block.branches} == {"batch"}
    assert replace(block, branches=usual.branches) == usual
    assert (own.positional != base.positional) == (name == "attention")
    assert replace(own, pattern=base.pattern, positional=base.positional) == base
    assert replace(recipe, model=base) == usual_recipe
    for branch in block.branches:
        for spec in branch.operators:
            assert spec.params.get("expansion") == 2.0 or spec.name not in ("channel", "roll_time")


ROOT = "task.folder.root = 'of/clips'"
TASKS = {"task/demo": 13, "task/esc10_folder": 32, "task/fsdd_speakers": 7}


@pytest.mark.parametrize("layer", TASKS)
def test_every_arm_stands_on_the_grid_of_each_task(layer: str) -> None:
    for name, recipe in arms(layer, *([] if layer == "task/demo" else [ROOT])).items():
        model = mixkit.build(recipe, classes=3)
        assert model.mixer.sites[0].grid == Grid(8, TASKS[layer]), name
        logits = model.mixer(torch.randn(2, model.features.bins, model.features.frames))
        assert logits.shape == (2, 3), name
        assert logits.isfinite().all(), name
