"""How a search looks in a terminal, and in a log file."""

from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mixkit.cli.views.study import span
from mixkit.cli.views.terminal import say, table
from mixkit.errors import printable
from mixkit.recipe.figures import figure
from mixkit.search.candidates import told
from mixkit.search.costs import from_values
from mixkit.search.definition import Searched
from mixkit.search.trial import Trial

SHOWN = 10  # of the best
STYLES = {"pruned": "dim", "refused": "dim", "failed": "red"}


class LiveSearch:
    """A line for each trial that ends, above those in training where there is a terminal.

    Args:
        console: to print on.
        best: the figure that is to be best.
    """

    def __init__(self, console: Console, best: str):
        self._console, self._figure = console, figure(best)
        self._live = Live(Text(""), console=console, transient=True, auto_refresh=False)

    def __enter__(self) -> "LiveSearch":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live.is_started:
            self._live.stop()

    def say(self, text: str) -> None:
        """A sentence for the user."""
        say(text, console=self._console)

    def ended(self, trial: Trial, what: str, seconds: float, left: float | None) -> None:
        """A trial has ended."""
        value = "" if trial.value is None else f"{self._figure.show(trial.value)}  "
        why = trial.facts.get("why", "")
        end = {"done": "", "pruned": f"; given up: {why}", "failed": f"; failed: {why}"}.get(trial.state, "")
        rest = "" if left is None else f"; {span(left)} left"
        number = "" if "recipe" in trial.chosen else str(trial.number)
        say(f"{number:>3}  {value}{what}, {span(seconds)}{end}{rest}", STYLES.get(trial.state, ""), self._console)

    def show(self, running: list[str], left: float | None) -> None:
        """Time has passed."""
        if self._live.is_started:
            lines = [Text(f"in training: {printable(one)}", style="dim") for one in running]
            rest = "" if left is None else f"{span(left)} until the best are compared"
            self._live.update(Group(*lines, Text(rest)), refresh=True)


def best_trials(found: Searched) -> Table:
    """The best trials on validation, shipped recipes among them."""
    shown = figure(found.search.best)
    sign = 1.0 if shown.lower_is_better else -1.0
    trials = [(f"{t.chosen['recipe']} as it is", t) for t in found.shipped]
    trials += [(told(t.chosen, t.facts.get("lines", ())), t) for t in found.trials if "same_as" not in t.facts]
    done = sorted(
        ((name, t) for name, t in trials if t.state == "done" and t.value is not None),
        key=lambda one: (sign * (one[1].value or 0.0), one[1].number),
    )
    timed = any("ms_per_clip" in t.facts["costs"] for _, t in done)
    rows = table("candidate", f"valid {shown.heading}", "parameters", "MFLOP", *(["ms a clip"] if timed else []))
    rows.title = f"the best of {len(done)} that were trained to their end"
    for name, trial in done[:SHOWN]:
        costs = from_values(trial.facts["costs"])
        cells = [shown.show(trial.value), f"{costs.parameters:,.0f}", f"{costs.flops / 1e6:,.1f}"]
        rows.add_row(Text(printable(name)), *cells, *([f"{costs.ms_per_clip or 0:.2f}"] if timed else []))
    return rows


def not_trained(found: Searched) -> list[str]:
    """Why candidates were not trained, the commonest reason first."""
    reasons: dict[str, int] = {}
    for trial in (*found.shipped, *found.trials):
        if trial.state in ("refused", "failed") and "same_as" not in trial.facts:
            reason = f"{trial.state}: {trial.facts.get('why', '')!s}"
            reasons[reason] = reasons.get(reason, 0) + 1
    return [f"{count} x {reason}" for reason, count in sorted(reasons.items(), key=lambda one: -one[1])]
