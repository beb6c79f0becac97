"""Imports go one way. The list below is the order; a module may import from its own row or rows above it."""

import ast
from pathlib import Path

import mixkit

PACKAGE = Path(mixkit.__file__).parent

ORDER = [
    {"mixkit.errors"},
    {"mixkit.values", "mixkit.draw", "mixkit.durable", "mixkit.surroundings", "mixkit.places", "mixkit.product"},
    {"mixkit.registry"},
    {"mixkit.plugins"},
    {"mixkit.model.site", "mixkit.tasks.clip", "mixkit.audio", "mixkit.recipe", "mixkit.card"},
    {"mixkit.operators", "mixkit.tasks", "mixkit.model.heads"},
    {"mixkit.data"},
    {
        "mixkit.conformance",
        "mixkit.model",
        "mixkit.scaffold",
        "mixkit.likeness",
        "mixkit.trust",
        "mixkit.prediction",
        "mixkit.waveform",
        "mixkit.inputs",
        "mixkit.embeddings",
    },
    {"mixkit.run", "mixkit.training.data", "mixkit.training.device", "mixkit.training.metrics"}
    | {
        f"mixkit.training.{part}"
        for part in (
            "bad_files",
            "distributed",
            "loss",
            "optimizer",
            "pickled",
            "ranking",
            "schedule",
            "sealed",
            "waveforms",
            "workers",
        )
    },
    {"mixkit.evaluation", "mixkit.training.checkpoint", "mixkit.weights"},
    {"mixkit.training"},
    {"mixkit.diagnosis", "mixkit.looking", "mixkit.overview", "mixkit.export", "mixkit.hear", "mixkit.fusing"},
    {"mixkit.bench"},
    {"mixkit.study"},
    {"mixkit.report"},
    {"mixkit.cli", "mixkit.__main__"},
]


def rank(module: str) -> int:
    found = [
        (len(name), row)
        for row, names in enumerate(ORDER)
        for name in names
        if module == name or module.startswith(name + ".")
    ]
    assert found, f"{module} has no place in the order of tests/test_layers.py"
    return max(found)[1]


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


def test_imports_go_one_way() -> None:
    wrong = []
    for module, path in sources():
        if path.name == "__init__.py":
            continue  # lists its package, and for mixkit itself, everything
        wrong += [f"{module} imports {other}" for other in sorted(imports(path)) if rank(other) > rank(module)]
    assert not wrong, "\n".join(wrong)


def test_the_order_is_not_empty_talk() -> None:
    edges = sum(len(imports(path)) for _, path in sources())
    assert edges > 60
    assert rank("mixkit.cli.app") > rank("mixkit.training.loop") > rank("mixkit.operators.roll") > rank("mixkit.errors")


SHARED = {
    f"mixkit.operators.{part}" for part in ("axes", "feed_forward", "hermit_pair", "product")
}  # these register nothing


def test_operators_do_not_import_each_other() -> None:
    for path in (PACKAGE / "operators").glob("*.py"):
        if path.name != "__init__.py":
            others = {m for m in imports(path) if m.startswith("mixkit.operators.")}
            assert others <= SHARED, f"{path.name} imports {others}"


def test_only_the_recipe_package_knows_gin() -> None:
    users = {module for module, path in sources() if "import gin" in path.read_text() or "from gin" in path.read_text()}
    assert users, "gin is used somewhere"
    assert all(module.startswith("mixkit.recipe.") for module in users), users


def test_tasks_never_touch_audio() -> None:
    for path in (PACKAGE / "tasks").glob("*.py"):
        text = path.read_text()
        assert "mixkit.audio" not in text, path
        assert "soundfile" not in text, path
