"""A bench as a picture: the steps of every variant in phases, and where the time of one goes."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mixkit.bench.measure import Bench
from mixkit.bench.timed_network import PHASES
from mixkit.errors import printable

COLOURS = dict(zip(PHASES, ("#9aa2a9", "#2a6f97", "#d9822b", "#4c956c"), strict=True))


def plot(found: Bench) -> Figure:
    """The phases of a training step on the left, the parts of the network on the right."""
    rows = max(len(found.variants), len(found.parts))
    figure = Figure(figsize=(10.4, 1.6 + 0.42 * rows), layout="constrained")
    left, right = figure.subplots(1, 2)
    _steps(left, found)
    _parts(right, found)
    for axes in (left, right):
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
    clips = "clip" if found.batch == 1 else "clips"
    figure.suptitle(
        f"{printable(found.recipe)}, {found.batch} {clips} a batch, {found.rounds} rounds", x=0.01, ha="left"
    )
    return figure


def _steps(axes: Axes, found: Bench) -> None:
    for place, one in enumerate(found.variants):
        begun = 0.0
        for phase in PHASES:
            length = 1e3 * one.phases[phase].median
            axes.barh(place, length, left=begun, height=0.62, color=COLOURS[phase], label=None if place else phase)
            begun += length
        times = f"  {one.training_ratio.median:.2f} x" if place else ""
        axes.text(begun, place, f" {1e3 * one.step.median:,.0f} ms{times}", va="center", fontsize=9)
    axes.set_yticks(range(len(found.variants)), [one.name for one in found.variants])
    axes.set_xlim(0, 1.35e3 * max(one.step.median for one in found.variants))
    axes.set_xlabel("ms for a step of training")
    axes.legend(frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(-0.02, 1.0), fontsize=8, columnspacing=1.0)


def _parts(axes: Axes, found: Bench) -> None:
    for place, part in enumerate(found.parts):
        length = 1e3 * part.training.median
        axes.barh(place, length, height=0.62, color="#2a6f97")
        share = f" ({part.training_share:.0%} of peak)" if part.flops else ""
        axes.text(length, place, f" {length:,.1f} ms{share}", va="center", fontsize=9)
    axes.set_yticks(range(len(found.parts)), [printable(part.title) for part in found.parts])
    axes.set_xlim(0, 1.6e3 * max(part.training.median for part in found.parts))
    axes.set_xlabel(f"ms forward and backward, {found.parts_of}")
