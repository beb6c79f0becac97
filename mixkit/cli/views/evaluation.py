"""A network on a set of clips, in a terminal."""

from rich.text import Text

from mixkit.cli.views.confusion import show_confusion
from mixkit.cli.views.terminal import say, stdout, table
from mixkit.errors import printable
from mixkit.recipe.figures import columns, figure
from mixkit.report.details import pooled
from mixkit.training.calibration import Calibration
from mixkit.training.class_figures import ClassFigures, means
from mixkit.training.evaluation import Evaluation


def show_evaluation(found: Evaluation) -> None:
    """Prints what each class has, what was taken for what, and how far scores can be believed."""
    _show_classes(found)
    if found.figures.confusion:
        show_confusion(pooled(found.labels, [found.figures.confusion]))
    if found.calibration:
        _show_calibration(found.calibration, found.figures.several)
    else:
        say("Scores are no probabilities: there is no calibration.")


def _show_classes(found: Evaluation) -> None:
    """Precision, recall, F1 and support; what else a figure says of each class stands behind them."""
    names = (*columns(found.figures.several), *found.figures.asked)
    further = [figure(name) for name in names if name in found.figures.per_class and name != "recall"]
    answer = "the highest score" if found.figures.threshold is None else f"a score above {found.figures.threshold:g}"
    caption = f"an answer is {answer}; means are over classes that have clips"
    heads = ("clips", "precision", "recall", "F1", *(one.per_class for one in further))
    rows = table("class", *heads, title="each class", caption=caption)
    for one in found.classes:
        own = (one.precision, one.recall, one.f1)
        more = (other.show(found.figures.per_class[other.name].get(one.label)) for other in further)
        rows.add_row(Text(printable(one.label)), f"{one.clips:,}", *map(_share, own), *more)
    rows.add_section()
    for title, weighted in (("mean over classes (macro)", False), ("mean over their clips", True)):
        rows.add_row(title, f"{_clips(found.classes):,}", *map(_share, means(found.classes, weighted)))
    stdout().print(rows)


def _show_calibration(found: Calibration, several: bool) -> None:
    what = "labels" if several else "answers"
    say(
        f"calibration: ECE {found.error:.3f}; {what} score {found.score:.1%} on average, and {found.right:.1%} of "
        f"{'them are there' if several else 'them are right'}. Largest gap {found.largest:.3f}."
    )
    rows = table("score", what, "mean score", "there" if several else "right", "gap")
    for one in found.bins:
        gap = f"{100 * (one.right - one.score):+.1f}"
        rows.add_row(f"{one.low:.2f} to {one.high:.2f}", f"{one.count:,}", _share(one.score), _share(one.right), gap)
    stdout().print(rows)


def _clips(classes: tuple[ClassFigures, ...]) -> int:
    return sum(one.clips for one in classes)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
