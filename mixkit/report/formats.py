"""A comparison for a terminal, Markdown, LaTeX, CSV and JSON."""

import csv
import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from io import StringIO
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from mixkit.errors import printable
from mixkit.recipe.figures import LOSS, standard
from mixkit.report.captions import caption, notes, stamps, summary
from mixkit.report.comparison import Comparison, Row
from mixkit.report.runs_by_arm import RunEntry
from mixkit.report.statistics import smallest_p
from mixkit.report.tables import TextTable
from mixkit.study.paper import kind_and_metric


def rich_table(table: TextTable) -> Table:
    """For a terminal."""
    shown = Table(title=table.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for place, column in enumerate(table.columns):
        words = place < table.left  # which may be folded; half a number is none
        heading = Text(column if words else column.replace(", ", ",\n"))
        shown.add_column(heading, justify="left" if words else "right", overflow="fold", no_wrap=not words)
    for row in table.rows:
        shown.add_row(*(Text(cell.replace(" [", "\n[")) for cell in row))
    return shown


def markdown(table: TextTable) -> str:
    """For a text file that is read as Markdown."""
    marks = [":---" if place < table.left else "---:" for place in range(len(table.columns))]
    lines = [table.columns, marks, *([in_markdown(cell) for cell in row] for row in table.rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def latex(table: TextTable, caption: str) -> str:
    """For a paper: a table with the rules of booktabs."""
    shape = "l" * table.left + "r" * (len(table.columns) - table.left)
    rows = [" & ".join(_in_latex(cell) for cell in row) + r" \\" for row in table.rows]
    head = " & ".join(_in_latex(column) for column in table.columns) + r" \\"
    lines = [
        r"% \usepackage{booktabs}; text other than Latin letters wants XeLaTeX or LuaLaTeX.",
        r"\begin{table*}",
        r"\centering\footnotesize",
        rf"\caption{{{_in_latex(caption)}}}",
        rf"\begin{{tabular}}{{{shape}}}",
        r"\toprule",
        head,
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def to_csv(comparison: Comparison) -> str:
    """One line a run, from which every figure of the tables can be computed again; shares, not per cent."""
    flops = {row.arm.name: row.cost.flops for row in comparison.rows}
    lines = [_line(comparison, entry, flops[entry.arm]) for entry in comparison.by_arm.entries]
    return in_csv([list(lines[0]), *(line.values() for line in lines)])


def in_csv(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV; a text that a spreadsheet would take for a formula gets an apostrophe in front."""
    written = StringIO()
    csv.writer(written, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)
    return written.getvalue()


def to_json(comparison: Comparison) -> str:
    """Everything that the tables say, unrounded, and the run folders that it rests on."""
    by_arm = comparison.by_arm
    document = {
        "name": by_arm.name,
        "caption": caption(by_arm),
        "answer": summary(comparison),
        "stamps": stamps(by_arm),
        "notes": notes(comparison),
        "quick": by_arm.quick,
        "base": by_arm.base.name,
        "arms": [_arm(row) for row in comparison.rows],
        "others": {name: dict(figures) for name, figures in by_arm.others.items()},
        "runs": [_line(comparison, entry, None) for entry in by_arm.entries],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _arm(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {
        "arm": row.arm.name,
        "lines": list(row.arm.lines),
        "note": row.arm.note,
        "paper": dict(row.arm.paper),
        "runs": len(row.arm.done),
        "planned": len(row.arm.entries),
        "cost": asdict(row.cost),
    }
    for figure in [name for name in row.figures if name in standard()]:
        found[figure], found[f"{figure}_difference"] = _compared(row, figure)
    found["metrics"] = {}
    for metric in [name for name in row.figures if name not in standard()]:
        found["metrics"][metric] = dict(zip(("mean", "difference"), _compared(row, metric), strict=True))
    return found


def _compared(row: Row, figure: str) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    summary, pairs = row.figures[figure], row.differences[figure]
    less = {**asdict(pairs), "smallest_p": smallest_p(pairs.pairs.count)} if pairs else None
    return asdict(summary) if summary else None, less


def _line(comparison: Comparison, entry: RunEntry, flops: float | None) -> dict[str, Any]:
    results, arm = entry.results, next(arm for arm in comparison.by_arm.arms if arm.name == entry.arm)
    asked = comparison.by_arm.asked
    named = dict.fromkeys(name for other in comparison.by_arm.arms for name in other.paper)
    valid = [name for kind, name in map(kind_and_metric, named) if kind == "valid"]
    return {
        "arm": entry.arm,
        "base": entry.arm == comparison.by_arm.base.name,
        "seed": entry.seed,
        "fold": entry.fold,
        "state": entry.state,
        **{name: entry.value(name) for name in (*standard(), LOSS)},
        **{f"metric_{name}": entry.value(name) for name in asked},
        **{f"valid_{name}": entry.value(name, "valid") for name in valid},
        **{fact: getattr(results, fact, None) for fact in ("task", "protocol")},
        "clips": results.test.clips if results else None,
        **{fact: getattr(results, fact, None) for fact in ("parameters", "epochs", "best_epoch")},
        "refit": None if results is None else results.refit is not None,
        "flops": flops,
        **asdict(entry.pace),
        **{f"paper_{name}".replace(" ", "_"): arm.paper.get(name) for name in (*standard(), *asked, *named)},
        "quick": comparison.by_arm.quick,
        "error": entry.error,
        "command": entry.command,
        "folder": printable(str(entry.folder)),
    }


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


def in_markdown(cell: str) -> str:
    """As text: no HTML, no link, no emphasis, no new column."""
    return re.sub(r"([\\`*_{}\[\]<>|#!~$&])", r"\\\1", cell)


def _in_latex(cell: str) -> str:
    return re.sub("[" + re.escape("".join(_LATEX)) + "]", lambda found: _LATEX[found[0]], cell)


_LATEX: dict[str, str] = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "…": r"\dots{}",
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
}
