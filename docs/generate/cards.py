"""A card for each operator: what it mixes, as a picture and in words; settings, cost, source."""

import inspect
import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import matplotlib
import torch
from matplotlib.style import context
from torch.utils.flop_counter import FlopCounterMode

import mixkit
from mixkit.conformance import checks
from mixkit.looking import Influence, influences
from mixkit.model.site import Grid, Site
from mixkit.operators import mixes_of
from mixkit.registry import Entry, Spec, operator
from mixkit.report.look import mixing, shares
from mixkit.values import describe, show

PLACES = {
    "tiny": Site(Grid(12, 19), width=96, depth=4),
    "base": Site(Grid(12, 50), width=768, depth=12),
}
DRAWN = ("model.width = 64", "model.depth = 4")  # a small network: a picture takes a second
LAYERS = (0, 3)
MARKS = {"check_autocast": "bf16", "check_compile": "torch.compile", "check_export": "torch.export"}
SECTION = re.compile(r"^(Shape|Args|Raises|Returns|Paper|Differs):", re.M)


def nav() -> list[Any]:
    """The cards, as the navigation lists them."""
    return ["operators/index.md", *({name: f"operators/{name}.md"} for name in operator.names())]


def pages() -> Iterator[tuple[str, str | bytes]]:
    """Every card with its pictures, and a page of them all."""
    found = {name: _looked_at(name) for name in operator.names()}
    yield "operators/index.md", _index()
    for name, seen in found.items():
        for scheme in ("light", "dark"):
            yield f"operators/{name}-{scheme}.png", _picture(seen, scheme)
        yield f"operators/{name}.md", _card(operator.entry(name), shares(seen))


def _index() -> str:
    rows = "\n".join(
        f"| [`{name}`]({name}.md) | {_axes(name)} | {_parameters(name, 'base'):,} | {operator.entry(name).summary} |"
        for name in operator.names()
    )
    promises = "\n".join(
        f"- **{check.__name__.removeprefix('check_')}**: {inspect.cleandoc(check.__doc__ or '').split(chr(10) * 2)[0]}"
        for check in checks("operator")
    )
    return f"""# Operators

What can stand in `block.branches`, made from the registry when this site is built. An operator gets the tokens of a
spectrogram, `b n c`, and gives back as many. Norm, residual and drop path belong to the block around it. Your own are
written [in twenty lines](../plugins.md).

| operator | mixes | parameters at base | |
| --- | --- | ---: | --- |
{rows}

## What every operator holds

Tests run these checks over the whole registry, and `mixkit check` runs them over yours:

{promises}
"""


def _card(entry: Entry, heard: str) -> str:
    name, text = entry.name, _sections(entry)
    spec = operator.spec(name)
    paper = text.get("Paper", entry.facts["paper"])
    parts = [
        f"# {name}\n\n{text['']}",
        f"**Shape** {text.get('Shape', '`b n c -> b n c`')}",
        f"**Mixes** {_axes(name)}",
        f"```gin\nblock.branches = [@operator.{name}()]\n```",
        f"![What one token hears through {name}]({name}-light.png#only-light)\n"
        f"![What one token hears through {name}]({name}-dark.png#only-dark)\n",
        "Above, the grid of patches: how much the token marked x depends on each. Below, its channels: how much each "
        "of those put out depends on each put in. Weights are fresh, the input is noise, the network is 64 wide and "
        "4 deep. "
        f"Of what the outputs depend on, {heard.partition(': ')[2]} (mean over tokens and over layers "
        f"{LAYERS[0]} and {LAYERS[1]}).",
        "## Settings\n\n" + _settings(entry, text.get("Args", "")),
        "## Cost\n\n" + _cost(name),
    ]
    if "Raises" in text:
        parts.append("## Refuses\n\n" + _listed(text["Raises"]))
    if paper:
        parts.append(f"## Paper\n\n{paper}")
    if "Differs" in text:
        parts.append(f"## Differs\n\n{text['Differs']}")
    parts.append("## Tested\n\n" + _marks() + f"\n\nAs a spec, with every default: `{spec}`.")
    return "\n\n".join(parts) + "\n"


def _sections(entry: Entry) -> dict[str, str]:
    """The docstring by its sections; what stands ahead of them all has the name ''."""
    pieces = SECTION.split(inspect.cleandoc(entry.target.__doc__ or ""))
    found = {"": pieces[0].strip()}
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        found[title] = inspect.cleandoc(f"\n{body}") if body.startswith("\n") else " ".join(body.split())
    return found


def _described(section: str) -> dict[str, str]:
    """What a docstring says of each name in a section."""
    entries = re.split(r"^(\w+): ", section, flags=re.M)
    return {name: " ".join(body.split()) for name, body in zip(entries[1::2], entries[2::2], strict=True)}


def _listed(section: str) -> str:
    return "\n".join(f"- {text[0].upper()}{text[1:]}" for text in _described(section).values())


def _settings(entry: Entry, section: str) -> str:
    if not entry.settings:
        return "None."
    said = _described(section)
    rows = (
        f"| `{s.name}` | `{show(s.default)}` | {describe(s.annotation).replace('|', ' or ')} | {said.get(s.name, '')} |"
        for s in entry.settings
    )
    return "| setting | default | takes | |\n| --- | --- | --- | --- |\n" + "\n".join(rows)


def _cost(name: str) -> str:
    rows = []
    for size, site in PLACES.items():
        flops = _flops(name, size) / 1e6
        grid = f"{site.grid.frequency} x {site.grid.time} tokens of {site.width}"
        rows.append(f"| {size} | {grid} | {_parameters(name, size):,} | {flops:,.1f} |")
    return (
        "One operator, one clip, forward. A multiply-add of a matrix product counts two; what moves values or bends "
        "them counts nothing.\n\n| size | grid | parameters | MFLOP |\n| --- | --- | ---: | ---: |\n" + "\n".join(rows)
    )


def _marks() -> str:
    known = {check.__name__ for check in checks("operator")}
    marks = " · ".join(f"✓ {mark}" for check, mark in MARKS.items() if check in known)
    return f"{marks} · and [all else that every operator holds](index.md#what-every-operator-holds)."


def _axes(name: str) -> str:
    return ", ".join(sorted(mixes_of(operator.spec(name)))) or "nothing"


def _spec(name: str, size: str) -> Spec:
    """The operator with the settings that the fragment of this size gives it."""
    recipe = mixkit.load_recipe("asm_rh", [f"size/{size}"], [f"block.branches = [@operator.{name}()]"])
    return recipe.model.pattern[0].branches[0].operators[0]


def _parameters(name: str, size: str) -> int:
    with torch.device("meta"):
        module = operator.build(_spec(name, size), PLACES[size])
    return sum(parameter.numel() for parameter in module.parameters())


def _flops(name: str, size: str) -> int:
    site = PLACES[size]
    counter = FlopCounterMode(display=False)
    with torch.device("meta"), counter, torch.no_grad():
        operator.build(_spec(name, size), site).eval()(torch.empty(1, site.tokens, site.width))
    return int(counter.get_total_flops())


def _looked_at(name: str) -> list[Influence]:
    recipe = mixkit.load_recipe("asm_rh", settings=[f"block.branches = [@operator.{name}()]", *DRAWN])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = mixkit.build(recipe, 10)
    return list(influences(model, None, None, LAYERS))


def _picture(seen: list[Influence], scheme: str) -> bytes:
    content = BytesIO()
    with matplotlib.rc_context(), context("dark_background" if scheme == "dark" else "default"):
        figure = mixing(seen)
        figure.set_size_inches(7, 5)
        figure.savefig(content, format="png", dpi=90, transparent=True)
    return content.getvalue()
