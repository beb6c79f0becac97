"""How predictions are written: a table for people, lines of JSON and CSV for programs."""

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TextIO

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from mixkit.cli.inputs import Input, escaped
from mixkit.errors import MixkitError, printable
from mixkit.model.windows import Prediction
from mixkit.tasks.left_out import LeftOut

Outcome = Prediction | MixkitError | LeftOut


@dataclass(frozen=True)
class Form:
    """What is written.

    Args:
        kind: a table, a JSON object a line, or CSV.
        top: classes to name for each recording.
        timeline: each window, too.
    """

    kind: Literal["table", "json", "csv"] = "table"
    top: int = 3
    timeline: bool = False


@contextmanager
def reporting(form: Form) -> Iterator[Callable[[Input, Outcome], None]]:
    """Gives what is to be called for each recording; a table comes when all are done."""
    stdout = _stdout(form)
    if form.kind == "json":
        yield lambda one, outcome: print(json.dumps(_record(one, outcome, form)), file=stdout, flush=True)
    elif form.kind == "csv":
        writer = csv.writer(stdout, lineterminator="\n")
        writer.writerow(_header(form))
        yield lambda one, outcome: writer.writerows(_cells(one, outcome, form))
    else:
        predicted: list[tuple[str, Prediction]] = []
        yield lambda one, outcome: predicted.append((one.name, outcome)) if isinstance(outcome, Prediction) else None
        if predicted:
            Console(highlight=False, file=stdout).print(_table(predicted, form))


def _stdout(form: Form) -> TextIO:
    """Stdout as it is before a progress bar puts its own in front, in an encoding that takes every name."""
    stdout = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(encoding="utf-8" if form.kind == "csv" else None, errors="backslashreplace")
    return stdout


def _record(one: Input, outcome: Outcome, form: Form) -> dict[str, Any]:
    """A line of JSON: ASCII, whatever the name, and never more than a line."""
    if isinstance(outcome, MixkitError):
        return {"file": escaped(one.name), "error": str(outcome)}
    if isinstance(outcome, LeftOut):
        return {"file": escaped(one.name), "left_out": outcome.to_json()}
    record = {
        "file": escaped(one.name),
        **_likely(outcome.top(form.top)),
        "seconds": outcome.seconds,
        "windows": len(outcome.windows),
    }
    if form.timeline:
        record["timeline"] = [
            dict(zip(("start", "stop"), outcome.span(window), strict=True)) | _likely(outcome.top(form.top, window))
            for window in range(len(outcome.windows))
        ]
    return record


def _likely(top: Sequence[tuple[str, float]]) -> dict[str, Any]:
    classes = [{"label": escaped(label), "probability": probability} for label, probability in top]
    return {**classes[0], "top": classes}


def _header(form: Form) -> list[str]:
    more = [name for place in range(2, form.top + 1) for name in (f"label_{place}", f"probability_{place}")]
    return ["file", *(["start", "stop"] if form.timeline else []), "label", "probability", *more, "error"]


def _cells(one: Input, outcome: Outcome, form: Form) -> list[list[str]]:
    """A row for the recording, or for each of its windows; none for what is left out, which stands on stderr."""
    name = _cell(escaped(one.name))
    if isinstance(outcome, MixkitError):
        return [[name, *[""] * (2 * form.timeline + 2 * form.top), _cell(str(outcome))]]
    if isinstance(outcome, LeftOut):
        return []
    rows = []
    for window in range(len(outcome.windows)) if form.timeline else [None]:
        span = [] if window is None else [f"{second:.3f}" for second in outcome.span(window)]
        likely = [
            cell for label, share in outcome.top(form.top, window) for cell in (_cell(escaped(label)), repr(share))
        ]
        rows.append([name, *span, *likely, ""])
    return rows


def _cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula; one quote in front is to be taken away again."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "'")) else text


def _table(predicted: Sequence[tuple[str, Prediction]], form: Form) -> Table:
    folder = _common_folder([name for name, _ in predicted])
    table = Table(title=Text(f"in {printable(folder)}") if folder else None, title_justify="left")
    table.add_column("file", overflow="fold")
    if form.timeline:
        table.add_column("seconds", justify="right", no_wrap=True)
    longest = max(len(found.label) for _, found in predicted)
    table.add_column("label", style="bold", overflow="fold", min_width=min(longest, 24))
    table.add_column("probability", justify="right", no_wrap=True)
    if form.top > 1:
        table.add_column("then", overflow="fold")
    for name, found in predicted:
        shown = printable(os.path.relpath(name, folder) if folder else name)
        for window in range(len(found.windows)) if form.timeline else [None]:
            span = [] if window is None else ["{:.2f} - {:.2f}".format(*found.span(window))]
            (label, share), *others = found.top(form.top, window)
            cells = ["" if window else shown, *span, printable(label), f"{share:.1%}"]
            then = [_Then([f"{printable(other)} {less:.1%}" for other, less in others])] * (form.top > 1)
            table.add_row(*map(Text, cells), *then)
        if form.timeline:
            table.add_section()
    return table


class _Then:
    """Further classes, folded between them and never between a class and its probability."""

    def __init__(self, classes: Sequence[str]):
        self.classes = [f"{one}," for one in classes[:-1]] + list(classes[-1:])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        lines: list[str] = []
        for one in self.classes:
            if lines and cell_len(f"{lines[-1]} {one}") <= options.max_width:
                lines[-1] += f" {one}"
            else:
                lines.append(one)
        yield Text("\n".join(lines), overflow="fold")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(max(map(cell_len, self.classes), default=0), cell_len(" ".join(self.classes)))


def _common_folder(names: Sequence[str]) -> str:
    try:
        return os.path.commonpath([os.path.dirname(name) for name in names])  # noqa: PTH120
    except ValueError:  # some from the root of the file system, some from here
        return ""
