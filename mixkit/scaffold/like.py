"""An operator to begin with that has another's settings and does its work, and a step of its own behind it."""

import ast
import builtins
import inspect
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import mixkit.operators
from mixkit.errors import MixkitError
from mixkit.operators.axes import AXES
from mixkit.registry import Entry, operator
from mixkit.registry.docstring import meanings, sections


def likeness(like: str, name: str) -> dict[str, str]:
    """The words of the template `like.txt`.

    Args:
        like: an operator of mixkit itself.
        name: of the new one.

    Raises:
        MixkitError: there is no such operator, or it is a plugin's.
    """
    entry = operator.entry(like)
    target: Any = entry.target
    if not hasattr(mixkit.operators, target.__name__):
        raise MixkitError(f"operator {like!r} is a plugin, {entry.where}. Copy its file, or name one of mixkit's own.")
    module, tree, init = next(filter(None, map(_constructor, target.__mro__)))  # a preset's is the general operator's
    defaults = {setting.name: repr(setting.default) for setting in entry.settings}
    settings = [argument for argument in init.args.kwonlyargs if argument.arg in defaults]
    imported: dict[str, set[str]] = defaultdict(set)
    for argument in settings:
        for word in _names(argument.annotation):
            imported[_home(word, tree, module)].add(word)
    imported["mixkit"] |= {"Site", "operator"}
    imported["mixkit.operators"] |= {target.__name__, *(("mixes_of",) if callable(entry.facts["mixes"]) else ())}
    signature = [f"{_quoted(ast.unparse(a))} = {_quoted(defaults[a.arg])}" for a in settings]
    passed = [f"{argument.arg}={argument.arg}" for argument in settings]
    return {
        "like": like,
        "target": target.__name__,
        "decorator": _decorator(name, like, entry.facts["mixes"]),
        "imports": _imports(imported),
        "sections": _sections(entry),
        "signature": _listed(["self", "site: Site", "*", *signature], 8) if settings else "self, site: Site",
        "arguments": _listed(["site", *passed], 12) if settings else "site",
    }


def _listed(arguments: Sequence[str], indent: int) -> str:
    """A line each, as the formatter has them."""
    lines = "".join(f"{' ' * indent}{argument},\n" for argument in arguments)
    return f"\n{lines}{' ' * (indent - 4)}"


def _constructor(owner: type) -> tuple[ModuleType, ast.Module, ast.FunctionDef] | None:
    """The constructor that a class writes out, with its module; None where it writes none."""
    module = inspect.getmodule(owner)
    assert module is not None
    tree = ast.parse(inspect.getsource(module))
    (found,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == owner.__name__]
    inits = [node for node in found.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
    return (module, tree, inits[0]) if inits else None


def _names(node: ast.AST | None) -> Iterator[str]:
    for part in ast.walk(node) if node else ():
        if isinstance(part, ast.Name) and not hasattr(builtins, part.id):
            yield part.id


def _home(name: str, tree: ast.Module, module: ModuleType) -> str:
    """Where a name that the module uses comes from."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and any(alias.name == name for alias in node.names):
            return "mixkit" if name in mixkit.__all__ else node.module
    return module.__name__


def _quoted(text: str) -> str:
    return text if '"' in text else text.replace("'", '"')


def _decorator(name: str, like: str, mixes: Any) -> str:
    if not callable(mixes):
        named = ", ".join(f'"{axis}"' for axis in AXES if axis in mixes)
        return f'@operator("{name}", mixes={{{named}}})'
    mixed = f'lambda settings: mixes_of(operator.spec("{like}", **settings))'
    return f'@operator(\n    "{name}",\n    mixes={mixed},\n)'


def _imports(imported: Mapping[str, set[str]]) -> str:
    ours = {module: names for module, names in imported.items() if module.startswith("mixkit")}
    others = {module: names for module, names in imported.items() if module not in ours}
    groups = [_lines(others), "import torch\nfrom torch import Tensor, nn", _lines(ours)]
    return "\n\n".join(filter(None, groups))


def _lines(imported: Mapping[str, set[str]]) -> str:
    return "\n".join(f"from {module} import {', '.join(_sorted(names))}" for module, names in sorted(imported.items()))


def _sorted(names: set[str]) -> list[str]:
    """As isort has them: constants, classes, the rest."""
    return sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))


def _sections(entry: Entry) -> str:
    """Shape, Args and Raises of the docstring."""
    said = {"site": "where it stands.", **meanings(entry)}
    lines = [f"{name}: {said[name]}" for name in ("site", *(setting.name for setting in entry.settings))]
    parts = {title: text.splitlines() for title, text in sections(entry).items()} | {"Args": lines}
    return "\n\n".join(
        "\n".join([f"    {title}:", *(_filled(line) for line in parts[title])])
        for title in ("Shape", "Args", "Raises")
        if title in parts
    )


def _filled(line: str) -> str:
    return textwrap.fill(line, 120, initial_indent=" " * 8, subsequent_indent=" " * 12, break_on_hyphens=False)
