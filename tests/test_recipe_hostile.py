"""Recipes that want to run code, read files or never end. A canary shows that nothing ran; a control, that it would."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from mixkit.errors import SettingError
from mixkit.recipe import catalog
from mixkit.recipe.faults import RecipeError, UntrustedRecipeError
from mixkit.recipe.gin_file import load_recipe, recipe_from_text
from mixkit.registry import REGISTRIES
from tests.faults.recipes import BASE, BOMBS, LIVE, OTHER

# importlib.util is there in any program of some size; without it gin's reader of includes fails before it imports.
CONTROL = """
import importlib.util, os, sys
import gin
for name, text in eval(sys.stdin.read()):
    try:
        gin.parse_config(text)
    except Exception:
        pass
    gin.clear_config()
"""


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[str, Path]]:
    """Makes an importable package that writes a file when it is imported; returns its name and that file."""
    monkeypatch.chdir(tmp_path)
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))

    def make(label: str) -> tuple[str, Path]:
        package = "canary_" + re.sub(r"\W", "_", label)
        canary = tmp_path / f"{package}.fired"
        (site / package / "part").mkdir(parents=True)
        (site / package / "__init__.py").write_text(f"open({str(canary)!r}, 'w').close()\n")
        (site / package / "part" / "__init__.py").write_text("def run(command): ...\n")
        (site / package / "part" / "x.gin").write_text("x = 1\n")
        return package, canary

    return make


Plant = Callable[[str], tuple[str, Path]]


def test_the_live_set_is_live_in_plain_gin(plant: Plant, tmp_path: Path) -> None:
    planted = {label: plant(label) for label in LIVE}
    texts = [(label, re.sub("PACKAGE|PACK' 'AGE", package, LIVE[label])) for label, (package, _) in planted.items()]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", CONTROL], input=repr(texts), text=True, env=environment, check=True)
    assert {label for label, (_, canary) in planted.items() if canary.exists()} == set(LIVE)


@pytest.mark.parametrize("label", [*LIVE, *OTHER])
def test_no_code_runs(plant: Plant, label: str) -> None:
    package, canary = plant(label)
    text = {**LIVE, **OTHER}[label].replace("PACK' 'AGE", package).replace("PACKAGE", package)
    text = text.replace("CANARY", str(canary))
    Path("mine.gin").write_text(
        text + BASE.replace("recipe.task", "x/recipe.task") if "recipe.task" in text else text + BASE
    )
    before = set(Path().rglob("*"))
    with pytest.raises(RecipeError) as from_file:
        load_recipe("mine.gin")
    with pytest.raises(RecipeError) as from_text:
        recipe_from_text(text + BASE, "mine")
    with pytest.raises(RecipeError):
        load_recipe("asm_rh", settings=[text])
    for caught in (from_file, from_text):
        faults = caught.value.faults
        assert all(fault.place.file == "mine.gin" and fault.place.line for fault in faults), str(caught.value)
    if label in LIVE and "include" not in label:
        assert from_file.value.exit_code == from_text.value.exit_code == 3
    assert not canary.exists()
    assert package not in sys.modules
    assert set(Path().rglob("*")) == before


def test_an_include_is_never_looked_up_as_a_package(plant: Plant) -> None:
    package, canary = plant("include")
    Path("mine.gin").write_text(f"include '{package}/x.gin'\n{BASE}")
    with pytest.raises(RecipeError) as caught:
        load_recipe("mine.gin")
    assert str(caught.value).startswith(f"mine.gin:1: include '{package}/x.gin' is no file, here or among the shipped")
    assert not canary.exists()


def test_text_that_names_code_stays_text(plant: Plant, tmp_path: Path) -> None:
    """Every text setting of every registered thing, filled with what a loader of code would follow."""
    package, canary = plant("settings")
    evil = [f"{package}:go", f"{package}.part.run", "../../canary", str(canary), "file:///etc/passwd", "x" * 100_000]
    before = set(tmp_path.rglob("*"))
    tried = 0
    for kind, registry in REGISTRIES.items():
        for name in registry.names():
            for setting in registry.entry(name).settings:
                for text in evil if isinstance(setting.default, str) or "str" in str(setting.annotation) else ():
                    key = f"{kind}.{name}.{setting.name}"
                    with suppress(SettingError):
                        registry.spec(name, **{setting.name: text})
                    with pytest.raises(RecipeError) as caught:
                        recipe_from_text(f"{BASE}x/{key} = {text!r}\n", "mine")
                    assert str(caught.value).startswith(
                        (f"mine.gin:3: nothing uses x/{key}. ", f"mine.gin:3: {key} is '")
                    )
                    tried += 1
    for key in ("train.loss", "train.optimizer", "train.best", "model.head", "recipe.features", "model.pool"):
        for text in evil:
            with pytest.raises(RecipeError, match=f"^mine.gin:3: {key} is '"):
                recipe_from_text(f"{BASE}{key} = {text!r}\n", "mine")
            tried += 1
    assert tried >= 40
    assert not canary.exists()
    assert set(tmp_path.rglob("*")) == before


OUTSIDE = "leads out of the folder of the recipe. Move the file into it."
RELATIVE = "is not relative. Write the path from the folder of this file."
PATHS = {
    "/outside.gin": (RELATIVE, 3),
    "~/outside.gin": (RELATIVE, 3),
    "file:///outside.gin": (RELATIVE, 3),
    "..\\outside.gin": (
        "is no file, here or among the shipped recipes. Write the path from the folder of this file.",
        2,
    ),
    "../outside.gin": (OUTSIDE, 3),
    "sub/../../outside.gin": (OUTSIDE, 3),
    "../../../../../../../../../etc/passwd": (OUTSIDE, 3),
    "link.gin": (OUTSIDE, 3),
    "linked/outside.gin": (OUTSIDE, 3),
    "": ("is no path. Write one such as 'size/tiny.gin'.", 2),
    "x\x00y.gin": ("is no path. Write one such as 'size/tiny.gin'.", 2),
    "x" * 2000: ("is no path. Write one such as 'size/tiny.gin'.", 2),
}


@pytest.mark.parametrize(("path", "message", "code"), [(path, *rest) for path, rest in PATHS.items()])
def test_includes_stay_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, message: str, code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outside.gin").write_text("SECRET = \n")
    folder = tmp_path / "mine"
    (folder / "sub").mkdir(parents=True)
    (folder / "link.gin").symlink_to(tmp_path / "outside.gin")
    (folder / "linked").symlink_to(tmp_path)
    shown = repr(path) if len(path) < 100 else repr(path)[:117] + "..."
    (folder / "mine.gin").write_text(f"include {path!r}\n{BASE}")
    with pytest.raises(RecipeError) as caught:
        load_recipe("mine/mine.gin")
    assert str(caught.value) == f"mine/mine.gin:1: include {shown} {message}"
    assert caught.value.exit_code == code
    assert "SECRET" not in str(caught.value)


def test_links_and_parents_inside_are_fine(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "real.gin").write_text("train.seed = 5\n")
    (tmp_path / "sub" / "link.gin").symlink_to(tmp_path / "real.gin")
    (tmp_path / "sub" / "up.gin").write_text("include '../real.gin'\n")
    for include in ("sub/link.gin", "sub/up.gin", "sub/../real.gin"):
        (tmp_path / "mine.gin").write_text(f"include {include!r}\n{BASE}")
        assert load_recipe(tmp_path / "mine.gin").train.seed == 5


def test_files_that_are_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.gin")
    Path("folder.gin").mkdir()
    Path("loop.gin").symlink_to("loop.gin")
    Path("gone.gin").symlink_to("nothing.gin")
    reasons = {
        "pipe.gin": "pipe.gin is not a regular file. Name a recipe file.",
        "folder.gin": "folder.gin is not a regular file. Name a recipe file.",
        "loop.gin": "loop.gin cannot be read: Too many levels of symbolic links. Name a recipe file.",
        "gone.gin": "gone.gin cannot be read: No such file or directory. Name a recipe file.",
    }
    for name, reason in reasons.items():
        Path("mine.gin").write_text(f"include {name!r}\n{BASE}")
        with pytest.raises(RecipeError) as caught:
            load_recipe("mine.gin")
        assert str(caught.value) == f"mine.gin:1: {reason}"
    with pytest.raises(RecipeError) as caught:
        load_recipe("pipe.gin")
    assert str(caught.value) == "pipe.gin: is not a regular file."


def test_includes_in_a_circle_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sub").mkdir()
    Path("a.gin").write_text("include 'sub/b.gin'\n" + BASE)
    Path("sub/b.gin").write_text("include 'c.gin'\n")
    Path("sub/c.gin").write_text("include '../a.gin'\ntrain.seed = 1\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe("a.gin")
    assert str(caught.value) == (
        "sub/c.gin:1: include '../a.gin' goes in a circle: a.gin -> sub/b.gin -> sub/c.gin -> a.gin. Remove one."
    )


def test_includes_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(18):
        Path(f"part{number}.gin").write_text("")
    for count, fine in ((16, True), (17, False)):
        Path("mine.gin").write_text("".join(f"include 'part{n}.gin'\n" for n in range(count)) + BASE)
        if fine:
            load_recipe("mine.gin")
            continue
        with pytest.raises(RecipeError) as caught:
            load_recipe("mine.gin")
        assert str(caught.value) == "mine.gin:17: there are more than 16 includes. Join some of the files."


@pytest.mark.parametrize("label", BOMBS)
def test_bombs_are_told_quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label: str) -> None:
    monkeypatch.chdir(tmp_path)
    for registry in REGISTRIES.values():
        registry.names()  # imports torch
    text, message = BOMBS[label]
    Path("mine.gin").write_text(text)
    start = time.process_time()
    with pytest.raises(RecipeError) as caught:
        load_recipe("mine.gin")
    report = str(caught.value)
    assert time.process_time() - start < 5  # under 2 on a laptop; what is not bounded takes minutes
    assert any(line.startswith("mine.gin:") and line.endswith(message) for line in report.split("\n")), report[:2000]
    assert len(report) < 100_000


def test_many_long_values_are_fine(tmp_path: Path) -> None:
    values = [letter * 3000 for letter in "abcdefgh" * 8]
    (tmp_path / "mine.gin").write_text(BASE.replace("demo", "folder") + f"task.folder.skip = {values}\n")
    assert load_recipe(tmp_path / "mine.gin").task.params["skip"] == tuple(values)


@pytest.mark.parametrize("name", ["../../outside", "/outside", "..", ".hidden", "", "a\\b", "x" * 101])
def test_a_name_leads_nowhere(name: str) -> None:
    """Runs are written into a folder of that name."""
    with pytest.raises(RecipeError) as caught:
        recipe_from_text(f"{BASE}recipe.name = {name!r}\n", "mine")
    shown = repr(name) if len(name) < 100 else f"'{name}'"
    assert str(caught.value) == (
        f"mine.gin:3: recipe.name is {shown}, no name for a folder. Use letters, digits and _."
    )


def test_the_shipped_folder_is_where_includes_look(tmp_path: Path) -> None:
    assert (catalog.shipped() / "size" / "tiny.gin").is_file()
    (tmp_path / "mine.gin").write_text("include 'size/tiny.gin'\n" + BASE)
    assert load_recipe(tmp_path / "mine.gin").model.width == 64


def test_untrusted_is_told_alone_though_more_is_wrong() -> None:
    with pytest.raises(UntrustedRecipeError) as caught:
        recipe_from_text("import os\ntrian.epochs = 3\n" + BASE, "mine")
    assert [fault.kind for fault in caught.value.faults] == ["untrusted"]
