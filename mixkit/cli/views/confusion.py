"""What was taken for what, in text."""

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from mixkit.cli.views.terminal import say, stdout
from mixkit.errors import printable
from mixkit.report.details import Confusion

LONGEST = 24  # cells of a label ahead of its row
SHORT = 5  # and above its column; where one is longer, columns are numbered


def show_confusion(found: Confusion) -> None:
    """Prints the matrix where it fits into the terminal, and what was most often taken for what."""
    console = stdout()
    over = "" if found.runs == 1 else f" over {found.runs:,} runs"
    say(f"confusion{over}: {found.right:,} of {found.clips:,} clips right, {found.right / max(found.clips, 1):.1%}")
    lines = _matrix(found)
    if max(line.cell_len for line in lines) <= _room(console):
        say("rows: the right class; columns: the answer", "dim")
        for line in lines:
            console.print(line, soft_wrap=True)
    if found.most:
        pairs = (f"{printable(right)} taken for {printable(other)} ({count:,})" for right, other, count in found.most)
        say(f"Most often: {', '.join(pairs)}.")
    console.print()


def _room(console: Console) -> int:
    return console.width if console.is_terminal else 200


def _matrix(found: Confusion) -> list[Text]:
    labels = [printable(label) for label in found.labels]
    numbered = any(cell_len(label) > SHORT for label in labels)
    heads = [str(number) for number in range(1, len(labels) + 1)] if numbered else labels
    names = [f"{head} {label}" if numbered else label for head, label in zip(heads, labels, strict=True)]
    ahead = min(LONGEST, max(map(cell_len, names)))
    wide = max(*(cell_len(head) for head in heads), *(len(str(count)) for row in found.counts for count in row))
    lines = [Text(" " * ahead).append("".join(f" {_right(head, wide)}" for head in heads), "bold")]
    for at, (name, counts) in enumerate(zip(names, found.counts, strict=True)):
        line = Text(name)
        line.truncate(ahead, overflow="ellipsis", pad=True)
        for column, count in enumerate(counts):
            line.append(f" {_right(str(count or '.'), wide)}", "bold" if column == at else "" if count else "dim")
        lines.append(line)
    return lines


def _right(text: str, wide: int) -> str:
    return " " * (wide - cell_len(text)) + text
