"""What an operator costs, by the formulas of its docstring: known before anything is built."""

import ast
import math
import operator as arithmetic
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mixkit.errors import MixkitError
from mixkit.registry import Entry, Grid, Site, Spec, operator
from mixkit.registry.docstring import described, sections

COSTS = ("parameters", "FLOPs")
SIGNS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: arithmetic.add,
    ast.Sub: arithmetic.sub,
    ast.Mult: arithmetic.mul,
    ast.FloorDiv: arithmetic.floordiv,
    ast.Pow: arithmetic.pow,
}


@dataclass(frozen=True)
class Formula:
    """A line of a `Cost:` section, such as `h: hidden or round(expansion*c)  # hidden units`.

    Args:
        name: what is computed: `parameters`, `FLOPs`, or a letter that other lines use.
        text: an expression in the letters of the site, the settings, and the letters of other lines.
        meaning: the letter, in words.
    """

    name: str
    text: str
    meaning: str = ""


def formulas(entry: Entry) -> tuple[Formula, ...]:
    """The lines of an operator's `Cost:`; none where it says nothing of it."""
    said = described(sections(entry).get("Cost", ""))
    lines = ((name, *text.partition("#")) for name, text in said.items())
    return tuple(Formula(name, expression.strip(), meaning.strip()) for name, expression, _, meaning in lines)


def cost(spec: Spec, site: Site) -> dict[str, int]:
    """What an operator costs on a site for one clip forward, by the formulas of its docstring.

    The formulas know f, t, n and c of the site, every setting by its name, `min`, `length(axes)`, `product(sizes)`,
    `fft(lengths)` of a transform of real values, and `cost(specs)` of operators inside, there on a grid of one row `n`
    long or with a width `c` where it is given.

    Returns:
        Numbers for `parameters` and `FLOPs`.

    Raises:
        MixkitError: a formula is missing, or cannot be computed.
    """
    lines = formulas(operator.entry(spec.name))
    missing = [name for name in COSTS if name not in {line.name for line in lines}]
    if missing:
        raise MixkitError(
            f"operator {spec.name!r} has no formula for {missing[0]}. Write it under Cost: in its docstring."
        )
    return {name: _computed(name, lines, spec, site) for name in COSTS}


def fft(*lengths: int) -> int:
    """FLOPs of a Fourier transform of real values: 5/2 m log₂ m for a row m long along the last axis.

    Along the others it is 5 m log₂ m, as usual for complex values, for half of the frequencies of the last one.

    Args:
        lengths: of the axes.
    """
    *others, last = lengths
    rows = math.prod(others)
    half = last // 2 + 1
    along_others = sum(half * rows // length * round(5 * length * math.log2(length)) for length in others)
    return rows * round(2.5 * last * math.log2(last)) + along_others


def _computed(asked: str, lines: Iterable[Formula], spec: Spec, site: Site) -> int:
    letters = {"f": site.grid.frequency, "t": site.grid.time, "n": site.tokens, "c": site.width}
    names: dict[str, Any] = {**spec.params, **letters, "round": round, "min": min}
    names |= {"length": _length(site), "product": math.prod, "fft": fft, "cost": _inside(asked, site)}
    for line in sorted(lines, key=lambda line: line.name in COSTS):
        if line.name in COSTS and line.name != asked:
            continue
        try:
            names[line.name] = _value(ast.parse(line.text, mode="eval").body, names)
        except (SyntaxError, NameError, TypeError, IndexError, ArithmeticError) as error:
            fault = error.msg if isinstance(error, SyntaxError) else error
            raise MixkitError(
                f"operator {spec.name!r} has a formula that cannot be computed, {line.name}: {line.text} ({fault}). "
                "It takes f, t, n, c, the settings, and letters with a line of their own."
            ) from error
    return int(names[asked])


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Of arithmetic, conditions, and calls of what has a name; all else is no formula, and is not computed."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            if name not in names:
                raise NameError(f"name {name!r} is not defined")
            return names[name]
        case ast.Subscript(value=row, slice=ast.Constant(value=place)):
            return _value(row, names)[place]
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in SIGNS:
            return SIGNS[type(sign)](_value(left, names), _value(right, names))
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            return _value(left, names) == _value(right, names)
        case ast.BoolOp(op=ast.Or(), values=choices):
            return next((found for choice in choices if (found := _value(choice, names))), 0)
        case ast.IfExp(test=test, body=body, orelse=other):
            return _value(body if _value(test, names) else other, names)
        case ast.Subscript(value=several, slice=ast.Constant(value=int(place))):
            return _value(several, names)[place]
        case ast.Call(func=ast.Name(), args=arguments, keywords=named):
            settings = {str(one.arg): _value(one.value, names) for one in named}
            return _value(node.func, names)(*(_value(one, names) for one in arguments), **settings)
    raise TypeError(f"{ast.unparse(node)} is no part of a formula")


def _length(site: Site) -> Callable[[Collection[str]], int]:
    """How many values stand along axes together: a prefix stands along frequency and time together."""

    def length(axes: Collection[str]) -> int:
        whole = "frequency" in axes and "time" in axes
        along = site.tokens if whole else site.grid.frequency if "frequency" in axes else site.grid.time
        return (along if {"frequency", "time"} & set(axes) else 1) * (site.width if "channel" in axes else 1)

    return length


def _inside(asked: str, site: Site) -> Callable[..., int]:
    def inside(specs: Iterable[Spec], n: int | None = None, c: int | None = None) -> int:
        placed = replace(site, width=c or site.width)
        placed = replace(placed, grid=Grid(1, n), prefix=0) if n else placed
        return sum(cost(spec, placed)[asked] for spec in specs)

    return inside
