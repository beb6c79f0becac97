"""Runs and studies beside each other."""

from mixkit.cli.views.terminal import say, stdout
from mixkit.report import formats, tables
from mixkit.report.captions import caption, notes, stamps, summary
from mixkit.report.comparison import Comparison


def show(found: Comparison) -> None:
    """Prints stamps, caption, tables and notes."""
    for stamp in stamps(found.by_arm):
        say(stamp, "bold yellow")
    say(caption(found.by_arm))
    console = stdout()
    console.print()
    metrics = tables.further(found, found.by_arm.metrics)
    for table in (tables.figures(found), metrics, tables.costs(found), tables.paper(found)):
        if table.rows:
            console.print(formats.rich_table(table))
    if sentence := summary(found):
        say(sentence, "bold")
    for note in notes(found):
        say(f"- {note}")
