"""How a study looks in a terminal, and in a log file."""

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mixkit.cli.views.terminal import say, table
from mixkit.errors import MixkitError, printable
from mixkit.recipe.figures import figure, leading
from mixkit.runs.folder import Run
from mixkit.runs.records import read_best, read_epochs
from mixkit.study.driver import Progress, log_of
from mixkit.study.record import ArmRun, Record, State

STATES: tuple[State, ...] = ("done", "running", "failed", "waiting")
STYLES = {"done": "green", "running": "bold", "failed": "bold red", "waiting": "dim"}


class Shown:
    """A line for each run that ends, above a table of the arms where there is a terminal."""

    def __init__(self, console: Console, record: Record):
        self._console = console
        self._live = Live(Text(""), console=console, transient=True, auto_refresh=False)
        self._shown = Progress(record, None)

    def __enter__(self) -> "Shown":
        if self._console.is_terminal:
            self._live.start()
            self.show(self._shown)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live.is_started:
            self._live.stop()
        for trial in self._shown.record.trials:
            if trial.state == "failed":
                self._explain(trial)

    def say(self, text: str) -> None:
        """A sentence for the user."""
        say(text, console=self._console)

    def ended(self, trial: ArmRun, seconds: float, progress: Progress) -> None:
        """A run is done or has failed."""
        trials = progress.record.trials
        number = sum(other.state in ("done", "failed") for other in trials)
        result = f"failed: {trial.error}".split("\n")[0] if trial.state == "failed" else _result(trial)
        left = "" if progress.left is None or number == len(trials) else f"; {span(progress.left)} left"
        style = "red" if trial.state == "failed" else ""
        say(f"{number}/{len(trials)}  {_called(trial)}: {result}, {span(seconds)}{left}", style, self._console)
        self.show(progress)

    def show(self, progress: Progress) -> None:
        """Time has passed."""
        self._shown = progress
        if self._live.is_started:
            self._live.update(_table(progress), refresh=True)

    def _explain(self, trial: ArmRun) -> None:
        say(f"{_called(trial)} failed:", "bold red", self._console)
        for line in (trial.error or "").split("\n"):
            self.say(f"    {line}")
        self.say(f"    log: {log_of(trial.folder.parent.parent, trial.folder.name)}")


def size_of(record: Record) -> str:
    """How many runs there are: `3 arms x 3 seeds = 9 runs`."""
    folds = len({trial.fold for trial in record.trials})
    seeds = len({trial.seed for trial in record.trials})
    over = f" x {folds} folds" if folds > 1 else ""
    words, runs = "seed" if seeds == 1 else "seeds", "run" if len(record.trials) == 1 else "runs"
    arms = f"{len(record.arms)} arms x " if len(record.arms) > 1 else ""
    return f"{arms}{seeds} {words}{over} = {len(record.trials)} {runs}"


def _table(progress: Progress) -> Group:
    record = progress.record
    rows = table("arm", *STATES, title=f"{record.name}{' (quick)' if record.quick else ''}")
    for arm in record.arms:
        counts = [sum(t.arm == arm.name and t.state == state for t in record.trials) for state in STATES]
        cells = (
            Text(str(count) if count else "", style=STYLES[state]) for state, count in zip(STATES, counts, strict=True)
        )
        rows.add_row(Text(printable(arm.name)), *cells)
    left = "time left unknown yet" if progress.left is None else f"time left {span(progress.left)}"
    done = sum(trial.state in ("done", "failed") for trial in record.trials)
    now = [trial for trial in record.trials if trial.state == "running"]
    return Group(rows, *([_running(now)] if now else []), Text(f"{done} of {len(record.trials)} runs, {left}"))


def _running(trials: Sequence[ArmRun]) -> Table:
    """How far each run is that trains now."""
    rows = table("training", "epoch", "loss", "valid", "best so far")
    for trial in trials:
        best = read_best(trial.folder)
        shown, epochs = figure(best), read_epochs(trial.folder, best)
        cells = ["starting", "", "", ""]
        if epochs:
            values = [epoch.valid for epoch in epochs]
            top = (min if shown.lower_is_better else max)(values)
            cells = [str(epochs[-1].epoch), f"{epochs[-1].train_loss:.3f}"]
            cells += [f"{shown.title} {shown.show(values[-1])}", shown.show(top)]
        rows.add_row(Text(printable(_called(trial))), *map(Text, cells))
    return rows


def _called(trial: ArmRun) -> str:
    fold = "" if trial.fold is None else f", fold {trial.fold}"
    return f"{trial.arm}, seed {trial.seed}{fold}"


def _result(trial: ArmRun) -> str:
    try:
        tested = Run.open(trial.folder).results().test
    except MixkitError:
        return "done"
    best = figure(leading(read_best(trial.folder), tested.several))
    return f"test {best.title} {best.show(tested.value(best.name))}"


def span(seconds: float) -> str:
    """A time as it is told: `48 s`, `12 min`, `1.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
