"""One public class name stands for one thing: whoever searches for it finds one class."""

import ast
from collections import defaultdict
from pathlib import Path

import mixkit


def doubled(files: dict[str, str]) -> dict[str, list[str]]:
    """Public classes that more than one module defines, and where."""
    places = defaultdict(list)
    for path, text in files.items():
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path)
    return {name: found for name, found in places.items() if len(found) > 1}


def test_a_public_class_name_stands_for_one_thing() -> None:
    package = Path(mixkit.__file__).parent
    files = {str(path.relative_to(package)): path.read_text() for path in package.rglob("*.py")}
    assert len(files) > 200
    assert doubled(files) == {}


def test_two_classes_of_one_name_are_found() -> None:
    files = {
        "a.py": "class Batch: ...\nclass _Own: ...\n",
        "b.py": "class Batch: ...\nclass _Own: ...\nclass Other: ...\n",
    }
    assert doubled(files) == {"Batch": ["a.py", "b.py"]}
