"""A picture of a task: how many clips of each class, and how long they are."""

from collections import Counter

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mixkit.data.check import Report
from mixkit.errors import printable
from mixkit.storage.picture import MOST_CLASSES
from mixkit.tasks.clip import SPLITS

INK, PALE = "#222222", "#d9d9d9"
COLOURS = {"train": "#2a6f97", "valid": "#d9822b", "test": "#4c956c"}


def draw(report: Report) -> Figure:
    """Class balance and lengths of a task."""
    labels = list(dict.fromkeys(label for split in SPLITS for label in report.balance(split)))
    shown, part = labels, ""
    if len(labels) > MOST_CLASSES:
        clips = sum((Counter(report.balance(split)) for split in SPLITS), Counter[str]())
        ranked = sorted(labels, key=lambda label: -clips[label])
        shown = ranked[: MOST_CLASSES // 2] + ranked[-MOST_CLASSES // 2 :]
        part = f"; the {MOST_CLASSES // 2} largest and the {MOST_CLASSES // 2} smallest of {len(labels)} classes"
    figure = Figure(figsize=(11, max(4.0, 0.24 * len(shown) + 1.6)), layout="constrained")
    classes, lengths = figure.subplots(1, 2, width_ratios=(3, 2))
    _balance(classes, report, shown)
    _lengths(lengths, report)
    verdict = "nothing to mend" if report.clean else "to be mended, see the report"
    title = f"{printable(report.task)}: {len(report.clips):,} clips, {verdict}{part}"
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def _balance(axes: Axes, report: Report, labels: list[str]) -> None:
    rows = range(len(labels))
    left = [0] * len(labels)
    for split in SPLITS:
        counts = report.balance(split)
        values = [counts.get(label, 0) for label in labels]
        clips = sum(one.split == split for one in report.clips)
        axes.barh(rows, values, left=left, color=COLOURS[split], label=f"{split}, {clips:,} clips", height=0.75)
        left = [below + value for below, value in zip(left, values, strict=True)]
    axes.set_yticks(rows, [_short(label) for label in labels])
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlabel(f"clips of each class{', each at all of its labels' if report.multi_label else ''}")
    _plain(axes, "x")
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, fontsize=9)
    axes.margins(x=0.02)


def _lengths(axes: Axes, report: Report) -> None:
    seconds = [report.lengths(split) for split in SPLITS]
    if report.good:
        longest = max(report.seconds, *(length for lengths in seconds for length in lengths))
        axes.hist(seconds, bins=40, range=(0, longest), stacked=True, color=[COLOURS[split] for split in SPLITS])
    axes.axvline(report.seconds, color=INK, linewidth=1, linestyle=":", label="what the model hears")
    axes.set_xlabel("seconds")
    axes.set_ylabel("clips")
    _plain(axes, "y")
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), fontsize=9)


def _plain(axes: Axes, grid: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color=PALE, linewidth=0.6)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def _short(label: str) -> str:
    text = printable(label).replace("_", " ")
    return text if len(text) <= 28 else f"{text[:26]}…"
