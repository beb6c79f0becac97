"""Runs and studies beside each other."""

from mixkit.cli.views.confusion import show_confusion
from mixkit.cli.views.terminal import say, stdout
from mixkit.report import formats, tables
from mixkit.report.captions import caption, notes, stamps, summary
from mixkit.report.comparison import Comparison
from mixkit.report.details import confusion

FOLD_BY_FOLD = 3  # arms whose folds have room beside each other


def show(found: Comparison) -> None:
    """Prints stamps, caption, tables and notes; of one arm, what was taken for what over all of its runs."""
    for stamp in stamps(found.by_arm):
        say(stamp, "bold yellow")
    say(caption(found.by_arm))
    console = stdout()
    console.print()
    metrics = tables.further(found, found.by_arm.metrics)
    folds = [tables.folds(found)] if len(found.rows) <= FOLD_BY_FOLD else []
    for table in (tables.figures(found), *folds, metrics, tables.costs(found), tables.paper(found)):
        if table.rows:
            console.print(formats.rich_table(table))
    if len(found.rows) == 1 and (pooled := confusion(found.by_arm.base)):
        show_confusion(pooled)
    if sentence := summary(found):
        say(sentence, "bold")
    for note in notes(found):
        say(f"- {note}")
