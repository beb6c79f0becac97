"""Plugins of installed packages: found by their metadata, imported only when somebody names them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import mixkit
from mixkit.errors import MixkitError
from mixkit.plugins.copies import load_for_run
from mixkit.plugins.load import load_installed, load_plugins
from mixkit.registry import operator
from tests.conftest import Said

pytestmark = pytest.mark.usefixtures("without_plugins")

OPERATOR = '''
from torch import nn
from mixkit import Site, operator

@operator("{name}", mixes={{"channel"}})
class Made(nn.Module):
    """Sings {name}."""
    def __init__(self, site: Site):
        super().__init__()
        self.map = nn.Linear(site.width, site.width)
    def forward(self, x):
        return self.map(x)
'''
SMALL = ["task.demo.clips = 4", "model.width = 16", "model.depth = 1", "train.epochs = 1", "train.batch_size = 16"]


def install(place: Path, package: str, points: str, **modules: str) -> None:
    """What an installer leaves behind: the package, and its metadata beside it."""
    (place / package).mkdir(parents=True)
    (place / package / "__init__.py").touch()
    for name, text in modules.items():
        (place / package / f"{name}.py").write_text(text)
    facts = place / f"{package}-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[mixkit.plugins]\n{points}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages: a sound one, and one that fails."""
    place = tmp_path / "site"
    install(place, "birdsong", "birds = birdsong.calls", calls=OPERATOR.format(name="wren"))
    install(place, "noisy", "noisy = noisy.plugin", plugin="raise RuntimeError('no luck')\n")
    monkeypatch.syspath_prepend(str(place))
    return place


def recipe(folder: Path, name: str, branch: str) -> Path:
    path = folder / "mine.gin"
    path.write_text(
        f"import {name}\ninclude 'size/tiny.gin'\ninclude 'task/demo.gin'\nblock.branches = [@operator.{branch}()]\n"
    )
    return path


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("name", ["birds", "birdsong.calls"])
def test_a_recipe_imports_it_and_nothing_else_does(tmp_path: Path, name: str) -> None:
    mixkit.load_recipe("asm_rh")
    assert load_plugins() == ()
    assert "birdsong.calls" not in sys.modules
    loaded = mixkit.load_recipe(recipe(tmp_path, name, "wren"))
    assert loaded.plugins == ("birdsong.calls",)
    assert "noisy.plugin" not in sys.modules
    again = mixkit.load_recipe(tmp_path / "mine.gin", settings=["train.epochs = 1"])
    assert again.plugins == ("birdsong.calls",)
    assert mixkit.build(loaded, classes=2)


@pytest.mark.usefixtures("site")
def test_the_command_line_names_it_too(mixkit_command: Callable[..., Said]) -> None:
    assert load_plugins(["birds"]) == ("birdsong.calls",)
    said = mixkit_command("check", "asm_rh", "--plugin", "birds", "--set", "block.branches = [@operator.wren()]")
    assert said.code == 0, said


@pytest.mark.usefixtures("site")
def test_one_that_fails_is_named_and_harms_nobody_else(tmp_path: Path, mixkit_command: Callable[..., Said]) -> None:
    message = (
        "plugin {} (noisy.plugin of noisy 1.0) failed while it was imported: "
        f"RuntimeError: no luck ({tmp_path}/site/noisy/plugin.py:1)."
    )
    with pytest.raises(MixkitError) as caught:
        mixkit.load_recipe(recipe(tmp_path, "noisy", "wren"))
    assert str(caught.value) == message.format("noisy")
    listed = mixkit_command("list", "operators")
    assert listed.code == 0
    assert listed.err == f"left out: {message.format('noisy.plugin')}\n"
    assert "Sings wren." in listed.out
    assert "roll_time" in listed.out
    assert mixkit_command("check", "asm_rh").code == 0


def test_a_name_that_two_packages_offer(site: Path) -> None:
    install(site, "crows", "birds = crows.calls", calls=OPERATOR.format(name="crow"))
    with pytest.raises(MixkitError) as caught:
        load_installed("birds")
    assert str(caught.value) == (
        "plugin birds is offered by birdsong.calls of birdsong 1.0 and crows.calls of crows 1.0. "
        "Name one by its module: birdsong.calls or crows.calls."
    )
    assert load_installed("crows.calls") == "crows.calls"
    assert "crow" in operator.names()


def test_the_working_folder_is_not_searched(tmp_path: Path) -> None:
    """`python -m` puts it on the path; a data set could hold what looks like an installed package."""
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    for place in (here, elsewhere):
        place.mkdir()
        install(place, "lying_around", "lying = lying_around.plugin", plugin="open('canary', 'w')\n")
    listed = [sys.executable, "-m", "mixkit", "list", "tasks"]
    for path, found in ((here, False), (elsewhere, True)):
        environment = {**os.environ, "PYTHONPATH": str(path)}
        subprocess.run(listed, cwd=here, env=environment, check=True, capture_output=True)
        assert (here / "canary").exists() == found


def test_a_run_needs_no_trust_where_the_package_is_installed(
    site: Path, tmp_path: Path, mixkit_command: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [part for line in SMALL for part in ("--set", line)]
    said = mixkit_command("train", recipe(tmp_path, "birds", "wren"), *lines, "--runs", tmp_path, "--name", "run")
    assert said.code == 0, said.err
    run = tmp_path / "run"
    assert (run / "plugins" / "birdsong" / "calls.py").read_text() == OPERATOR.format(name="wren")
    assert "import birdsong.calls" in (run / "recipe.gin").read_text()
    operator.forget("birdsong")
    for name in ("birdsong.calls", "birdsong"):
        del sys.modules[name]
    assert mixkit_command("evaluate", run).code == 0
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place != str(site)])
    with pytest.raises(MixkitError, match="was made with plugins that are not loaded"):
        load_for_run(run)
