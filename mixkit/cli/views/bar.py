"""How far something is: a bar in a terminal, a line now and then in a log."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import DownloadColumn as BytesColumn
from rich.text import Text

from mixkit.errors import printable

LINE_SECONDS = 30.0
DRAW_SECONDS = 0.1


class Bar:
    """A bar for one piece of work after the other, `with` a console that is not the one for results.

    Args:
        console: for bar, lines and sentences.
        counts_bytes: whether what is counted is bytes; else files.
    """

    def __init__(self, console: Console, counts_bytes: bool):
        self.console = console
        self._counts_bytes = counts_bytes
        self._what = ""
        self._bar: TaskID | None = None
        self._shown = 0.0
        counter = BytesColumn() if counts_bytes else MofNCompleteColumn()
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=30), counter, TimeRemainingColumn())
        self._bars = Progress(*columns, console=console, transient=True)

    def __enter__(self) -> "Bar":
        if self.console.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bars.live.is_started:  # else it would still print an empty line
            self._bars.stop()

    def say(self, text: str) -> None:
        """A sentence for the user."""
        self.console.print(Text(printable(text)), soft_wrap=True)

    def progress(self, what: str, done: int, total: int) -> None:
        """So much of a piece of work is done; of a total of 0, nobody knows how much there is."""
        now, drawn = time.monotonic(), self._bars.live.is_started
        fresh = what != self._what
        if not fresh and (done < total or not total) and now - self._shown < (DRAW_SECONDS if drawn else LINE_SECONDS):
            return
        self._what, self._shown = what, now
        if not drawn:
            if self._counts_bytes:
                share = f" {done / total:.0%}" if total else ""
                self.say(f"{what}{share} of {total / 1e6:,.1f} MB")
            else:
                self.say(f"{what} {done / total:.0%} of {total:,}" if total else f"{what}: {done:,} so far")
            return
        if fresh and self._bar is not None:
            self._bars.remove_task(self._bar)
        if fresh or self._bar is None:
            self._bar = self._bars.add_task(what, total=total or None)
        self._bars.update(self._bar, completed=done)
