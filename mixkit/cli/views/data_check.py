"""How a look over recordings is shown in a terminal."""

from rich.table import Table
from rich.text import Text

from mixkit.cli.views.terminal import stdout, table
from mixkit.data.check import FAULTS, REMARKS, Report
from mixkit.errors import printable
from mixkit.tasks.clip import SPLITS

CLASSES = 60  # rows of a table that somebody still reads
EXAMPLES = 3


def show(report: Report) -> None:
    """Prints splits, classes and findings."""
    console = stdout()
    for line in (report.settings, *report.notes, ""):
        console.print(Text(printable(line)), soft_wrap=True)
    console.print(_splits(report))
    console.print(_classes(report))
    rates = ", ".join(f"{rate:,} Hz: {count:,}" for rate, count in report.rates.most_common(8))
    channels = ", ".join(f"{number}: {count:,}" for number, count in report.channels.most_common(8))
    console.print(Text(f"sample rates  {rates or 'none'}\nchannels      {channels or 'none'}\n"), soft_wrap=True)
    if report.cut:
        console.print(Text(f"{report.cut}\n"), soft_wrap=True)
    if any(report.findings.values()):
        console.print(_findings(report), soft_wrap=True)
    elif any(found.odd for found in report.left_out):
        console.print("Nothing is damaged, nothing leaks; what is left out is named above.")
    else:
        console.print("Nothing is damaged, nothing leaks, nothing is odd.")


def _splits(report: Report) -> Table:
    rows = table("split", "clips", "groups", "minutes", "shortest s", "longest s", title="splits")
    for split in SPLITS:
        lengths = report.lengths(split)
        bounds = (f"{min(lengths):.2f}", f"{max(lengths):.2f}") if lengths else ("", "")
        clips = sum(clip.split == split for clip in report.clips)
        rows.add_row(split, f"{clips:,}", f"{report.groups(split):,}", f"{sum(lengths) / 60:,.1f}", *bounds)
    return rows


def _classes(report: Report) -> Table:
    counts = {split: report.balance(split) for split in SPLITS}
    labels = list(dict.fromkeys(label for split in SPLITS for label in counts[split]))
    caption = "counted once a label" if report.multi_label else None
    rows = table("class", *SPLITS, title="clips of each class", caption=caption)
    for label in labels[:CLASSES]:
        rows.add_row(Text(printable(label)), *(f"{counts[split].get(label, 0):,}" for split in SPLITS))
    if len(labels) > CLASSES:
        rows.add_row(f"and {len(labels) - CLASSES} more", *[""] * len(SPLITS))
    if report.multi_label:
        rows.add_row(Text("no label", style="italic"), *(f"{report.unlabelled(split):,}" for split in SPLITS))
    return rows


def _findings(report: Report) -> Text:
    text = Text("what was found (--json lists all of it)\n", style="italic")
    for kind, words in {**FAULTS, **REMARKS}.items():
        found = report.findings[kind]
        if found:
            count = f"{len(found):,} {'clip' if found[0].path else 'fault'}{'s' * (len(found) != 1)}"
            style = "not italic bold red" if kind in FAULTS else "not italic bold"
            text.append(f"{count}: {words}\n", style=style)
            lines = [f"    {finding}" for finding in found[:EXAMPLES]]
            more = [f"    and {len(found) - EXAMPLES:,} more"] if len(found) > EXAMPLES else []
            text.append("".join(f"{printable(line)}\n" for line in [*lines, *more]), style="not italic")
    return text
