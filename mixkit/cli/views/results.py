"""The figures of a trained network, split by split."""

from collections.abc import Mapping, Sequence

from mixkit.cli.views.terminal import say, stdout, table
from mixkit.recipe.figures import LOSS, Figure, columns, figure, listed, takes_threshold
from mixkit.runs.results import Figures


def show_results(splits: Mapping[str, Figures], best: str, title: str = "figures of the best epoch") -> None:
    """A table of all splits, and a line for each metric that the recipe asks for; their names may be long.

    Args:
        splits: by name.
        best: the figure by which the recipe chooses, which has a column.
        title: what the network is.
    """
    first = next(iter(splits.values()))
    shown = [figure(name, first.several) for name in columns(first.several)]
    if best not in (*columns(first.several), LOSS):
        shown.append(figure(best, first.several))
    titles, caption = [one.title for one in shown], _caption(shown, first.threshold)
    rows = table("split", "clips", *titles, LOSS, title=title, caption=caption)
    for split, found in splits.items():
        rows.add_row(split, str(found.clips), *(one.show(found.value(one.name)) for one in shown), f"{found.loss:.3f}")
    stdout().print(rows)
    for one in [figure(name) for name in first.asked if name != best]:
        values = ", ".join(f"{split} {one.show(found.value(one.name))}" for split, found in splits.items())
        say(f"{one.title}: {values}")


def _caption(shown: Sequence[Figure], threshold: float | None) -> str:
    """How classes, and answers, come into the figures."""
    means = f"{listed([one.title for one in shown if one.macro])}: mean over classes (macro)"
    if threshold is None:
        return f"{means}, each class against the rest"
    answered = [one.title for one in shown if takes_threshold(one.name)]
    return f"{means}. {listed(answered)} (every label of a clip right): an answer is a score above {threshold:g}"
