"""Learning curves of a run. The drawing library is imported when there is something to draw."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mixkit.recipe.figures import columns, pair
from mixkit.recipe.figures import figure as figure_of
from mixkit.runs.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, BLUE, ORANGE, GREEN, PALE = "#222222", "#2a6f97", "#d9822b", "#4c956c", "#d9d9d9"


def curves(records: Sequence[dict[str, Any]], results: Results | None, best: str) -> "Figure":
    """Loss and validation figures over the epochs; with the results of a run that has ended, the chosen one marked."""
    from mixkit.storage.picture import Drawn

    figure = Drawn(figsize=(10, 4), layout="constrained")
    losses, shares = figure.subplots(1, 2)
    epochs = [record["epoch"] for record in records]
    marker = "o" if len(epochs) == 1 else None
    losses.plot(epochs, [r["train"]["loss"] for r in records], color=BLUE, marker=marker, label="training")
    losses.plot(epochs, [r["valid"]["loss"] for r in records], color=ORANGE, marker=marker, label="validation")
    losses.set_ylabel("loss")
    losses.set_ylim(0, 1.05 * max(max(r["train"]["loss"], r["valid"]["loss"]) for r in records))
    several = results is not None and results.test.several
    first = [figure_of(name, several) for name in dict.fromkeys((*pair(best, several), *columns(several)))]
    for one, colour in zip([one for one in first if one.percent], (BLUE, GREEN, ORANGE), strict=False):
        found = [record["valid"].get(one.name) for record in records]
        values = [float("nan") if value is None else one.scale * value for value in found]
        shares.plot(epochs, values, color=colour, marker=marker, label=f"validation {one.title}")
    shares.set_ylabel("per cent")
    shares.set_ylim(top=101)
    for axes in (losses, shares):
        if results:
            axes.axvline(results.best_epoch, color=INK, linewidth=1, linestyle=":", label="best epoch")
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        _plain(axes)
        axes.legend(frameon=False)
    if results:
        figure.suptitle(
            f"{results.recipe} on {results.task} ({results.protocol}){', refitted' if results.refit else ''}: test "
            + ", ".join(f"{one.title} {one.show(results.test.value(one.name))}" for one in first[:2]),
            x=0.01,
            ha="left",
        )
    return figure


def _plain(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=PALE, linewidth=0.6)
