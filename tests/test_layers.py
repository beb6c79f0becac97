"""The rooms of the package: imports go one way, by the one list in pyproject.toml, and without a circle."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mixkit

PACKAGE = Path(mixkit.__file__).parent
PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def rooms() -> list[str]:
    contracts = tomllib.loads(PROJECT.read_text())["tool"]["importlinter"]["contracts"]
    found: list[str] = next(contract["layers"] for contract in contracts if contract["id"] == "rooms")
    return found


def imports(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("mixkit"):
            inside = PACKAGE.joinpath(*node.module.split(".")[1:])
            for name in node.names:
                is_module = (inside / f"{name.name}.py").exists() or (inside / name.name).is_dir()
                modules.add(f"{node.module}.{name.name}" if is_module else node.module)
        if isinstance(node, ast.Import):
            modules |= {name.name for name in node.names if name.name.startswith("mixkit")}
    return modules - {"mixkit"}


def sources() -> list[tuple[str, Path]]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if "_recipes" not in parts:
            found.append((".".join(parts), path))
    return found


def lint(config: Path) -> int:
    """In a process of its own: it turns off the loggers of the one that it runs in."""
    command = "import importlinter.cli; importlinter.cli.lint_imports_command()"
    arguments = ["--no-cache", "--config", str(config)]
    return subprocess.run([sys.executable, "-c", command, *arguments], capture_output=True, check=False).returncode


def test_imports_go_one_way_and_no_module_has_no_room() -> None:
    assert lint(PROJECT) == 0


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ('    "errors",\n', ""),  # a module without a room
        ('    "study",\n    "export",\n', '    "export",\n    "study",\n    "nowhere",\n'),  # a room without a module
        ('    "values",\n    "errors",\n', '    "errors",\n    "values",\n'),  # an import that runs up
    ],
)
def test_the_list_is_held(line: str, instead: str, tmp_path: Path) -> None:
    text = PROJECT.read_text()
    assert text.count(line) == 1
    (tmp_path / "pyproject.toml").write_text(text.replace(line, instead))
    assert lint(tmp_path / "pyproject.toml") == 1


def test_every_room_says_what_it_is() -> None:
    for room in rooms():
        path = PACKAGE / room / "__init__.py" if (PACKAGE / room).is_dir() else PACKAGE / f"{room}.py"
        said = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[0]
        assert 20 < len(said) < 120, f"{room}: {said}"


def test_operators_do_not_import_each_other() -> None:
    paths = [path for path in (PACKAGE / "operators").glob("*.py") if path.name != "__init__.py"]
    register = {f"mixkit.operators.{path.stem}" for path in paths if "@operator(" in path.read_text()}
    assert len(register) >= 8
    for path in paths:
        others = set(imports(path)) & register
        assert not others, f"{path.name} imports {others}"


def test_only_the_recipe_package_knows_gin() -> None:
    users = {module for module, path in sources() if "import gin" in path.read_text() or "from gin" in path.read_text()}
    assert users, "gin is used somewhere"
    assert all(module.startswith("mixkit.recipe.") for module in users), users


def test_tasks_never_touch_audio() -> None:
    for path in (PACKAGE / "tasks").glob("*.py"):
        text = path.read_text()
        assert "mixkit.audio" not in text, path
        assert "soundfile" not in text, path
