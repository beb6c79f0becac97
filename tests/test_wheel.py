"""The built wheel works from an empty folder: it carries the recipes, and finds them by name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built and unpacked the way pip does it, away from the checkout."""
    pytest.importorskip("hatchling", reason="the build backend is not installed")
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    target = tmp_path_factory.mktemp("site")
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    return target


def mixkit(installed: Path, folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONWARNINGS": "error::DeprecationWarning:mixkit"}
    command = [sys.executable, "-P", "-m", "mixkit", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_trains_a_shipped_recipe_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    quick = ["task.demo.clips = 4", "model.width = 16", "model.depth = 2", "train.epochs = 1"]
    said = mixkit(installed, tmp_path, "train", "asm_rh", *(part for line in quick for part in ("--set", line)))
    assert "test accuracy" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]
    assert (tmp_path / "runs" / "asm_rh" / "001" / "results.json").is_file()


def test_it_carries_every_recipe_and_no_tests(installed: Path, tmp_path: Path) -> None:
    carried = {path.relative_to(installed / "mixkit" / "_recipes") for path in installed.rglob("*.gin")}
    assert carried == {path.relative_to(ROOT / "recipes") for path in (ROOT / "recipes").rglob("*.gin")}
    assert not (installed / "tests").exists()
    assert "size/base" in mixkit(installed, tmp_path, "list", "recipes")
    where = [sys.executable, "-P", "-c", "import mixkit; print(mixkit.__file__)"]
    found = subprocess.run(where, env={**os.environ, "PYTHONPATH": str(installed)}, capture_output=True, text=True)
    assert found.stdout.strip().startswith(str(installed))


def test_the_wheel_says_its_licence(installed: Path) -> None:
    (metadata,) = installed.glob("mixkit-*.dist-info/METADATA")
    assert "License-Expression: Apache-2.0" in metadata.read_text()
