"""Runs and studies beside each other."""

from mixkit.cli.views.terminal import say, stdout
from mixkit.report import formats, tables
from mixkit.report.captions import caption, notes, stamps, summary
from mixkit.report.comparison import Answer


def show(found: Answer) -> None:
    """Prints stamps, caption, tables and notes."""
    for stamp in stamps(found.evidence):
        say(stamp, "bold yellow")
    say(caption(found.evidence))
    console = stdout()
    console.print()
    metrics = tables.further(found, found.evidence.metrics)
    for grid in (tables.figures(found), metrics, tables.costs(found), tables.paper(found)):
        if grid.rows:
            console.print(formats.rich_table(grid))
    if sentence := summary(found):
        say(sentence, "bold")
    for note in notes(found):
        say(f"- {note}")
