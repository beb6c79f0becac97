"""The rooms of the package and what each is for, from the list in pyproject.toml and their first lines."""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
MARK = "<!-- rooms -->"


def table() -> str:
    """A Markdown table, a row a room."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rooms = next(contract["layers"] for contract in contracts if contract["id"] == "rooms")
    return "\n".join(["| room | what |", "| --- | --- |", *(f"| {_path(room)} | {_said(room)} |" for room in rooms)])


def _path(room: str) -> str:
    return f"`mixkit/{room}/`" if (ROOT / "mixkit" / room).is_dir() else f"`mixkit/{room}.py`"


def _said(room: str) -> str:
    folder = ROOT / "mixkit" / room
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    return (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[0].replace("\n", " ")
