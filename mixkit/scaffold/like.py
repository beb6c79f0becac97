"""An operator to begin with that has another's settings and does its work, and a step of its own behind it."""

import ast
import builtins
import inspect
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import mixkit.operators
from mixkit.errors import MixkitError
from mixkit.operators.axes import AXES
from mixkit.registry import operator

_TEXT = '''"""$summary

mixkit check $path
mixkit train mlp_mixer --plugin $path \\
    --set "block.branches = [@operator.$name(), @operator.channel()]"
"""

$imports


$decorator
class $cls(nn.Module):
    """What `$like` does, and then a gain that each channel learns.

$sections
    """

    def __init__(
        self,
        site: Site,
        *,
$settings
    ):
        super().__init__()
        self.$like = $target(
            site,
$passed
        )
        self.gain = nn.Parameter(torch.ones(site.width))

    def forward(self, x: Tensor) -> Tensor:
        """Mix as `$like` does, then weigh."""
        return self.gain * self.$like(x)
'''


def likeness(like: str, words: Mapping[str, str]) -> str:
    """The text of the plugin.

    Args:
        like: an operator of mixkit itself.
        words: name, class (`cls`), path and summary of the new one.

    Raises:
        MixkitError: there is no such operator, or it is a plugin's.
    """
    entry = operator.entry(like)
    target: Any = entry.target
    if not hasattr(mixkit.operators, target.__name__):
        raise MixkitError(f"operator {like!r} is a plugin, {entry.where}. Copy its file, or name one of mixkit's own.")
    module = inspect.getmodule(target)
    assert module is not None
    tree = ast.parse(inspect.getsource(module))
    (init,) = [node for node in ast.walk(_class(tree, target)) if getattr(node, "name", "") == "__init__"]
    assert isinstance(init, ast.FunctionDef)
    settings = list(zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True))
    imported: dict[str, set[str]] = defaultdict(set)
    for argument, default in settings:
        for name in (*_names(argument.annotation), *_names(default)):
            imported[_home(name, tree, module)].add(name)
    imported["mixkit"] |= {"Site", "operator"}
    imported["mixkit.operators"] |= {target.__name__, *(("mixes_of",) if callable(entry.facts["mixes"]) else ())}
    filled = {
        **words,
        "like": like,
        "target": target.__name__,
        "decorator": _decorator(words["name"], like, entry.facts["mixes"]),
        "imports": _imports(imported),
        "sections": _sections(target),
        "settings": "\n".join(f"        {_quoted(a)} = {_quoted(d)}," for a, d in settings),
        "passed": "\n".join(f"            {argument.arg}={argument.arg}," for argument, _ in settings),
    }
    text = re.sub(r"\$(\w+)", lambda mark: filled[mark[1]], _TEXT)
    return text if settings else _plain(text)


def _class(tree: ast.Module, target: type) -> ast.ClassDef:
    (found,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == target.__name__]
    return found


def _names(node: ast.AST | None) -> Iterator[str]:
    for part in ast.walk(node) if node else ():
        if isinstance(part, ast.Name) and not hasattr(builtins, part.id):
            yield part.id


def _home(name: str, tree: ast.Module, module: ModuleType) -> str:
    """Where a name that the module uses comes from."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and any(alias.name == name for alias in node.names):
            return node.module
    return module.__name__


def _quoted(node: ast.AST | None) -> str:
    text = ast.unparse(node) if node else "None"
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


def _sections(target: type) -> str:
    """Shape, Args and Raises of the docstring, as they stand there."""
    parts = inspect.cleandoc(target.__doc__ or "").split("\n\n")
    kept = [part for part in parts if part.startswith(("Shape:", "Args:", "Raises:"))]
    return "\n\n".join("\n".join(f"    {line}" for line in part.splitlines()) for part in kept)


def _plain(text: str) -> str:
    """Without settings there is nothing to stand by keyword."""
    text = text.replace("(\n        self,\n        site: Site,\n        *,\n\n    )", "(self, site: Site)")
    return re.sub(r"\(\n            site,\n\n        \)", "(site)", text)
