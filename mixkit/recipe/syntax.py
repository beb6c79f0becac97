"""A recipe text parsed with gin's grammar, and with nothing else of gin: no import, no registry, no global state.

gin's own loader runs code that a file names (by `import`, by dynamic registration, even by the path of an `include`).
Here its parser only splits the text; references and macros stay inert data, and limits come before the parser.
"""

import io
import re
import textwrap
from collections.abc import Callable

from gin import config_parser

from mixkit.recipe import catalog
from mixkit.recipe.faults import Faults, Place
from mixkit.recipe.limits import TOKENS, LineFault, check, decode, show_token
from mixkit.recipe.splitter import Chunk, chunks
from mixkit.recipe.statements import UNKNOWN, Binding, Import, Include, Macro, Reference, Statement, lost, split_key
from mixkit.registry import REGISTRIES

At = Callable[[int], Place]  # from the number of a line to its place

_IMPORT = re.compile(r"\s*(import|from)\b(?!\s*[=.:/])")
_KEY = re.compile(r"[A-Za-z_][\w./]*")
_VALUES = "A value is a number, 'text', True, False, None, a list or @kind.name()."
_BLOCK = re.compile(r"([A-Za-z_][\w./]*)\s*:")


def parse(content: bytes, at: At, faults: Faults) -> list[Statement]:
    """Everything that a recipe text states, in its order; what is wrong goes into `faults`, by line.

    A binding that cannot be read has the value `UNKNOWN`, and an empty key if not even that is legible.
    """
    text, unreadable = decode(content)
    for line, message in unreadable:
        faults.add(at(line), message)
    if unreadable:
        return [lost(at(1))]
    found: list[Statement] = []
    tokens = 0
    for chunk in chunks(text):
        statements, count = _read(chunk, at, faults)
        found.extend(statements)
        tokens += count
        if tokens > TOKENS:
            faults.add(at(chunk.first), f"there are more than {TOKENS:,} tokens up to here. Write less.")
            return [*found, lost(at(chunk.first))]
    return found


def _read(chunk: Chunk, at: At, faults: Faults) -> tuple[list[Statement], int]:
    place = at(chunk.first)
    try:
        return _parse(chunk, at)
    except LineFault as broken:
        if _IMPORT.match(chunk.text):
            return [Import("", chunk.lines[0].strip(), False, place)], 0
        block = _BLOCK.match(chunk.text)
        if block and len(chunk.lines) > 1:
            before = len(faults)
            found = _read_lines(block[1], chunk, at, faults)
            if len(faults) > before:
                return found, 0
        faults.add(at(broken.line), broken.message)
        key = _KEY.match(chunk.text)
        if not key or key[0] == "include" or key[0].endswith((".", "/")) or (block and "." not in key[0]):
            return [lost(place)], 0
        return [Binding(*split_key(key[0]), UNKNOWN, place)], 0


def _read_lines(header: str, block: Chunk, at: At, faults: Faults) -> list[Statement]:
    """The settings of a faulty block one by one, so that each fault is told."""
    found: list[Statement] = []
    for inner in chunks(textwrap.dedent("".join(block.lines[1:]))):
        line = Chunk(block.first + inner.first, (f"{header}.{inner.lines[0].lstrip()}", *inner.lines[1:]))
        found.extend(_read(line, at, faults)[0])
    return found


def _parse(chunk: Chunk, at: At) -> tuple[list[Statement], int]:
    count, marks = check(chunk)
    found: list[Statement] = []
    in_block = False
    try:
        parser = config_parser.ConfigParser(io.StringIO(chunk.text), _Inert(marks))
        while statement := parser.parse_statement():
            line = chunk.first + statement.location.line_num - 1
            if isinstance(statement, config_parser.BlockDeclaration):
                in_block = True
                continue
            if not in_block and (found or chunk.text[0] in " \t"):
                raise LineFault(line, "the line is indented, but belongs to no block. Start it at the margin.")
            found.append(_statement(statement, at(line)))
    except SyntaxError as error:
        raise _explained(error, chunk) from None
    except TypeError:
        raise LineFault(chunk.first, "a dictionary has a list or a dictionary as a key. Use text or numbers.") from None
    return found, count


def _statement(statement: object, place: Place) -> Statement:
    if isinstance(statement, config_parser.ImportStatement):
        plain = not (statement.is_from or statement.alias)
        return Import(statement.module, statement.format(), plain, place)
    if isinstance(statement, config_parser.IncludeStatement):
        return Include(statement.filename, place)
    assert isinstance(statement, config_parser.BindingStatement)
    if not statement.arg_name:  # NAME = value, a macro
        return Binding(statement.scope, "", statement.selector, statement.value, place)
    return Binding(statement.scope, statement.selector, statement.arg_name, statement.value, place)


class _Inert:
    """Hands references and macros back as data, each with the line on which it stands."""

    def __init__(self, lines: list[int]):
        self._lines = iter(lines)

    def configurable_reference(self, name: str, evaluate: bool) -> Reference:
        scope, _, selector = name.rpartition("/")
        return Reference(scope, selector, evaluate, next(self._lines))

    def macro(self, name: str) -> Macro:
        return Macro(name, next(self._lines))


def _explained(error: SyntaxError, chunk: Chunk) -> LineFault:
    number = min(error.lineno or 1, len(chunk.lines))
    line, text = chunk.first + number - 1, chunk.lines[number - 1]
    here = show_token(text.strip() or "the line")
    rest = show_token(text[error.offset :].strip()) if error.offset is not None else ""
    key, block = _KEY.match(chunk.text), _BLOCK.match(chunk.text)
    token = re.search(r"Failed to parse token '(.*)'$", error.msg, re.DOTALL)
    if token:
        return LineFault(line, _no_value(token[1], key[0] if key else "", chunk.text))
    if block:
        return _explained_block(block[1], chunk, block.end())
    if "file path" in error.msg:
        return LineFault(line, f"{here} names no file. Write include 'size/tiny.gin'.")
    if "Couldn't parse statement" in error.msg and key:
        return LineFault(line, f"no '=' stands behind {show_token(key[0])}. Write key = value.")
    if "scope or selector" in error.msg:
        return LineFault(line, f"{here} is no key. Write scope/section.setting = value, without spaces in the key.")
    if "Expected newline" in error.msg:
        return LineFault(line, f"{rest} stands behind the value. Write one value; there is no arithmetic.")
    if "Unable to parse value" in error.msg:
        return LineFault(line, f"{f'{rest} is no value' if rest else 'a value is missing'}. {_VALUES}")
    return LineFault(line, f"{here} cannot be read. Write key = value. {_VALUES if '=' in here else ''}".rstrip())


def _explained_block(name: str, chunk: Chunk, end: int) -> LineFault:
    same_line = show_token(chunk.lines[0][end:].partition("#")[0].strip())
    if same_line and "." in name:
        return LineFault(chunk.first, f"no '=' stands behind {name}. Write {name} = {same_line}")
    return LineFault(chunk.first, f"the block {name} cannot be read. Write {name}: and, indented below, key = value.")


def _no_value(word: str, key: str, text: str) -> str:
    """What is wrong with a word that is no value, and what was probably meant.

    Args:
        word: the part of it that gin's parser got stuck at.
        key: that it is the value of.
        text: of the whole statement.
    """
    if key in ("task", "recipe.task") and (ways := _task_ways(text)):
        return ways
    if word.lower() in ("true", "false", "none"):
        return f"{word} is no value. Did you mean {word.capitalize()}?"
    named = re.search(rf"(?<![@\w./]){re.escape(word)}\.(\w+)", text) if word in REGISTRIES else None
    if named and named[1] in REGISTRIES[word].names():
        return f"{named[0]} is no value. Write @{named[0]}()."
    if word in (kinds := sorted(REGISTRIES)):
        return f"{word} is no value. A reference is written @{word}.NAME(), and text '{word}'."
    for kind in kinds:
        if word in REGISTRIES[kind].names():
            return f"{word} is no value. Write @{kind}.{word}()."
    hint = f"Put text in quotes: '{word}'." if word.isidentifier() else "Write a number, or text in quotes."
    return f"{show_token(word)} is no value. {hint}"


def _task_ways(text: str) -> str:
    """How to name the task that a statement means, where there is one: `task = folder`, `task = task/folder`."""
    said = re.search(r"=\s*(?:task[./])?(\w+)", text)
    if said is None:
        return ""
    name, fragment = said[1], f"task/{said[1]}"
    ways = [f"--with {fragment} on the command line"] if fragment in catalog.fragments() else []
    ways += [f"recipe.task = @task.{name}() in a recipe"] if name in REGISTRIES["task"].names() else []
    return f"{name} is no value. Write {', or '.join(ways)}." if ways else ""
