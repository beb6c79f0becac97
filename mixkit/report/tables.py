"""A comparison as tables of text."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from mixkit.recipe.figures import Figure
from mixkit.report import beside_paper
from mixkit.report.comparison import Comparison, Row
from mixkit.report.statistics import Difference, Summary
from mixkit.study.paper import kind_and_metric

NONE = "-"
SIZES = (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12))


@dataclass(frozen=True)
class TextTable:
    """A table of text that is safe to print.

    Args:
        title: above it.
        columns: headings.
        rows: cells, as many a row as columns.
        left: how many columns, from the left, hold words rather than numbers.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1


def results(comparison: Comparison) -> TextTable:
    """Every arm with its figures, its difference to the base and its cost."""
    first, second = figures(comparison), costs(comparison)
    rows = tuple((*row, *cost[1:]) for row, cost in zip(first.rows, second.rows, strict=True))
    return TextTable("results", (*first.columns, *second.columns[1:]), rows)


def figures(comparison: Comparison) -> TextTable:
    """Every arm with its figures and, where there are several, its difference to the base."""
    unit = ", points" if comparison.figure(comparison.headline).percent else ""
    compared = (f"difference{unit}", "p (Holm)") if len(comparison.rows) > 1 else ()
    columns = ("arm", "runs", *_headings(comparison), *compared)
    return TextTable("results", columns, tuple(_figures(comparison, row)[: len(columns)] for row in comparison.rows))


def folds(comparison: Comparison) -> TextTable:
    """The first figure of every arm, fold by fold: its mean over seeds, and their deviation where there are several."""
    one, digits = comparison.figure(comparison.headline), comparison.digits(comparison.headline)
    found = [row.arm.values(one.name) for row in comparison.rows]
    named = {fold for values in found for _, fold in values if fold is not None}
    rows = []
    for fold in sorted(named, key=lambda fold: (0, fold, "") if isinstance(fold, int) else (1, 0, fold)):
        each = ([one.scale * value for (_, its), value in values.items() if its == fold] for values in found)
        rows.append((str(fold), *(_mean(values, digits) for values in each)))
    arms = [row.arm.name for row in comparison.rows] if len(comparison.rows) > 1 else [one.heading]
    return TextTable("fold by fold", ("fold", *arms), tuple(rows) if len(rows) > 1 else ())


def costs(comparison: Comparison) -> TextTable:
    """What every arm costs: one without an operator has its weights less, too."""
    columns = ("arm", "parameters", "FLOP / clip", "clips/s", "memory", "training")
    rows = [
        (
            row.arm.name,
            amount(row.cost.parameters),
            amount(row.cost.flops),
            NONE if row.cost.clips_per_second is None else f"{row.cost.clips_per_second:,.0f}",
            NONE if row.cost.memory is None else f"{row.cost.memory / 2**20:,.0f} MiB",
            duration(row.cost.seconds),
        )
        for row in comparison.rows
    ]
    return TextTable("cost", columns, tuple(rows))


def differences(comparison: Comparison) -> TextTable:
    """Every arm minus the base, for each figure, with p before and after correction."""
    shown = [comparison.figure(name) for name in comparison.by_arm.figures]
    columns = ("arm", "pairs", *(part for one in shown for part in (one.title, "p", "p (Holm)")))
    rows = []
    for row in comparison.rows[1:]:
        cells: list[str] = []
        for one in shown:
            pairs = row.differences[one.name]
            p = (NONE, NONE) if pairs is None else (chance(pairs.p), chance(pairs.adjusted))
            cells += [points(pairs, comparison.digits(one.name), one.scale), *p]
        found = row.differences[comparison.headline]
        rows.append((row.arm.name, "0" if found is None else str(found.pairs.count), *cells))
    unit = ", in points" if all(one.percent for one in shown) else ""
    return TextTable(f"differences to {comparison.rows[0].arm.name}{unit}", columns, tuple(rows))


def further(comparison: Comparison, names: Sequence[str]) -> TextTable:
    """Other figures of every arm, a line each, so that any number of them has room.

    Args:
        comparison: of the runs.
        names: which; shares in per cent, others in units of their own.
    """
    rows = []
    compared = len(comparison.rows) > 1
    for one in map(comparison.figure, names):
        digits = comparison.digits(one.name)
        for row in comparison.rows:
            pairs = row.differences[one.name]
            mean, less = share(row.figures[one.name], digits, one.scale), points(pairs, digits, one.scale)
            less = "base" if row is comparison.rows[0] else less
            beside = (less, NONE if pairs is None else chance(pairs.adjusted)) if compared else ()
            rows.append((one.heading, row.arm.name, mean, *beside))
    columns = ("figure", "arm", "mean", *(("difference", "p (Holm)") if compared else ()))
    return TextTable("further figures", columns, tuple(rows), left=2)


def paper(comparison: Comparison) -> TextTable:
    """Our figures beside those of a paper, which rest on other splits, seeds and code; then those that only it has."""
    rows = []
    shown: list[Figure] = []
    for arm in comparison.by_arm.arms:
        for name in beside_paper.with_means(arm.paper):
            one, value, ours = _figure_of(comparison, name), arm.paper.get(name), beside_paper.ours(arm, name)
            ours = None if ours is None else one.scale * ours
            less = NONE if ours is None or value is None else signed(ours - value, 2)
            title = beside_paper.title(name, one)
            rows.append((arm.name, arm.note or NONE, title, _plain(value), _plain(ours), less))
            shown.append(one)
    for other, values in comparison.by_arm.others.items():
        for name, value in values.items():
            one = _figure_of(comparison, name)
            rows.append((other, "not run here", beside_paper.title(name, one), _plain(value), NONE, NONE))
            shown.append(one)
    unit = " %" if all(one.percent for one in shown) else ""
    columns = ("arm", "note", "figure", f"paper{unit}", f"ours{unit}", "ours less paper")
    return TextTable("beside the paper", columns, tuple(rows), left=3)


def runs(comparison: Comparison) -> TextTable:
    """Every run, those that do not count as well, with the command that makes it."""
    rows = []
    for entry in comparison.by_arm.entries:
        values = [_value(comparison, name, entry.value(name)) for name in comparison.by_arm.figures]
        epoch = f"{entry.results.best_epoch} of {entry.results.epochs}" if entry.results else NONE
        epoch += ", refitted" if entry.results and entry.results.refit else ""
        state = f"{entry.state}: {entry.error}" if entry.error else entry.state
        fold = NONE if entry.fold is None else str(entry.fold)
        command = entry.command or NONE
        rows.append((entry.arm, state, command, str(entry.seed), fold, *values, epoch, duration(entry.pace.seconds)))
    columns = ("arm", "state", "command", "seed", "fold", *_headings(comparison), "epoch", "training")
    return TextTable("runs", columns, tuple(rows), left=3)


def every_table(comparison: Comparison) -> list[TextTable]:
    """The tables of a report in the order in which they are read; those without rows are left out."""
    others = (*comparison.by_arm.further, *comparison.by_arm.metrics)
    tables = (
        results(comparison),
        folds(comparison),
        differences(comparison),
        further(comparison, others),
        paper(comparison),
        runs(comparison),
    )
    return [table for table in tables if table.rows]


def share(found: Summary | None, digits: int, size: float = 100.0) -> str:
    """A figure in per cent: `82.5 ± 1.2 [81.0, 84.0]`, or the mean alone of a single run; `size` 1 for as it is."""
    if found is None:
        return NONE
    mean = f"{size * found.mean:,.{digits}f}"
    if found.deviation is None or found.low is None or found.high is None:
        return mean
    spread, low, high = (f"{size * value:,.{digits}f}" for value in (found.deviation, found.low, found.high))
    return f"{mean} ± {spread} [{low}, {high}]"


def points(pairs: Difference | None, digits: int, size: float = 100.0) -> str:
    """A difference in points: `−3.2 [−5.0, −1.1]`."""
    if pairs is None:
        return NONE
    found = pairs.pairs
    mean = signed(size * found.mean, digits)
    if found.low is None or found.high is None:
        return mean
    return f"{mean} [{signed(size * found.low, digits)}, {signed(size * found.high, digits)}]"


def signed(value: float, digits: int) -> str:
    """A number with its sign; what rounds to nothing has none."""
    written = f"{abs(value):,.{digits}f}"
    if not written.strip("0.,"):
        return written
    return f"{'+' if value > 0 else '−'}{written}"


def chance(p: float | None) -> str:
    """A p-value, to two figures."""
    return NONE if p is None else "< 0.001" if p < 0.001 else f"{p:.2g}"


def amount(value: float | None) -> str:
    """A count, in thousands, millions or billions: `413 k`."""
    if value is None:
        return NONE
    unit, size = next((pair for pair in reversed(SIZES) if value >= pair[1]), SIZES[0])
    return f"{value / size:.3g} {unit}".rstrip() if value < 1e15 else f"{value:.2g}"


def duration(seconds: float | None) -> str:
    """A time: `45 s`, `12 min`, `3.4 h`."""
    if seconds is None:
        return NONE
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.1f} h"


def _figures(comparison: Comparison, row: Row) -> tuple[str, ...]:
    pairs, shown = row.differences[comparison.headline], [comparison.figure(name) for name in comparison.by_arm.figures]
    counted, planned = len(row.arm.done), len(row.arm.entries)
    return (
        row.arm.name,
        str(counted) if counted == planned else f"{counted} of {planned}",
        *(share(row.figures[one.name], comparison.digits(one.name), one.scale) for one in shown),
        "base" if row is comparison.rows[0] else points(pairs, comparison.digits(shown[0].name), shown[0].scale),
        NONE if pairs is None else chance(pairs.adjusted),
    )


def _mean(values: Sequence[float], digits: int) -> str:
    spread = f" ± {stdev(values):,.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):,.{digits}f}{spread}" if values else NONE


def _headings(comparison: Comparison) -> list[str]:
    return [comparison.figure(name).heading for name in comparison.by_arm.figures]


def _value(comparison: Comparison, name: str, value: float | None) -> str:
    return NONE if value is None else f"{comparison.figure(name).scale * value:.{comparison.digits(name)}f}"


def _figure_of(comparison: Comparison, name: str) -> Figure:
    return comparison.figure(kind_and_metric(name)[1])


def _plain(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"
