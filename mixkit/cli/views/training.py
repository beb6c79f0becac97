"""How training looks in a terminal, and in a log file."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from rich import progress as bars
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

from mixkit.cli.views.bar import Bar
from mixkit.cli.views.terminal import say, stderr
from mixkit.recipe.figures import LOSS, columns, figure, standard
from mixkit.tasks.progress import Progress
from mixkit.training.budget import Budget
from mixkit.training.display import TrainingDisplay


class Live(TrainingDisplay):
    """A bar with epoch, batch, clips/s, time left, loss and validation; plain lines where there is no terminal."""

    def __init__(self, console: Console):
        self.console = console
        self.budget = Budget(0, 1)
        self.best = ""
        self.progress: bars.Progress | None = None

    def say(self, text: str) -> None:
        """A sentence for the user."""
        say(text, console=self.console)

    @contextmanager
    def listing(self) -> Iterator[Progress]:
        """The clips are being listed: a bar beside the results, where that takes long."""
        with Bar(stderr(), counts_bytes=False) as bar:
            yield bar.progress

    def start(self, budget: Budget, best: str) -> None:
        """Training begins."""
        self.budget, self.best = budget, best
        if not (self.console.is_terminal or in_notebook(self.console)):
            return
        self.progress = bars.Progress(
            TextColumn(f"epoch {{task.fields[epoch]}}/{budget.epochs}"),
            BarColumn(bar_width=24),
            TextColumn(f"batch {{task.fields[batch]}}/{budget.per_epoch}"),
            TextColumn("{task.fields[speed]:.0f} clips/s"),
            TextColumn("time left"),
            TimeRemainingColumn(),
            TextColumn("loss {task.fields[loss]:.3f}"),
            TextColumn("{task.fields[valid]}"),
            console=self.console,
            transient=True,
        )
        self.progress.add_task("train", total=budget.steps, epoch=1, batch=0, speed=0.0, loss=math.nan, valid="")
        self.progress.start()

    def batch(self, epoch: int, batch: int, loss: float, clips_per_second: float) -> None:
        """A batch of an epoch is done."""
        if self.progress:
            done = self.budget.up_to(epoch - 1) + batch
            bar = self.progress.task_ids[0]
            self.progress.update(bar, completed=done, epoch=epoch, batch=batch, loss=loss, speed=clips_per_second)

    def epoch(self, record: Mapping[str, Any]) -> None:
        """An epoch is done and validated, unless it is one of a refit."""
        if "valid" not in record:
            line = f"refit epoch {record['epoch']:>3}/{self.budget.epochs}  loss {record['train']['loss']:.3f}  "
            say(f"{line}{record['clips_per_second']:.0f} clips/s", console=self.console)
            return
        valid, shown = record["valid"], [*columns(False)[:2], *columns(True)[:2], self.best]
        shown += [name for name in valid if name not in standard()]
        values = "".join(_value(name, valid[name]) for name in dict.fromkeys(shown) if name != LOSS and name in valid)
        star = "  best so far" if record["best"] else ""
        line = (
            f"epoch {record['epoch']:>3}/{self.budget.epochs}  loss {record['train']['loss']:.3f}  "
            f"valid loss {valid['loss']:.3f}  {values}{record['clips_per_second']:.0f} clips/s{star}"
        )
        say(line, "bold" if record["best"] else "", self.console)
        if self.progress:
            self.progress.update(self.progress.task_ids[0], valid=f"valid {figure(self.best).show(valid[self.best])}")

    def stop(self) -> None:
        """Training has ended, or failed."""
        if self.progress:
            self.progress.stop()
            self.progress = None


def in_notebook(console: Console) -> bool:
    """Whether a bar can be drawn in a notebook, which takes ipywidgets; without, there are plain lines."""
    return console.is_jupyter and find_spec("ipywidgets") is not None


def _value(name: str, value: float | None) -> str:
    own = figure(name)
    return f"{name} {own.show(value):>{6 if own.percent else 0}}  "
