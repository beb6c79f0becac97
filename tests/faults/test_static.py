"""C3: nothing in the source follows a stranger's file, whatever the tests happen to try."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mixkit

SOURCE = Path(mixkit.__file__).parent
FORBIDDEN = {
    *(
        "importlib.import_module",
        "__import__",
        "torch.export.load",
        "pickle.load",
        "pickle.loads",
        "pickle.Unpickler",
        "dill.load",
        "dill.loads",
    ),
    *("cloudpickle.load", "cloudpickle.loads", "joblib.load", "marshal.load", "marshal.loads", "shelve.open"),
    *("yaml.load", "yaml.full_load", "yaml.unsafe_load", "torch.jit.load", "torch.package.PackageImporter"),
    *("pandas.read_pickle", "os.system", "os.popen", "torch.serialization.add_safe_globals", "runpy.run_path"),
    *("shutil.unpack_archive", "webbrowser.open"),
}
MODULES = {"torch.hub", "joblib", "dill", "cloudpickle", "shelve"}
ALLOWED = {
    "plugins/load.py: importlib.import_module": "plugins that the user named on the command line",
    "registry/registry.py: importlib.import_module": "our own modules, by names in the source",
    "rooms.py: importlib.import_module": "our own modules, by names in the source",
    "__init__.py: importlib.import_module": "our own modules, by names in the source",
    "conformance/portability.py: pickle.loads": "what the line before has pickled",
    "conformance/network_parts.py: pickle.loads": "what the same line has pickled",
    "conformance/networks.py: pickle.loads": "what the same line has pickled",
    "export/torch.py: torch.export.load": "bytes that mixkit has just made, to compare them with the network",
}


def faults(source: str) -> list[str]:
    """What a source does that it must not."""
    tree = ast.parse(source)
    return sorted(_faults(tree, dict(_imports(tree))))


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """What a name in the source stands for: `load` for `torch.load`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (
                    alias.asname or alias.name.partition(".")[0],
                    alias.name if alias.asname else alias.name.partition(".")[0],
                )
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _full_name(node: ast.AST, known: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return known.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{_full_name(node.value, known)}.{node.attr}"
    return "?"


def _faults(tree: ast.AST, known: dict[str, str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            full = _full_name(node, known)
            if full in FORBIDDEN or any(full == module or full.startswith(f"{module}.") for module in MODULES):
                yield full
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            for module in sorted(MODULES & names):
                yield f"imports {module}"
        if isinstance(node, ast.Call):
            yield from _call(node, known)


def _call(node: ast.Call, known: dict[str, str]) -> Iterator[str]:
    full = _full_name(node.func, known)
    settings = {word.arg: word.value for word in node.keywords}

    def is_literal(setting: str, value: object) -> bool:
        return isinstance(settings.get(setting), ast.Constant) and settings[setting].value is value  # type: ignore[attr-defined]

    if full in ("eval", "exec", "compile"):
        yield full
    if full == "torch.load" and not is_literal("weights_only", True):
        yield "torch.load without a literal weights_only=True"
    if full in ("torch.load", "numpy.load", "numpy.memmap") and ("mmap" in settings or "mmap_mode" in settings):
        yield f"{full} with mmap"
    if full == "numpy.load" and not (is_literal("allow_pickle", False) or "allow_pickle" not in settings):
        yield "numpy.load with allow_pickle"
    if full.startswith("subprocess.") and "shell" in settings and not is_literal("shell", False):
        yield f"{full} with a shell"
    if full.endswith(".extractall"):
        yield full
    if None in settings and full in ("torch.load", "numpy.load"):
        yield f"{full} with settings that are not written out"


def test_the_source_is_clean() -> None:
    sources = [path for path in SOURCE.rglob("*.py") if "_recipes" not in path.parts]
    assert len(sources) > 80
    found = {f"{path.relative_to(SOURCE)}: {fault}" for path in sources for fault in faults(path.read_text())}
    assert found == set(ALLOWED)


LOADS = [path for path in SOURCE.rglob("*.py") if "torch.load(" in path.read_text()]


def test_there_is_something_to_guard() -> None:
    assert LOADS


@pytest.mark.parametrize(
    "line",
    [
        "import torch\ntorch.load(path)",
        "import torch\ntorch.load(path, weights_only=False)",
        "import torch\nsafe = True\ntorch.load(path, weights_only=safe)",
        "import torch\ntorch.load(path, **how)",
        "import torch\ntorch.load(path, weights_only=True, mmap=True)",
        "import torch as t\nt.load(path)",
        "from torch import load\nload(path)",
        "from torch import load as read\nread(path)",
        "import pickle\npickle.load(file)",
        "from pickle import loads\nloads(text)",
        "import pickle\nread = pickle.load\nread(file)",
        "import joblib\njoblib.load(path)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import numpy as np\nnp.load(path, mmap_mode='r')",
        "import yaml\nyaml.load(text)",
        "eval(text)",
        "exec(text)",
        "import torch\ntorch.hub.load('x', 'y')",
        "import torch\ntorch.jit.load(path)",
        "import subprocess\nsubprocess.run(text, shell=True)",
        "from subprocess import run\nrun(text, shell=True)",
        "import os\nos.system(text)",
        "import tarfile\ntarfile.open(path).extractall(folder)",
        "import importlib\nimportlib.import_module(name)",
        "import marshal\nmarshal.loads(text)",
    ],
)
def test_a_slip_is_caught(line: str) -> None:
    """The control, in each file that loads something too."""
    assert faults(line)
    for path in LOADS:
        before = len(faults(path.read_text()))
        assert len(faults(f"{path.read_text()}\n{line}\n")) > before


@pytest.mark.parametrize(
    "line",
    [
        "import torch\ntorch.load(path, map_location='cpu', weights_only=True)",
        "import numpy as np\nnp.load(path, allow_pickle=False)",
        "import subprocess\nsubprocess.run(['git', 'status'])",
        "import re\nre.compile(text)",
        "model.eval()",
    ],
)
def test_what_is_right_passes(line: str) -> None:
    assert not faults(line)
