"""A recipe written out as text loads equal; as JSON it is plain data."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from mixkit import registry
from mixkit.errors import SettingError
from mixkit.recipe.gin_file import load_recipe, recipe_from_text
from mixkit.recipe.schema import Block, Branch, Model, Recipe, Stage
from mixkit.recipe.train import Train
from mixkit.recipe.writer import specs_of, to_gin, to_json
from mixkit.registry import Spec


@pytest.fixture(autouse=True, scope="module")
def any_operator() -> Iterator[None]:
    """Registers an operator whose settings take every kind of literal."""
    registry.operator.names()
    before = dict(registry.operator._entries)

    @registry.operator("anything", mixes={"time"})
    class Anything(nn.Module):
        """Takes what it is given."""

        def __init__(
            self,
            site: object,
            *,
            text: str = "",
            number: float = 0.0,
            perhaps: int | None = None,
            items: tuple[int | float | str | bool | None, ...] = (),
            pairs: tuple[tuple[str, float], ...] = (),
            inner: Spec | None = None,
            around: tuple[Spec, ...] = (),
        ): ...

    yield
    registry.operator._entries.clear()
    registry.operator._entries.update(before)


numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(min_value=-(2**63) + 1, max_value=2**63 - 1)
texts = st.text(st.characters(codec=None, exclude_characters="\x00"), max_size=20) | st.sampled_from(
    ["'", '"', "\\", "\n", "'''", "%NAME", "@operator.channel()", "#", "\x01", "\u202e", "é", "\ud800", "\\N", "{x}"]
)


def anything(around: st.SearchStrategy[Spec]) -> st.SearchStrategy[Spec]:
    return st.builds(
        lambda **params: registry.operator.spec("anything", **params),
        text=texts,
        number=numbers,
        perhaps=st.none() | counts,
        items=st.lists(counts | numbers | texts | st.booleans() | st.none(), max_size=3),
        pairs=st.lists(st.tuples(texts, numbers), max_size=2),
        inner=st.none() | around,
        around=st.lists(around, max_size=2),
    )


plain = st.builds(
    lambda name, expansion: registry.operator.spec(name, expansion=expansion),
    st.sampled_from(["channel", "token"]),
    st.sampled_from([0.5, 1e-07, 4.0]),
)
hermit = st.builds(lambda inner: registry.operator.spec("hermit", around=inner), st.lists(plain, max_size=2))
operators = st.recursive(plain | hermit, anything, max_leaves=4)
branches = st.builds(
    Branch,
    st.lists(operators, min_size=1, max_size=2).map(tuple),
    st.sampled_from(["layer", "group", "none", "batch", "affine"]),
    st.booleans(),
    st.sampled_from(["pre", "res_post", "post"]),
)
blocks = st.builds(
    Block,
    st.lists(branches, min_size=1, max_size=3).map(tuple),
    st.sampled_from([0.0, 0.1]),
    st.sampled_from([None, 1e-6]),
    st.booleans(),
)
patterns = st.lists(blocks, min_size=1, max_size=3).map(tuple)
parts = st.fixed_dictionaries(
    {
        "stem": st.just(registry.stem.spec("patches", stride=(4, 8)))
        | st.just(registry.stem.spec("convolution", channels=(8, 16), stride=((2, 1), (2, 2), (1, 4)))),
        "pool": st.sampled_from(["mean", "time_max", "attention"]).map(registry.pool.spec),
        "head": st.just(registry.head.spec("linear")),
        "positional": st.sampled_from(["none", "whole", "axes"]),
        "norm": st.sampled_from(["layer", "batch"]),
        "activation": st.sampled_from([None, "relu"]),
    }
)
ways = st.sampled_from(["convolution", "patches", "max_pool"]).map(registry.downsample.spec)
stages = st.builds(
    lambda first, later: (first, *later),
    st.builds(Stage, patterns, st.integers(1, 99), st.integers(1, 5)),
    st.lists(st.builds(Stage, patterns, st.integers(1, 99), st.integers(1, 5), ways), max_size=2),
)
models = st.builds(
    lambda pattern, width, parts: Model(pattern, width=width, **parts), patterns, st.integers(1, 2**62), parts
) | st.builds(lambda stages, parts: Model(stages=stages, **parts), stages, parts)
recipes = st.builds(
    lambda model, loss, augmentations, seed, text, plugins: Recipe(
        model,
        Train(
            loss=loss,
            augmentations=tuple(augmentations),
            seed=seed,
            optimizer=registry.optimizer.spec("adam", eps=1e-07),
            schedule=registry.schedule.spec("cosine"),
        ),
        registry.task.spec("folder", pattern=text),
        registry.features.spec("log_mel"),
        name="named",
        plugins=tuple(plugins),
    ),
    models,
    st.sampled_from(["bce", "cross_entropy"]).map(lambda name: registry.loss.spec(name, label_smoothing=0.125)),
    st.lists(st.sampled_from(["mixup", "spec_augment"]).map(registry.augmentation.spec), max_size=3),
    st.integers(0, 2**32 - 1),
    texts,
    st.lists(st.sampled_from(["gated_time", "my.plugin"]), unique=True),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(recipes)
def test_written_and_read_again_it_is_the_same(recipe: Recipe) -> None:
    text = to_gin(recipe)
    again = recipe_from_text(text, "another name", recipe.plugins)
    assert again == recipe
    assert again.plugins == recipe.plugins
    assert to_gin(again) == text
    assert len(set(again.sources)) == sum(" = " in line for line in text.split("\n") if not line.startswith("#"))
    json.dumps(to_json(recipe), allow_nan=False)


def test_every_default_is_written() -> None:
    recipe = load_recipe("asm_rh")
    text = to_gin(recipe)
    written = {line.partition(" = ")[0] for line in text.split("\n") if " = " in line}
    for spec in specs_of(recipe):
        assert {f"{spec.kind}.{spec.name}.{name}" for name in spec.params} <= written
    assert {"train.seed", "model.norm_eps", "block.layer_scale"} <= written
    assert {"branch.norm", "branch.residual", "branch.norm_place"} <= written
    assert len(written) > 45


def test_the_text_reads_well() -> None:
    wide = registry.operator.spec("shift", parts=6)
    shift = registry.operator.spec("shift", parts=12)
    recipe = replace(
        load_recipe("shift_mixer"),
        model=Model(
            (Block((Branch((wide,), "none", False), Branch((shift,)), Branch((shift, wide)))),),
            head=registry.head.spec("mlp"),
        ),
        plugins=("gated_time",),
    )
    lines = to_gin(recipe).split("\n")
    assert lines[:3] == [
        "# shift_mixer, resolved: every setting of the run, none left to a default.",
        "import gated_time",
        "",
    ]
    start = lines.index("model.pattern = [@block()]")
    rest = [line for line in lines[start:] if line.startswith(("block", "branch", "operator", "shift"))]
    assert rest[0] == (
        "block.branches = [@branch_1/branch(), @shift_2/operator.shift(), "
        "[@shift_2/operator.shift(), @shift_1/operator.shift()]]"
    )
    assert "branch.norm = 'layer'" in rest
    assert "branch_1/branch.operators = [@shift_1/operator.shift()]" in rest
    assert "branch_1/branch.residual = False" in rest
    assert "shift_1/operator.shift.parts = 6" in rest
    assert "shift_2/operator.shift.parts = 12" in rest


def test_json_is_plain_and_whole() -> None:
    recipe = load_recipe("asm_rh", ["stem/patches"])
    data = to_json(recipe)
    assert json.loads(json.dumps(data)) == data
    assert data["name"] == "asm_rh"
    assert data["model"]["stem"]["params"]["size"] == [8, 8]
    first = data["model"]["pattern"][0]["branches"][0]["operators"][0]
    assert first == {
        "kind": "operator",
        "name": "hermit_frequency",
        "params": json.loads(json.dumps(dict(recipe.model.pattern[0].branches[0].operators[0].params))),
    }
    assert "sources" not in data


@pytest.mark.parametrize(
    ("value", "shown"), [(float("inf"), "inf"), (float("nan"), "nan"), (b"x", "b'x'"), (print, repr(print))]
)
def test_what_a_recipe_cannot_say(value: object, shown: str) -> None:
    recipe = load_recipe("asm_rh")
    odd = replace(recipe, task=Spec("task", "demo", {"seconds": value}))
    with pytest.raises(SettingError) as caught:
        to_gin(odd)
    assert str(caught.value) == (
        f"task.demo.seconds is {shown}, which a recipe cannot say. Use text, finite numbers and lists."
    )
