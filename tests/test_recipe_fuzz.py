"""Recipes cut, doubled and salted at random: each loads, or is told what is wrong with it. Nothing else happens."""

import random
import string
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mixkit.recipe import catalog
from mixkit.recipe.faults import RecipeError
from mixkit.recipe.gin_file import load_recipe, recipe_from_text
from mixkit.recipe.writer import to_gin

HOSTILE = """# hostile
from __gin__ import dynamic_registration
import os
include '/etc/passwd'
include 'os/x.gin'
x/os.system.command = 'true'
train:
    epochs = 3   # three
    loss = @x/os.system()
WIDTH = [1, (2, 3), {'a': None}, -4.5e-3, 'text' 'more']
model.width = %WIDTH
recipe.task = %gin.REQUIRED
"""
SALT = [
    *"[](){}'\"\\/@%=:,.-#;$?!\t\r\n\0\ufeff\u202eé",
    *["1e999", "1j", "0x", "0777", "b'", "f'", "True", "lambda", "...", "**", "@@", "%%", "operator."],
    *("'" * 3, '"' * 3, "\n  ", "\\\n", "import os\n", "from x import y\n", "include '", "@operator.channel()"),
    *("%gin.REQUIRED", "train:\n", "\ud800", "x" * 300, "[" * 40),
]


def seeds() -> list[str]:
    shipped = [catalog.find(name).read_text() for name in (*catalog.names(), *catalog.fragments())]
    return [*shipped, *(to_gin(load_recipe(name)) for name in ("asm_rh", "shift_mixer")), HOSTILE]


SEEDS = seeds()


def mutated(number: int) -> str:
    """The text that a number stands for, so that a failing one is told in a word."""
    generator = random.Random(number)
    text = generator.choice(SEEDS)
    for _ in range(generator.randint(1, 5)):
        at, way = generator.randint(0, len(text)), generator.random()
        if way < 0.45:
            text = text[:at] + generator.choice(SALT) + text[at:]
        elif way < 0.6:
            text = text[:at] + text[at + generator.randint(1, 15) :]
        elif way < 0.75:
            lines = text.split("\n")
            generator.shuffle(lines)
            text = "\n".join(lines)
        elif way < 0.9:
            text = text[:at] + generator.choice(SEEDS)[: generator.randint(0, 400)] + text[at:]
        else:
            text = text[:at] + text[max(0, at - 30) : at] * generator.randint(2, 9) + text[at:]
    return text


def attempt(text: str, path: Path) -> None:
    path.write_bytes(text.encode(errors="surrogatepass"))
    start = time.process_time()
    for load in (lambda: load_recipe(path), lambda: recipe_from_text(text, "fuzz")):
        try:
            recipe = load()
        except RecipeError as error:
            told = str(error)
        else:
            told = "fine"
            assert recipe_from_text(to_gin(recipe), "fuzz", recipe.plugins) == recipe
        assert told
        assert told.replace("\n", "").isprintable()
    assert time.process_time() - start < 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where fuzzed recipes are written."""
    return tmp_path_factory.mktemp("fuzz")


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**48))
def test_mutations(folder: Path, number: int) -> None:
    attempt(mutated(number), folder / "fuzz.gin")


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from(string.printable + "é\u202e\ud800"), max_size=60) | st.text(max_size=60))
@example("a = '\\x'")
@example("a = -'x'")
@example("a = {'x': {}, {}: 1}")
@example("a:\n\n")
@example("a:\n  b = [\nc = 1")
@example("\\")
def test_any_text(folder: Path, text: str) -> None:
    attempt(text, folder / "fuzz.gin")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes(folder: Path, content: bytes) -> None:
    path = folder / "bytes.gin"
    path.write_bytes(content)
    with pytest.raises(RecipeError):
        load_recipe(path)


def test_the_mutations_are_worth_something(folder: Path) -> None:
    """Some still load, and the faults are of many kinds: the fuzz does not knock at one closed door."""
    loaded, kinds = 0, set()
    for number in range(300):
        try:
            (folder / "fuzz.gin").write_bytes(mutated(number).encode(errors="surrogatepass"))
            load_recipe(folder / "fuzz.gin")
            loaded += 1
        except RecipeError as error:
            kinds |= {fault.message.rpartition(". ")[2][:12] for fault in error.faults}
    assert loaded >= 3
    assert len(kinds) >= 20
