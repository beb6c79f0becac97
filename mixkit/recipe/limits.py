"""What a recipe text may hold: bounds that keep parsing quick, and literals that mean one thing only."""

import ast
import io
import math
import re
import tokenize

from mixkit.recipe.splitter import Chunk
from mixkit.values import show

BYTES = 256 * 1024
TOKENS = 100_000
NESTING = 32
ADJACENT = 64  # gin joins adjacent strings one by one, in quadratic time
NAME = 200
DIGITS = 40
LARGEST = 2**63 - 1

# Control characters, and the marks that make text read otherwise than it is stored.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_BEYOND_BYTE = re.compile(r"\\[4-7][0-7][0-7]")
_KNOWN_ESCAPES = frozenset("\n\\'\"abfnrtvxNuU01234567")
_CLOSES = {"(": ")", "[": "]", "{": "}"}


class LineFault(Exception):
    """A statement that cannot be taken: the line of the file, and why."""

    def __init__(self, line: int, message: str):
        super().__init__(line, message)
        self.line = line
        self.message = message


def decode(content: bytes) -> tuple[str, list[tuple[int, str]]]:
    """The text of a recipe, and what is wrong with its characters, as (line, message)."""
    if len(content) > BYTES:
        return "", [(1, f"the file has {len(content):,} bytes. A recipe has at most {BYTES:,}.")]
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return "", [(line, f"byte 0x{content[error.start]:02x} is not UTF-8. Save the file as UTF-8 text.")]
    hidden = [
        (number, f"the character {show(found.group())} does not belong in a recipe. Remove it.")
        for number, line in enumerate(text.split("\n"), 1)
        if (found := _HIDDEN.search(line))
    ]
    return text, hidden


def check(statement: Chunk) -> tuple[int, list[int]]:
    """Goes through the tokens of a statement.

    Returns:
        How many there are, and the line of each reference and macro.

    Raises:
        LineFault: a bound is passed, a bracket or quote does not close, or a literal has no place in a recipe.
    """
    brackets: list[tuple[str, int]] = []
    marks: list[int] = []
    count = strings = letters = 0
    end = (0, 0)
    try:
        for token in tokenize.generate_tokens(io.StringIO(statement.text).readline):
            count += 1
            line = statement.first + token.start[0] - 1
            marks += [line] if token.string in ("@", "%") else []
            name = tokenize.tok_name[token.type]
            if count > TOKENS:
                raise LineFault(line, f"a value of more than {TOKENS:,} tokens. Write less.")
            strings = _adjacent(token, line, strings)
            part = name == "NAME" or token.string in ("/", ".")
            letters = (letters if token.start == end else 0) + len(token.string) if part else 0
            end = token.end
            if letters > NAME:
                raise LineFault(line, f"a name of more than {NAME} characters. Write a shorter one.")
            if name == "ERRORTOKEN" or token.string in ("$", "?", "!", "`"):  # the marks: Python 3.12
                _stray(token.string, line)
            elif name == "OP":
                _match(token.string, line, brackets)
            elif name == "NUMBER":
                _number(token.string, line)
            elif name in ("STRING", "FSTRING_START", "TSTRING_START"):  # the last two: Python 3.12 and 3.14
                _string(token.string, line)
    except (tokenize.TokenError, SyntaxError) as error:
        raise _broken(error, brackets, statement.first) from None
    return count, marks


def _adjacent(token: tokenize.TokenInfo, line: int, before: int) -> int:
    if token.type == tokenize.STRING:
        if before >= ADJACENT:
            raise LineFault(line, f"more than {ADJACENT} strings stand side by side. Write one string.")
        return before + 1
    return before if token.type in (tokenize.NL, tokenize.COMMENT) else 0


def _match(mark: str, line: int, brackets: list[tuple[str, int]]) -> None:
    if mark in _CLOSES:
        brackets.append((mark, line))
        if len(brackets) > NESTING:
            raise LineFault(line, f"brackets are nested more than {NESTING} deep. Write less in one value.")
    elif mark in _CLOSES.values():
        if not brackets:
            raise LineFault(line, f"{mark!r} closes no bracket. Remove it.")
        opened, where = brackets.pop()
        if _CLOSES[opened] != mark:
            raise LineFault(line, f"{mark!r} closes the {opened!r} of line {where}. Use {_CLOSES[opened]!r}.")


def _stray(mark: str, line: int) -> None:
    if mark in "'\"":
        raise LineFault(line, "a quote is never closed. Close it.")
    if mark.strip(" \t"):
        raise LineFault(line, f"{mark} has no place here. Put text in quotes.")


def _number(text: str, line: int) -> None:
    if len(text) > DIGITS:
        raise LineFault(line, f"a number of {len(text):,} digits. Numbers have at most {DIGITS}.")
    value = ast.literal_eval(text)
    if isinstance(value, complex):
        raise LineFault(line, f"{text} is a complex number. A recipe holds real ones.")
    if isinstance(value, float) and not math.isfinite(value):
        raise LineFault(line, f"{text} is too large to be a finite number. Use one below 1.8e308.")
    if isinstance(value, int) and value > LARGEST:
        raise LineFault(line, f"{text} does not fit into 64 bits. Use at most {LARGEST}.")


def _string(text: str, line: int) -> None:
    prefix = text[: min((text.find(quote) for quote in "'\"" if quote in text), default=0)].lower()
    if "b" in prefix:
        raise LineFault(line, f"{show_token(text)} is bytes. Write text, without the b.")
    if "f" in prefix or "t" in prefix:
        raise LineFault(line, f"an {prefix}-string is filled in by code. Write plain text.")
    if "r" in prefix:
        return
    for escape in _ESCAPE.finditer(text):
        if escape[1] not in _KNOWN_ESCAPES or _BEYOND_BYTE.match(text, escape.start()):
            raise LineFault(
                line, f"{escape[0]} in {show_token(text)} is no escape. Write \\{escape[0]} for a backslash."
            )


def show_token(text: str) -> str:
    """A piece of a recipe as it stands there, cut to a readable length."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def _broken(error: tokenize.TokenError | SyntaxError, brackets: list[tuple[str, int]], first: int) -> LineFault:
    if brackets:
        mark, line = brackets[-1]
        return LineFault(line, f"a {mark!r} is never closed. Close it with {_CLOSES[mark]!r}.")
    line = first - 1 + ((error.lineno if isinstance(error, SyntaxError) else error.args[1][0]) or 1)
    if isinstance(error, IndentationError):
        return LineFault(line, "this line is indented by another depth than the lines above. Align them.")
    if "string" in str(error.args[0]):
        return LineFault(line, "a quote is never closed. Close it.")
    return LineFault(line, f"cannot be read ({error.args[0]}). Write key = value.")
