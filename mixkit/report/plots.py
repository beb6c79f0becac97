"""Plots of a comparison: differences with their intervals, accuracy against cost, and learning curves."""

import textwrap
from collections.abc import Sequence

import matplotlib
import matplotlib.ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from mixkit.recipe.figures import Figure as Shown
from mixkit.report.captions import stamps
from mixkit.report.comparison import Comparison, Row
from mixkit.runs.records import Epoch

WIDE, NARROW = 7.6, 3.6  # inches: a page, and a telephone
NAMED = 5  # arms whose names have room beside their points; more are numbered


GROUND, INK, FAINT, GREY, BLUE, ORANGE = "#ffffff", "#1f2429", "#c9ced3", "#9aa2a9", "#22638f", "#b8610f"
DARK = {GROUND: "#14171a", INK: "#e6e8ea", FAINT: "#4b5157", GREY: "#8d959c", BLUE: "#6cb2dd", ORANGE: "#eea25a"}
"""What each colour becomes on a dark ground."""


def forest(comparison: Comparison, width: float = WIDE) -> Figure:
    """The difference of every arm to the base in the first figure: each pair, their mean and its 95 % interval."""
    compared, shown = comparison.compared, comparison.figure(comparison.headline)
    figure = Figure(figsize=(width, 0.42 * len(compared) + 1.05), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=INK, linewidth=1)
    for place, (_, pairs) in enumerate(compared):
        low, high = pairs.pairs.low, pairs.pairs.high
        if low is not None and high is not None:
            ends = [shown.scale * low, shown.scale * high]
            axes.plot(ends, [place, place], color=BLUE, linewidth=2.4, solid_capstyle="butt")
        singles = [shown.scale * value for value in pairs.each]
        axes.plot(singles, [place + 0.22] * len(singles), "o", color=GREY, markersize=3.2)
        axes.plot(shown.scale * pairs.pairs.mean, place, "D", color=BLUE, markersize=6)
    names = [_folded(row.arm.name, width) for row, _ in compared]
    axes.set_yticks(range(len(compared)), names)
    axes.set_ylim(len(compared) - 0.4, -0.6)
    base = _short(comparison.rows[0].arm.name, 30 if width > NARROW else 13)
    points = "points " if shown.percent else ""
    axes.set_xlabel(f"{shown.title}, {points}above or below {base}")
    dress(axes, "x")
    axes.tick_params(axis="y", length=0)
    _stamp(figure, comparison, width)
    return figure


def against_cost(comparison: Comparison, width: float = WIDE) -> Figure:
    """The first figure over parameters, and over operations where they are known: small and right is up and left."""
    known = [row for row in comparison.rows if row.figures[comparison.headline] and row.cost.parameters]
    panels = [("parameters", "parameters")]
    if any(row.cost.flops for row in known):
        panels.append(("flops", "FLOP for a clip"))
    beside, numbered = width > NARROW, len(known) > NAMED
    shape, columns = ((1, len(panels)), 3) if beside else ((len(panels), 1), 1)
    high = 3.1 if beside else 2.7 * len(panels)
    rows = len(known) / columns if numbered else 0  # of names below
    figure = Figure(figsize=(width, high + max(0, 0.17 * (rows - 6))), layout="constrained")
    grid = figure.subplots(*shape, squeeze=False).ravel()
    for axes, (cost, label) in zip(grid, panels, strict=True):
        for number, row in enumerate(known, 1):
            _point(
                axes, comparison, row, getattr(row.cost, cost), str(number) if numbered else _short(row.arm.name, 18)
            )
        axes.set_xscale("log")
        axes.margins(0.3, 0.16)
        axes.set_xlabel(label)
        axes.set_ylabel(comparison.figure(comparison.headline).heading)
        axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: amount(value)))
        axes.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
        axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(4, steps=[1, 2, 5, 10]))
        axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
        dress(axes, "both")
    if numbered:
        longest = 32 if beside else 40
        names = [f"{number}  {_short(row.arm.name, longest)}" for number, row in enumerate(known, 1)]
        keys = [Line2D([], [], linestyle="", label=name) for name in names]
        figure.legend(
            handles=keys,
            loc="outside lower left",
            ncols=columns,
            frameon=False,
            fontsize=8,
            labelcolor=INK,
            handlelength=0,
            handletextpad=0,
        )
    _stamp(figure, comparison, width)
    return figure


def learning(runs: Sequence[Sequence[Epoch]], shown: Shown, width: float = WIDE) -> Figure:
    """Loss and a figure on validation of the runs of an arm, epoch by epoch, a line a run."""
    beside = width > NARROW
    figure = Figure(figsize=(width, 2.5 if beside else 4.2), layout="constrained")
    losses, shares = figure.subplots(1, 2) if beside else figure.subplots(2, 1)
    for number, records in enumerate(runs):
        epochs = [record.epoch for record in records]
        marker = "o" if len(epochs) == 1 else None
        for axes, values, colour, label in (
            (losses, [record.train_loss for record in records], BLUE, "training"),
            (losses, [record.valid_loss for record in records], ORANGE, "validation"),
            (shares, [shown.scale * record.valid for record in records], ORANGE, "validation"),
        ):
            axes.plot(
                epochs, values, color=colour, marker=marker, linewidth=1.3, alpha=0.8, label=None if number else label
            )
    losses.set_ylabel("loss")
    shares.set_ylabel(shown.heading)
    losses.set_ylim(bottom=0)
    for axes in (losses, shares):
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        dress(axes, "y")
        axes.legend(frameon=False, fontsize=8, labelcolor=INK)
    return figure


def darken(svg: bytes) -> bytes:
    """An SVG figure for a dark ground."""
    for light, dark in DARK.items():
        svg = svg.replace(light.encode(), dark.encode())
    return svg


def _point(axes: Axes, comparison: Comparison, row: Row, cost: float | None, name: str) -> None:
    found, is_base, scale = (
        row.figures[comparison.headline],
        row is comparison.rows[0],
        comparison.figure(comparison.headline).scale,
    )
    if found is None or not cost:
        return
    colour = ORANGE if is_base else BLUE
    if found.low is not None and found.high is not None:
        axes.plot([cost, cost], [scale * found.low, scale * found.high], color=colour, linewidth=1.6, alpha=0.7)
    axes.plot(cost, scale * found.mean, "D" if is_base else "o", color=colour, markersize=6)
    axes.annotate(
        name,
        (cost, scale * found.mean),
        (7, 4),
        textcoords="offset points",
        fontsize=8,
        color=INK,
        path_effects=[withStroke(linewidth=2.5, foreground=GROUND)],
    )


def _stamp(figure: Figure, comparison: Comparison, width: float) -> None:
    """What must not be overlooked, above: a figure is copied without the text around it."""
    lines = [textwrap.fill(stamp, 110 if width > NARROW else 50) for stamp in stamps(comparison.by_arm)]
    if lines:
        figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=8, color=ORANGE)


def dress(axes: Axes, grid: str) -> None:
    """The look of all plots; `grid` names the axes that have lines across: `x`, `y` or `both`."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=9, color=FAINT)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.grid(axis=grid, color=FAINT, linewidth=0.5, alpha=0.6)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.patch.set_alpha(0)


def amount(value: float) -> str:
    """A number of weights or operations as an axis tells it: `1.2 M`."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g}"


def _folded(name: str, width: float) -> str:
    """A name beside an axis: in one line on a page, in two on a telephone."""
    if width > NARROW:
        return _short(name, 30)
    return "\n".join(textwrap.wrap(name, 17, max_lines=2, placeholder="…"))


def _short(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
