"""From gin text to a recipe: scopes, macros, defaults, includes, layers, settings, plugins, sources."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from mixkit import registry
from mixkit.recipe import catalog
from mixkit.recipe.gin_file import load_recipe, recipe_from_text
from mixkit.recipe.schema import Branch, Recipe
from mixkit.recipe.writer import to_gin

TASK = "recipe.task = @task.demo()\n"
BASE = TASK + "block.branches = [@operator.channel()]\n"

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a recipe below the working folder."""
    monkeypatch.chdir(tmp_path)

    def put(name: str, text: str) -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return put


def load(text: str, *settings: str) -> Recipe:
    return recipe_from_text(text, "mine", settings=settings)


def expansions(recipe: Recipe) -> list[object]:
    return [
        spec.params["expansion"]
        for block in recipe.model.pattern
        for branch in block.branches
        for spec in branch.operators
    ]


def test_a_recipe_of_two_lines_is_complete() -> None:
    recipe = load(BASE)
    assert recipe.name == "mine"
    assert recipe.task == registry.task.spec("demo")
    assert recipe.features == registry.features.spec("log_mel")
    assert recipe.model.pattern[0].branches == (Branch((registry.operator.spec("channel"),)),)
    assert recipe.train.loss.params == {"label_smoothing": 0.0}
    assert recipe.sources == {"recipe.task": "mine.gin:1", "block.branches": "mine.gin:2"}


def test_keys_hold_for_defaults_that_nobody_wrote() -> None:
    recipe = load(
        BASE
        + "loss.cross_entropy.label_smoothing = 0.1\nhead.linear.norm = True\nbranch.norm = 'group'\n"
        + "train.epochs = 3\nstem.patches.size = [8, 16]\n"
    )
    assert recipe.train.loss == registry.loss.spec("cross_entropy", label_smoothing=0.1)
    assert recipe.model.head.params["norm"] is True
    assert recipe.model.pattern[0].branches[0].norm == "group"
    assert recipe.train.epochs == 3
    assert recipe.model.stem.params["size"] == (8, 16)


def test_the_block_form_says_the_same() -> None:
    recipe = load(
        BASE + "train:\n    epochs = 3   # three\n\n    # a comment\n    seed = 7\nwide/operator.channel:\n"
        "    expansion = 8.0\nmodel.pattern = [@block(), @wide/block()]\n"
    )
    assert (recipe.train.epochs, recipe.train.seed) == (3, 7)
    assert expansions(recipe) == [4.0, 8.0]
    assert recipe.sources["train.seed"] == "mine.gin:7"
    assert recipe.sources["wide/operator.channel.expansion"] == "mine.gin:9"


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        ("@operator.channel()", [1.0]),
        ("@a/operator.channel()", [2.0]),
        ("@a/b/operator.channel()", [3.0]),
        ("@b/operator.channel()", [1.0]),  # a/b is not b
        ("@a/c/operator.channel()", [2.0]),  # inside a
        ("@x/branch()", [2.0, 1.0, 5.0]),
    ],
)
def test_scopes_are_those_of_gin(write: Write, references: str, expected: list[float]) -> None:
    write(
        "keys.gin",
        "operator.channel.expansion = 1.0\na/operator.channel.expansion = 2.0\na/b/operator.channel.expansion = 3.0\n"
        "x/operator.channel.expansion = 5.0\n"
        "x/branch.operators = [@a/operator.channel(), @b/operator.channel(), @operator.channel()]\n",
    )
    path = write("mine.gin", "include 'keys.gin'\n" + TASK + f"block.branches = [{references}]\n")
    assert expansions(load_recipe(path)) == expected


def test_a_reference_without_scope_stays_in_the_one_it_stands_in() -> None:
    recipe = load(
        TASK + "model.pattern = [@block(), @local/block()]\n"
        "block.branches = [@operator.channel(), @fixed/operator.channel()]\n"
        "local/operator.channel.expansion = 2.0\nfixed/operator.channel.expansion = 3.0\nlocal/block.drop_path = 0.5\n"
    )
    assert expansions(recipe) == [4.0, 3.0, 2.0, 3.0]
    assert [block.drop_path for block in recipe.model.pattern] == [0.0, 0.5]


def test_macros_stand_for_their_text() -> None:
    recipe = load(
        TASK + "WIDTH = 64\nSIZE = [%WIDTH, %WIDTH]\nMIX = @operator.channel()\nmodel.width = %WIDTH\n"
        "stem.patches.size = %SIZE\nblock.branches = [%MIX]\nin/operator.channel.expansion = 2.0\n"
        "model.pattern = [@block(), @in/block()]\n",
        "WIDTH = 32",
    )
    assert (recipe.model.width, recipe.model.stem.params["size"]) == (32, (32, 32))
    assert expansions(recipe) == [4.0, 2.0]


def test_operators_inside_operators() -> None:
    recipe = load(
        TASK + "block.branches = [[@operator.hermit(), @operator.token()]]\n"
        "operator.hermit.around = [@inner/operator.token(), @inner/operator.hermit()]\n"
        "inner/operator.hermit.around = []\ninner/operator.token.hidden = 7\n"
    )
    hermit, token = recipe.model.pattern[0].branches[0].operators
    inner_token, inner_hermit = hermit.params["around"]
    assert (inner_token.params["hidden"], token.params["hidden"]) == (7, None)
    assert inner_hermit.params["around"] == ()


def test_a_default_that_is_a_spec_is_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    registry.operator.names()
    monkeypatch.setattr(registry.operator, "_entries", dict(registry.operator._entries))

    @registry.operator("outer", mixes={"time"})
    class Outer(nn.Module):
        """Holds another."""

        def __init__(
            self,
            site: object,
            *,
            around: tuple[registry.Spec, ...] = (registry.Spec("operator", "channel", {"dropout": 0.5}),),
        ): ...

    text = TASK + "block.branches = [@operator.outer()]\noperator.channel.expansion = 3.0\n"
    inner = load(text).model.pattern[0].branches[0].operators[0].params["around"][0]
    assert inner == registry.operator.spec("channel", dropout=0.5, expansion=3.0)


def test_later_wins(write: Write) -> None:
    write("parts/first.gin", "train.epochs = 1\ntrain.seed = 1\ntrain.workers = 1\n")
    write("parts/second.gin", "include 'first.gin'\ntrain.seed = 2\n")
    write("over.gin", "train.batch_size = 4\n")
    path = write("mine.gin", "include 'parts/second.gin'\n" + BASE + "train.workers = 3\ntrain.batch_size = 3\n")
    recipe = load_recipe(path, ["over", "parts/first"], ["train.epochs = 9", "train.epochs = 10"])
    assert (recipe.train.epochs, recipe.train.seed, recipe.train.workers, recipe.train.batch_size) == (10, 1, 1, 4)
    assert recipe.sources["train.epochs"] == '--set "train.epochs = 10"'
    assert recipe.sources["train.seed"] == "parts/first.gin:2"
    assert recipe.sources["train.batch_size"] == "over.gin:1"
    assert recipe.sources["recipe.task"] == "mine.gin:2"


def test_what_a_file_says_of_its_recordings_goes_with_its_task(write: Write) -> None:
    """The demo may be rolled in time; spoken words that take its place may not."""
    shipped = load_recipe("asm_rh")
    assert [spec.name for spec in shipped.augmentations] == ["time_roll"]
    for other in ("task/speech_commands", "task/urbansound8k", "task/ravdess"):
        assert load_recipe("asm_rh", [other]).augmentations == ()
    assert load_recipe("asm_rh", settings=["recipe.task = @task.esc50()"]).augmentations == ()
    assert load_recipe("asm_rh", ["task/demo"]).augmentations == shipped.augmentations
    write("fold.gin", "recipe.task = @task.demo()\ntask.demo.clips = 4\n")
    path = write("mine.gin", "include 'asm_rh.gin'\ntask.pad = 'repeat'\n")
    assert load_recipe(path, ["fold"]).augmentations == shipped.augmentations  # the same task
    kept = load_recipe(path, ["task/esc50"], ["task.crop = 'start'", "recipe.task = @task.gtzan()"])
    assert (kept.pad, kept.crop, kept.augmentations) == ("repeat", "start", ())  # not said with a task
    write("birds.gin", "include 'asm_rh.gin'\nrecipe.task = @task.esc50()\ntask.pad = 'centre'\n")
    assert load_recipe("birds.gin").pad == "centre"
    assert load_recipe("birds.gin", ["task/gtzan"]).pad == "silence"


def test_a_file_that_two_files_include_counts_once(write: Write) -> None:
    write("base.gin", "train.seed = 1\n")
    write("left.gin", "include 'base.gin'\ntrain.seed = 2\n")
    write("right.gin", "include 'base.gin'\ntrain.epochs = 2\n")
    path = write("mine.gin", "include 'left.gin'\ninclude 'right.gin'\n" + BASE)
    assert load_recipe(path).train.seed == 2


def test_shipped_recipes_can_be_included_and_layered(write: Write) -> None:
    path = write("recipes/mine.gin", "include 'size/tiny.gin'\n" + BASE)
    tiny, small = load_recipe(path), load_recipe(path, ["size/small.gin"])
    assert (tiny.model.width, small.model.width) == (64, 384)
    write("recipes/size/small.gin", "model.width = 8\n")
    assert load_recipe("recipes/mine.gin", ["size/small"]).model.width == 8  # beside the recipe comes first
    write("elsewhere/huge.gin", "model.width = 4096\n")
    assert load_recipe("recipes/mine.gin", ["elsewhere/huge.gin"]).model.width == 4096


def test_a_fragment_may_hold_keys_that_a_recipe_does_not_use(write: Write) -> None:
    path = write("mine.gin", "include 'part.gin'\n" + BASE)
    write("part.gin", "operator.roll_time.groups = 4\noptimizer.adam.beta1 = 0.5\nUNUSED = 3\n")
    assert load_recipe(path, ["part"]).train.optimizer.name == "adamw"


def test_a_setting_that_an_option_overrides_is_used(write: Write) -> None:
    path = write("mine.gin", BASE + "optimizer.adamw.beta1 = 0.5\n")
    assert load_recipe(path, (), ["train.optimizer = @optimizer.adam()"]).train.optimizer.name == "adam"
    path = write("mine.gin", "recipe.task = %gin.REQUIRED\n" + BASE.partition("\n")[2])
    assert load_recipe(path, (), ["recipe.task = @task.demo()"]).task.name == "demo"


def test_names(write: Write) -> None:
    path = write("my_own.gin", BASE)
    assert load_recipe(path).name == "my_own"
    assert load_recipe(str(path.absolute()), (), ["recipe.name = 'other'"]).name == "other"
    assert load_recipe(path.absolute()).sources["recipe.task"] == "my_own.gin:1"


def test_windows_line_ends_and_marks() -> None:
    content = ("\ufeff" + BASE + "train.seed = 3").replace("\n", "\r\n")
    assert load(content).train.seed == 3


def test_every_shipped_recipe_loads_and_reloads() -> None:
    names = catalog.names()
    assert len(names) >= 7
    for name in names:
        recipe = load_recipe(name)
        assert recipe.name == name
        assert recipe_from_text(to_gin(recipe), "again") == recipe, name


def test_nothing_is_left_over_from_one_load_to_the_next() -> None:
    first = load(BASE + "operator.channel.expansion = 2.0\n")
    second = load(BASE)
    assert expansions(first) == [2.0]
    assert expansions(second) == [4.0]


def test_plugins_are_those_that_are_imported_or_used(monkeypatch: pytest.MonkeyPatch) -> None:
    registry.operator.names()
    monkeypatch.setattr(registry.operator, "_entries", dict(registry.operator._entries))

    class Own(nn.Module):
        """Does nothing."""

        def __init__(self, site: object): ...

    Own.__module__ = "my_plugin"
    monkeypatch.setitem(sys.modules, "my_plugin", sys.modules[__name__])
    registry.operator("own", mixes={"time"})(Own)
    named = ("other_plugin", "my_plugin", "third_plugin")
    imported = recipe_from_text("import other_plugin\n" + BASE, "x", named)
    assert imported.plugins == ("other_plugin",)
    used = recipe_from_text(BASE, "x", named, ["block.branches = [@operator.own()]"])
    assert used.plugins == ("my_plugin",)
    assert recipe_from_text(to_gin(used), "x", named) == used
    assert "import my_plugin" in to_gin(used).splitlines()
