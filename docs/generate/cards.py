"""A card for each operator: what it mixes, as a picture and in words; settings, cost, source."""

import inspect
import math
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import matplotlib
import torch
from matplotlib.style import context
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import mixkit
import mixkit.model.cost  # it tells the counter of transforms
from mixkit.conformance import checks
from mixkit.explain.influence import Influence, influences
from mixkit.explain.plots import mixing, shares
from mixkit.model.formulas import COSTS, cost, formulas
from mixkit.operators import AXES, mixes_of
from mixkit.registry import Entry, Grid, Site, Spec, operator
from mixkit.registry.docstring import described, meanings, sections
from mixkit.values import describe, show

PLACES = {
    "tiny": Site(Grid(12, 19), width=96, depth=4),
    "base": Site(Grid(12, 50), width=768, depth=12),
}
DRAWN = ("model.width = 64", "model.depth = 4")  # a small network: a picture takes a second
LAYERS = (0, 3)
MARKS = {"check_autocast": "bf16", "check_compile": "torch.compile", "check_export": "torch.export"}
SITE = "In the formulas `f` and `t` are the rows and columns of the grid, `n` its tokens with any prefix, `c` the width"


def nav() -> list[Any]:
    """The cards, as the navigation lists them."""
    return ["operators/index.md", *({name: f"operators/{name}.md"} for name in operator.names())]


def pages() -> Iterator[tuple[str, str | bytes]]:
    """Every card with its pictures, and a page of them all."""
    yield "operators/index.md", _index()
    for name in operator.names():
        seen, fresh = _looked_at(name)
        for scheme in ("light", "dark"):
            yield f"operators/{name}-{scheme}.png", _picture(seen, scheme)
        yield f"operators/{name}.md", _card(operator.entry(name), shares(seen) + _hidden(name, seen), fresh)


def _index() -> str:
    rows = "\n".join(
        f"| [`{name}`]({name}.md)<br>{operator.entry(name).summary} | {_axes(name)} | {parameters:,} |"
        for name, parameters in ((name, _measured(name, "base")["parameters"]) for name in operator.names())
    )
    promises = "\n".join(
        f"- **{check.__name__.removeprefix('check_')}**: {inspect.cleandoc(check.__doc__ or '').split(chr(10) * 2)[0]}"
        for check in checks("operator")
    )
    return f"""# Operators

What can stand in `block.branches`, made from the registry when this site is built. An operator gets the tokens of a
spectrogram, `b n c`, and gives back as many. Norm, residual and drop path belong to the block around it. Your own are
written [in twenty lines](../plugins.md). With the same weights they give what timm's, transformers' and their authors'
code gives: [how nearly](../parity.md).

| operator | mixes | parameters at base |
| --- | --- | ---: |
{rows}

## What every operator holds

Tests run these checks over the whole registry, and `mixkit check` runs them over yours:

{promises}
"""


def _card(entry: Entry, shared: str, fresh: str) -> str:
    name, text = entry.name, sections(entry)
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
        f"of those put out depends on each put in. {fresh}, the input is noise, the network is 64 wide and 4 deep. "
        f"Of what the outputs depend on, mean over tokens and over layers {LAYERS[0]} and {LAYERS[1]}, "
        f"{shared.partition(': ')[2]}.",
        f"## Equation\n\n``` {{.text .equation}}\n{text['Equation']}\n```" if "Equation" in text else "",
        "## Settings\n\n" + settings(entry),
        "## Cost\n\n" + _formulas(entry) + _cost(name),
    ]
    if "Raises" in text:
        parts.append("## Refuses\n\n" + _listed(text["Raises"]))
    if paper:
        parts.append(f"## Paper\n\n{paper}")
    if "Differs" in text:
        parts.append(f"## Differs\n\n{heading(text['Differs'])}")
    parts.append("## Tested\n\n" + _marks() + f"\n\nAs a spec, with every default: `{spec}`.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _listed(section: str) -> str:
    return "\n".join(f"- {heading(text)}" for text in described(section).values())


def heading(text: str) -> str:
    """Text that begins with a capital."""
    return text[:1].upper() + text[1:]


def settings(entry: Entry) -> str:
    """A table of the settings, with what the docstring's `Args:` says of them."""
    if not entry.settings:
        return "No settings."
    said = meanings(entry)
    rows = []
    for setting in entry.settings:
        takes = heading(describe(setting.annotation)).replace("|", " or ")
        meaning = heading(said.get(setting.name, ""))
        rows.append(f"| `{setting.name}` | `{show(setting.default)}` | {meaning}<br>*{takes}.* |")
    return "| setting | default | |\n| --- | --- | --- |\n" + "\n".join(rows)


def _formulas(entry: Entry) -> str:
    """The formulas of the docstring; those of letters, behind those of the cost."""
    lines = sorted(formulas(entry), key=lambda line: line.name not in COSTS)
    if not lines:
        return ""
    rows = [[line.name, f"`{_readable(line.text)}`", line.meaning] for line in lines]
    width = 3 if any(line.meaning for line in lines) else 2
    head = [["", "formula", ""], ["---"] * 3]
    table = "\n".join(f"| {' | '.join(row[:width])} |" for row in [*head, *rows])
    return f"{table}\n\n{SITE}; settings stand by their names.\n\n"


def _readable(formula: str) -> str:
    return formula.replace("**2", "²").replace("*", "·")


def _cost(name: str) -> str:
    rows = []
    for size, site in PLACES.items():
        measured = _measured(name, size)
        grid = f"{site.grid.frequency} x {site.grid.time} tokens of {site.width}"
        rows.append(f"| {size} | {grid} | {measured['parameters']:,} | {measured['FLOPs'] / 1e6:,.1f} |")
    return (
        "One operator, one clip, forward. A multiply-add of a matrix product counts two; what moves values "
        "or activates them counts nothing.\n\n| size | grid | parameters | MFLOP |\n| --- | --- | ---: | ---: |\n"
        + "\n".join(rows)
    )


def _marks() -> str:
    known = {check.__name__ for check in checks("operator")}
    marks = " · ".join(f"✓ {mark}" for check, mark in MARKS.items() if check in known)
    return f"{marks} · and [all else that every operator holds](index.md#what-every-operator-holds)."


def _axes(name: str) -> str:
    return ", ".join(sorted(mixes_of(operator.spec(name)), key=AXES.index)) or "nothing"


def _spec(name: str, size: str) -> Spec:
    """The operator with the settings that the fragment of this size gives it."""
    recipe = mixkit.load_recipe("asm_rh", [f"size/{size}"], [f"block.branches = [@operator.{name}()]"])
    return recipe.model.pattern[0].branches[0].operators[0]


def _measured(name: str, size: str) -> dict[str, int]:
    """Parameters and FLOPs of the operator at a size, held against the formulas of its docstring."""
    spec, site, counter = _spec(name, size), PLACES[size], FlopCounterMode(display=False)
    with torch.device("meta"), counter, torch.no_grad():
        module = operator.build(spec, site).eval()
        module(torch.empty(1, site.tokens, site.width))
    parameters = sum(parameter.numel() for parameter in module.parameters())
    measured = {"parameters": parameters, "FLOPs": int(counter.get_total_flops())}
    if formulas(operator.entry(name)):
        assert cost(spec, site) == measured
    return measured


def _looked_at(name: str) -> tuple[list[Influence], str]:
    """What it mixes, and what its weights are then; at their start those of a gate would hide that it mixes."""
    recipe = mixkit.load_recipe("asm_rh", settings=[f"block.branches = [@operator.{name}()]", *DRAWN])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = mixkit.build(recipe, 10)
        asleep = [weight for weight in model.mixer.blocks.parameters() if weight.ndim > 1 and weight.std() < 1e-3]
        for weight in asleep:
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5))  # as those of any linear map
    fresh = "Weights are fresh"
    return list(influences(model, None, None, LAYERS)), (
        f"{fresh}, but those that begin at almost nothing are drawn as the others are" if asleep else fresh
    )


def _hidden(name: str, seen: list[Influence]) -> str:
    """Which axes it mixes though the shares do not show it, as a sentence."""
    share = {"frequency": "other frequencies", "time": "other times", "channel": "other channels"}
    mixed = sorted(mixes_of(operator.spec(name)), key=AXES.index)
    hidden = [axis for axis in mixed if sum(one.shares[share[axis]] for one in seen) / len(seen) < 0.005]
    if not hidden:
        return ""
    return f". Along {' and '.join(hidden)} it mixes as well, at few places or in other layers than these"


def _picture(seen: list[Influence], scheme: str) -> bytes:
    content = BytesIO()
    with matplotlib.rc_context(), context("dark_background" if scheme == "dark" else "default"):
        figure = mixing(seen)
        figure.set_size_inches(7, 5)
        figure.savefig(content, format="png", dpi=90, transparent=True)
    return content.getvalue()
