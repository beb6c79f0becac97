"""Pictures of what operators mix, and of how much each branch changes."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from mixkit.errors import printable
from mixkit.explain.influence import Change, Influence

WIDEST = 24.0  # inches of a picture
MARK = "#4cc9f0"
COLOURS = ("#2a6f97", "#d9822b", "#4c956c", "#8d5a97", "#777777")


def mixing(found: Sequence[Influence]) -> Figure:
    """One operator in several layers: which tokens one hears, from how far tokens hear, and which channels."""
    wide = len(found)
    figure = Figure(figsize=(1.2 + 2.9 * wide, 8.6), layout="constrained")
    rows: Any = figure.subplots(3, wide, squeeze=False, height_ratios=[1, 1, 1.6])
    for column, one in enumerate(found):
        _grid(rows[0][column], one)
        _offsets(rows[1][column], one)
        _channels(rows[2][column], one)
        if column:
            for row in rows:
                row[column].set_ylabel("")
    figure.suptitle(f"{printable(found[0].name)}\nwhat is heard where; bright is much", x=0.01, ha="left")
    return figure


def shares(found: Sequence[Influence]) -> str:
    """The same in a line: where what comes out comes from, mean over layers."""
    mean = {key: sum(one.shares[key] for one in found) / len(found) for key in found[0].shares}
    return (
        f"{found[0].name}: {mean['own token']:.0%} from the same token, {mean['other times']:.0%} from other times, "
        f"{mean['other frequencies']:.0%} from other frequencies; {mean['other channels']:.0%} from other channels"
    )


def used(changes: Sequence[Change]) -> Figure:
    """How much every branch changes its input, layer by layer."""
    names = list(dict.fromkeys(change.name for change in changes))
    depth = 1 + max(change.layer for change in changes)
    figure = Figure(figsize=(min(max(6.0, 1.5 + 0.7 * depth), WIDEST), 3.8), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(names)
    for number, name in enumerate(names):
        own = [change for change in changes if change.name == name]
        places = [change.layer + (number - (len(names) - 1) / 2) * width for change in own]
        colour = COLOURS[number % len(COLOURS)]
        # a label that begins with _ would be left out of the legend
        axes.bar(places, [change.ratio for change in own], width, color=colour, label=f" {printable(name)}")
    axes.set_xlabel("layer")
    axes.set_ylabel("norm of the change / norm of the input")
    axes.xaxis.set_major_locator(MaxNLocator(32, integer=True))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle("How much each branch changes what passes by it", x=0.01, ha="left")
    return figure


def _grid(axes: Axes, one: Influence) -> None:
    table = one.grid / (one.grid.max() or 1.0)
    _image(axes, table, "time (patches)", "frequency\n(patches)", interpolation="nearest")
    axes.plot([one.token[1]], [one.token[0]], marker="x", color=MARK, markersize=7, markeredgewidth=2)
    axes.set_title(f"layer {one.layer}\none token (x) hears", fontsize=10)


def _offsets(axes: Axes, one: Influence) -> None:
    high, wide = (side // 2 for side in one.offsets.shape)
    table = (one.offsets / (one.offsets.max() or 1.0)).sqrt()  # so that a few per cent are seen beside the rest
    extent = (-wide - 0.5, wide + 0.5, -high - 0.5, high + 0.5)
    _image(axes, table, "how far in time", "how far in\nfrequency", extent=extent)
    axes.axhline(0, color=MARK, linewidth=0.6, alpha=0.5)
    axes.axvline(0, color=MARK, linewidth=0.6, alpha=0.5)
    times, frequencies = one.shares["other times"], one.shares["other frequencies"]
    axes.set_title(f"from other times {times:.0%}, frequencies {frequencies:.0%}", fontsize=10)


def _image(axes: Axes, table: Tensor, along: str, up: str, **settings: Any) -> None:
    axes.imshow(table.numpy(), origin="lower", aspect="auto", cmap="magma", vmin=0, vmax=1, **settings)
    axes.set_xlabel(along, fontsize=9)
    axes.set_ylabel(up, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))


def _channels(axes: Axes, one: Influence) -> None:
    table = one.channels / (one.channels.amax(dim=1, keepdim=True).clamp(min=1e-30))
    last = one.channels.shape[1] - 1
    extent = (-0.5, last + 0.5, -0.5, last + 0.5)
    _image(axes, table, "channel in", "channel out", extent=extent)
    axes.set_title(f"from other channels {one.shares['other channels']:.0%}", fontsize=10)
