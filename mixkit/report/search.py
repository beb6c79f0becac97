"""What a search came to, in three sentences and on a page that needs nothing else."""

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import matplotlib.ticker
from matplotlib.figure import Figure

from mixkit.recipe.figures import figure, listed
from mixkit.report import tables
from mixkit.report.captions import verdict
from mixkit.report.comparison import Comparison
from mixkit.report.page import pictures, templates
from mixkit.report.plots import BLUE, FAINT, GREY, INK, NARROW, ORANGE, WIDE, amount, dress
from mixkit.report.tables import TextTable
from mixkit.runs.records import read_epochs
from mixkit.search.answer import front
from mixkit.search.candidates import told
from mixkit.search.costs import NAMES, from_values
from mixkit.search.definition import Searched, is_counted
from mixkit.search.finals import WINNER
from mixkit.search.trial import Trial
from mixkit.search.trials import AT_RANDOM
from mixkit.storage.atomic import write_whole
from mixkit.version import __version__

PAGE = "search.html"
LABELS = {"parameters": "parameters", "flops": "FLOP for a clip", "ms_per_clip": "ms for a clip"}
MATTERS = 0.1  # share of the spread from which a dimension is named


def sentences(found: Searched, comparison: Comparison | None) -> list[str]:
    """What the search came to, in plain words: how far it got, whether it is better on test, and what mattered.

    Args:
        found: the search.
        comparison: of the winner with the base and the best shipped recipe, on test; None where it was not made.
    """
    return [_chosen(found), _tested(found, comparison), _mattered(found)]


def _chosen(found: Searched) -> str:
    shown, winner = figure(found.search.best), found.best(found.trials)
    counted = [trial for trial in found.trials if is_counted(trial)]
    early = sum(trial.state == "pruned" for trial in counted)
    given_up = f", {early} of them given up early" if early else ""
    if winner is None:
        return f"{len(counted)} candidates were trained{given_up}; none to its end."
    best = found.best(found.trials[:AT_RANDOM]) if len(found.trials) > AT_RANDOM else None
    drawn = f"; the best of the first {AT_RANDOM}, drawn at random, has {shown.show(best.value)}" if best else ""
    shipped = found.best(found.shipped)
    beside = (
        f" The best shipped recipe, {shipped.chosen['recipe']}, has {shown.show(shipped.value)}." if shipped else ""
    )
    what = told(winner.chosen, winner.facts["lines"])
    return (
        f"{len(counted)} candidates were trained{given_up}, and the best on validation is {what} with "
        f"{shown.title} {shown.show(winner.value)}{drawn}.{beside}"
    )


def _tested(found: Searched, comparison: Comparison | None) -> str:
    if comparison is None:
        return "There was nothing to compare on test: the winner is the base."
    shown = comparison.figure(comparison.headline)
    rows = {row.arm.name: row for row in comparison.rows}
    values = {name: row.figures[comparison.headline] for name, row in rows.items()}
    told_values = [f"{name} {shown.show(value.mean)}" for name, value in values.items() if value]
    seeds = max((value.count for value in values.values() if value), default=0)
    text = (
        f"Trained anew with {'1 fresh seed' if seeds == 1 else f'{seeds} fresh seeds'}, on test: {listed(told_values)}"
    )
    if WINNER not in rows:
        return f"{text}."
    row = rows[WINNER]
    text += f"; {WINNER} is {verdict(comparison, row)}" if row is not comparison.rows[0] else ""
    valid = [entry.value(found.search.best, "valid") for entry in row.arm.done]
    known = [value for value in valid if value is not None]
    winner = found.best(found.trials)
    if not known or winner is None or winner.value is None:
        return f"{text}."
    by = figure(found.search.best)
    fresh = statistics.fmean(known)
    behind = fresh - winner.value if by.lower_is_better else winner.value - fresh
    flattered = "On validation the choice itself had flattered it" if behind > 0 else "On validation the winner held"
    return (
        f"{text}. {flattered}: {by.show(winner.value)} when it was chosen, {by.show(fresh)} with fresh seeds."
        f"{_better_shipped(found, comparison)}"
    )


def _better_shipped(found: Searched, comparison: Comparison) -> str:
    """Says so, where a recipe that mixkit ships is not behind the winner."""
    name = comparison.headline
    values = {row.arm.name: row.figures[name] for row in comparison.rows}
    winner = values.get(WINNER)
    sign = -1.0 if comparison.figure(name).lower_is_better else 1.0
    ahead = [
        arm
        for arm, value in values.items()
        if arm != WINNER and value and winner and sign * value.mean >= sign * winner.mean
    ]
    return f" The search has found nothing better than {listed(ahead)}, as shipped: take that." if ahead else ""


def _mattered(found: Searched) -> str:
    matters = [(name, share) for name, share in found.importance.items() if share >= MATTERS]
    if not matters:
        return "Which choice mattered cannot be told: too few candidates were trained to their end, or all are alike."
    parts = [f"{name} ({share:.0%})" for name, share in matters]
    return f"Of what sets the better half of the candidates apart, most lies in {listed(parts)}."


def write_page(found: Searched, comparison: Comparison | None) -> Path:
    """Writes `search.html` into the folder of the search; returns its place."""
    faults: list[str] = []
    drawn: dict[str, Callable[..., Figure]] = {"front": partial(_front, found), "curves": partial(_curves, found)}
    if found.importance:
        drawn["importance"] = partial(_importance, found)
    text = (
        templates()
        .get_template("search.html")
        .render(
            title=found.search.folder.name,
            sentences=sentences(found, comparison),
            results=None if comparison is None else tables.results(comparison),
            trials=trials_table(found),
            pictures={name: pictures(name, draw, faults) for name, draw in drawn.items()},
            commands=_commands(found),
            faults=faults,
            version=__version__,
        )
    )
    path = found.search.folder / PAGE
    write_whole(path, text.encode())
    return path


def trials_table(found: Searched) -> TextTable:
    """Every candidate that was worth a run, the best first, and how it ended."""
    shown = figure(found.search.best)
    sign = 1.0 if shown.lower_is_better else -1.0
    named = [(f"{t.chosen['recipe']} as it is", t) for t in found.shipped]
    named += [(told(t.chosen, t.facts.get("lines", ())), t) for t in found.trials if is_counted(t)]
    order = sorted(named, key=lambda one: (one[1].state != "done", sign * (one[1].value or 0.0), one[1].number))
    rows = []
    for name, trial in order:
        costs = from_values(trial.facts["costs"]) if "costs" in trial.facts else None
        cells = (f"{costs.parameters:,.0f}", f"{costs.flops / 1e6:,.1f}") if costs else ("-", "-")
        end = {"done": "", "pruned": "given up: "}.get(trial.state, f"{trial.state}: ") + str(
            trial.facts.get("why", "")
        )
        rows.append((name, end.split("\n")[0], shown.show(trial.value), str(trial.epochs), *cells))
    columns = ("candidate", "unless trained to its end", f"valid {shown.heading}", "epochs", "parameters", "MFLOP")
    return TextTable("Candidates", columns, tuple(rows), left=2)


def _commands(found: Searched) -> list[str]:
    search = found.search
    return [f"mixkit train {search.folder / 'best.gin'}", f"mixkit report {search.folder / 'final'}"]


def _points(found: Searched) -> list[tuple[Trial, bool]]:
    done = [t for t in (*found.shipped, *found.trials) if t.state == "done" and t.value is not None and is_counted(t)]
    return [(trial, trial in found.shipped) for trial in done]


def _front(found: Searched, width: float = WIDE) -> Figure:
    """The figure on validation over each cost; the line joins those that nothing beats in both."""
    shown, points = figure(found.search.best), _points(found)
    known = [name for name in NAMES if all(name in trial.facts["costs"] for trial, _ in points)]
    shape = (1, len(known)) if width > NARROW else (len(known), 1)
    drawn = Figure(figsize=(width, 3.1 if width > NARROW else 2.6 * len(known)), layout="constrained")
    for axes, cost in zip(drawn.subplots(*shape, squeeze=False).ravel(), known, strict=True):
        for trial, shipped in points:
            at = (trial.facts["costs"][cost], shown.scale * (trial.value or 0.0))
            axes.plot(*at, "D" if shipped else "o", color=ORANGE if shipped else GREY, markersize=6 if shipped else 4.5)
            if shipped:
                name = str(trial.chosen["recipe"])
                axes.annotate(Path(name).stem, at, (4, 5), textcoords="offset points", fontsize=8, color=INK)
        line = front(found, cost)
        places = [(t.facts["costs"][cost], shown.scale * (t.value or 0.0)) for t in line]
        axes.plot(*zip(*places, strict=True), color=BLUE, linewidth=1.6, marker="o", markersize=3)
        axes.set_xscale("log")
        axes.margins(0.15, 0.12)
        axes.set_xlabel(LABELS[cost])
        axes.set_ylabel(f"valid {shown.heading}")
        axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: amount(value)))
        axes.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
        dress(axes, "both")
    return drawn


def _importance(found: Searched, width: float = WIDE) -> Figure:
    """How much each choice sets the better half apart."""
    shares = [*found.importance.items()]
    drawn = Figure(figsize=(width, 0.36 * len(shares) + 0.9), layout="constrained")
    axes = drawn.subplots()
    axes.barh([name for name, _ in shares], [100 * share for _, share in shares], color=BLUE, height=0.55)
    axes.invert_yaxis()
    axes.set_xlabel("share, in per cent")
    dress(axes, "x")
    axes.tick_params(axis="y", length=0)
    return drawn


def _curves(found: Searched, width: float = WIDE) -> Figure:
    """Learning curves on validation of all candidates."""
    shown, winner = figure(found.search.best), found.best(found.trials)
    drawn = Figure(figsize=(width, 2.9), layout="constrained")
    axes = drawn.subplots()
    for trial in (*found.shipped, *found.trials):
        if not is_counted(trial) or "key" not in trial.facts:
            continue
        records = read_epochs(found.search.folder / "runs" / str(trial.facts["key"]), found.search.best)
        shipped, best = trial in found.shipped, trial == winner
        colour = ORANGE if shipped else BLUE if best else GREY
        values = [shown.scale * record.valid for record in records]
        wide = 1.8 if best or shipped else 0.9
        axes.plot(
            [record.epoch for record in records], values, color=colour, linewidth=wide, alpha=1.0 if wide > 1 else 0.5
        )
    for label, colour in (("shipped", ORANGE), (WINNER, BLUE), ("others", GREY)):
        axes.plot([], [], color=colour, label=label)
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"valid {shown.heading}")
    axes.legend(frameon=False, fontsize=8, labelcolor=INK)
    dress(axes, "y")
    axes.spines["bottom"].set_color(FAINT)
    return drawn
