"""Errors are data first: what a caller decides by is a kind or a place, never the words of a message."""

import ast
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mixkit
from mixkit.errors import DataError
from mixkit.recipe.faults import Fault, Place

PACKAGE = Path(mixkit.__file__).parent

# Errors of other packages, which say no more than their text.
FOREIGN = {
    "cli/__init__.py": "tempfile raises FileNotFoundError where no folder can be written, as for a missing file",
    "data/workers.py": "torch's loader raises RuntimeError for a wait that was too long, as for all else",
    "training/distributed.py": "gloo raises RuntimeError where a process does not answer, as for all else",
    "training/memory.py": "torch raises RuntimeError where the system gives no memory, as for all else",
    "model/estimate.py": "torch raises RuntimeError or TypeError for a number that is too large for it",
    "recipe/limits.py": "tokenize.TokenError has a text and a place",
    "recipe/syntax.py": "gin's parser raises SyntaxError",
}

SEARCHES = {
    *("startswith", "endswith", "removeprefix", "removesuffix", "replace", "find", "index", "count", "partition"),
    *("match", "search", "fullmatch", "findall", "finditer", "sub", "translate", "isidentifier"),
}
OF_ANY = {"fault", "without_path"}  # texts of an error, whatever it is called
MAY_DECIDE = re.compile(r"\bas \w+:|:.*(Error|Exception|Fault|Refused)\b|\.(fault|without_path)\b")
"""What a file has that names an error at all; parsing all others takes most of the time."""
TEXTS = OF_ANY | {"args", "message", "msg", "reason"}


def decisions(source: str) -> Iterator[int]:
    """Lines that compare the text of an exception, or search in it."""
    if not MAY_DECIDE.search(source):
        return
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _in_function(function)


def _in_function(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[int]:
    parts = list(ast.walk(function))
    errors = {node.name for node in parts if isinstance(node, ast.ExceptHandler) and node.name}
    for argument in (*function.args.args, *function.args.kwonlyargs):
        if argument.annotation and _is_error(ast.unparse(argument.annotation)):
            errors.add(argument.arg)
    if not errors and not any(isinstance(node, ast.Attribute) and node.attr in OF_ANY for node in parts):
        return
    texts: set[str] = set()
    while True:  # what is made of a text is one
        found = {
            target.id
            for node in parts
            if isinstance(node, ast.Assign | ast.NamedExpr) and _is_text(node.value, errors, texts)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        if found <= texts:
            break
        texts |= found
    for node in parts:
        if isinstance(node, ast.Compare) and not isinstance(node.ops[0], ast.Is | ast.IsNot):
            operands = [node.left, *node.comparators]
            if any(_is_text(operand, errors, texts) for operand in operands):
                yield node.lineno
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SEARCHES:
            yield from (node.lineno for part in (node.func.value, *node.args) if _is_text(part, errors, texts))


def _is_error(annotation: str) -> bool:
    return any(word.endswith(("Error", "Exception", "Fault", "Refused")) for word in annotation.split(" | "))


def _is_text(node: ast.expr, errors: set[str], texts: set[str]) -> bool:
    """Whether an expression is the text of an error, or is made of one."""
    if isinstance(node, ast.Name):
        return node.id in texts
    if isinstance(node, ast.Attribute):
        return node.attr in TEXTS and (_name(node.value) in errors or node.attr in OF_ANY)
    if isinstance(node, ast.Subscript):
        return _is_text(node.value, errors, texts)
    if isinstance(node, ast.JoinedStr):
        inner = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
        return any(_name(part) in errors or _is_text(part, errors, texts) for part in inner)
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id in ("str", "repr"):
            return any(_name(argument) in errors or _is_text(argument, errors, texts) for argument in node.args)
        return isinstance(node.func, ast.Attribute) and _is_text(node.func.value, errors, texts)
    if isinstance(node, ast.BoolOp):
        return any(_is_text(value, errors, texts) for value in node.values)
    return False


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def test_nothing_is_decided_by_the_text_of_an_error() -> None:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if lines := sorted(set(decisions(path.read_text()))):
            found[path.relative_to(PACKAGE).as_posix()] = lines
    ours = {name: lines for name, lines in found.items() if name not in FOREIGN}
    assert not ours
    assert found.keys() == FOREIGN.keys(), "one of them is mended: take it out of the list"


@pytest.mark.parametrize(
    "body",
    [
        "if 'gone' in str(error): pass",
        "return str(error) == 'gone'",
        "text = f'{error}'\n        return text.startswith('gone')",
        "return error.args[0].removeprefix('gone: ')",
        "return re.sub('gone', '', str(error))",
        "if 'gone' in heard.fault: pass",
        "return error.message.rstrip().endswith('gone')",
    ],
)
def test_the_check_sees_each_way_to_do_so(body: str) -> None:
    source = "def f():\n    try:\n        g()\n    except ValueError as error:\n        {}\n"
    assert list(decisions(source.format(body)))
    assert not list(decisions(source.format("return Thing(str(error), error.kind == 'gone')")))


def test_the_text_of_a_data_error_is_made_of_its_parts() -> None:
    error = DataError("0 samples of audio.", Path("a\x1b.wav"), "Remove the file.", "empty")
    assert str(error) == "a\\x1b.wav: 0 samples of audio. Remove the file."
    assert error.without_path == "0 samples of audio. Remove the file."
    assert str(DataError("no clips.")) == "no clips."
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.kind, again.path) == (str(error), "empty", "a\x1b.wav")


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Place("a.gin", 3), "a.gin:3: is wrong."),
        (Place("a.gin"), "a.gin: is wrong."),
        (Place("a = 1", option="--set"), '--set "a = 1": is wrong.'),
        (Place(f"a = {'9' * 80}", option="--set"), f'--set "a = {"9" * 53}...": is wrong.'),
        (Place(""), "is wrong."),
    ],
)
def test_the_text_of_a_fault_is_made_of_its_parts(place: Place, text: str) -> None:
    assert str(Fault(place, "is wrong.")) == text
