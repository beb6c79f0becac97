"""Carries out a search: draws candidates, trains them on several slots, gives up those that fall behind."""

import shlex
import time
from dataclasses import dataclass, field
from pathlib import Path

from mixkit.errors import MixkitError
from mixkit.recipe.figures import figure
from mixkit.registry import task
from mixkit.runs.folder import Run
from mixkit.search.candidates import Candidate, told
from mixkit.search.clock import Clock
from mixkit.search.costs import Costs, as_values, costs_of, over
from mixkit.search.definition import Search, Searched, is_counted
from mixkit.search.display import SearchDisplay
from mixkit.search.processes import others, process
from mixkit.search.space import Choices, Space
from mixkit.search.trial import Trial
from mixkit.search.trials import Trials
from mixkit.storage.atomic import append_line, write_whole, writing
from mixkit.study.engine import STARTED, Ended, Engine, Job, reason
from mixkit.study.folder import stoppable
from mixkit.study.record import RUNS
from mixkit.training.device import choose_device

SHIPPED, SEARCHED = "shipped", "search"  # the studies in Optuna's file
SEEDS = 3  # fresh ones, of the final comparison
LOOK = 0.2  # seconds between two looks at the runs
IN_A_ROW = 200  # candidates that come to nothing new before the space counts as exhausted
SHARE = 0.4  # of a budget that is left to the final comparison while no trial has told how long one takes


def search(asked: Search, engine: Engine, display: SearchDisplay, device: str = "auto") -> Searched | None:
    """Carries out a search, or goes on with it.

    Args:
        asked: what to search.
        engine: what carries out its runs; it is closed at the end.
        display: is told how it goes.
        device: for every run.

    Returns:
        What was found; None where other processes are still at it, the last of which has the answer.

    Raises:
        RunError: the folder is that of another search, or cannot be written; or no candidate could be trained.
        Stopped: a signal came; runs had time to save, and the same command goes on.
    """
    with process(asked.folder) as name, stoppable():
        work = _Work(asked, engine, display, device, name)
        try:
            work.all()
        finally:
            engine.close()
            work.clock.tick(always=True)
        if others(asked.folder, name):
            display.say("Other processes are still searching; the last of them compares the best and answers.")
            return None
        return work.found()


@dataclass
class _Running:
    """A candidate in training."""

    of: Trials
    trial: Trial
    candidate: Candidate
    costs: Costs
    began: float
    seen: int = 0  # epochs that were looked at
    given_up: str = ""


@dataclass
class _Work:
    asked: Search
    engine: Engine
    display: SearchDisplay
    device: str
    process: str
    running: dict[str, _Running] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)  # seconds of trials that were trained to their end

    def __post_init__(self) -> None:
        asked = self.asked
        asked.claim()
        for name in (RUNS, "recipes", "logs"):
            with writing(asked.folder / name):
                (asked.folder / name).mkdir(exist_ok=True)
        lower = figure(asked.best).lower_is_better
        common = (asked.base.seed, self.process, lower)
        names = [asked.base.recipe, *asked.space.beside]
        beside = Space(SHIPPED, {"recipe": Choices(dict.fromkeys(names, ()))})
        self.shipped = Trials(asked.folder, SHIPPED, beside, *common, "random", asked.toward, grid=True)
        self.trials = Trials(asked.folder, SEARCHED, asked.space, *common, asked.sampler, asked.toward)
        self.trials.prune_by(asked.epochs)
        self.clock = Clock(asked.folder, self.process, asked.budget)
        self.classes = len(task.build(asked.base.load().recipe.task).labels)
        timed = any(one.name == "ms_per_clip" for one in asked.limits) or asked.toward == "ms_per_clip"
        self.timed_on = choose_device(self.device) if timed else None

    def all(self) -> None:
        shown = time.monotonic()
        exhausted = False
        while True:
            while not exhausted and len(self.running) < self.engine.slots and not self._is_over():
                exhausted = not self._start()
            for ended in self.engine.ended():
                self._end(ended)
            for running in self.running.values():
                self._look(running)
            self.clock.tick()
            if not self.running and (exhausted or self._is_over()):
                return
            if self._is_over(hard=True):
                for key, running in self.running.items():
                    self._give_up(key, running, "the time was over")
            if time.monotonic() - shown > 1.0:
                shown = time.monotonic()
                self.display.show([_what(one) for one in self.running.values()], self._left())
            time.sleep(LOOK)

    def found(self) -> Searched:
        """What there is by now."""
        return Searched(
            self.asked,
            tuple(self.shipped.all()),
            tuple(self.trials.all()),
            self.trials.importance(),
            self.clock.spent,
            self.clock.left,
        )

    def _left(self) -> float | None:
        """Seconds until no new candidate is drawn."""
        left = self.clock.left
        return None if left is None else max(0.0, left - self._reserve())

    def _reserve(self) -> float:
        """Seconds that the final comparison will take: fresh seeds of the base, the winner and the best shipped."""
        if not self.took:
            return SHARE * (self.asked.budget or 0.0)
        each = sorted(self.took)[len(self.took) // 2]
        rounds = -(-SEEDS * 3 // self.engine.slots)
        return min(rounds * each, 0.7 * (self.asked.budget or 0.0))

    def _is_over(self, hard: bool = False) -> bool:
        """Whether no candidate is to be drawn any more; `hard`, whether those in training are given up."""
        left = self._left()
        if left is not None and left <= 0:
            return True
        if hard or self.asked.trials is None:
            return False
        return sum(is_counted(trial) for trial in self.trials.all()) >= self.asked.trials and self._shipped_are_drawn()

    def _shipped_are_drawn(self) -> bool:
        return len(self.shipped.all()) >= len({self.asked.base.recipe, *self.asked.space.beside})

    def _start(self) -> bool:
        """Begins a trial; whether there was one to begin."""
        for _ in range(IN_A_ROW):
            of = self.shipped
            trial = of.next()
            if trial is None:
                of, trial = self.trials, self.trials.next()
            assert trial is not None
            if self._began(of, trial):
                return True
            if self._is_over():
                return True
        self.display.say(f"{IN_A_ROW} candidates in a row came to nothing new: the space is searched.")
        return False

    def _began(self, of: Trials, trial: Trial) -> bool:
        """Begins the run of a trial, unless what it comes to is known or refused."""
        asked = self.asked
        try:
            if of is self.shipped:
                candidate = asked.base.load(recipe=str(trial.chosen["recipe"]))
            else:
                candidate = asked.base.load(asked.space.lines_of(trial.chosen))
            found = costs_of(candidate.recipe, self.classes, self.timed_on)
        except MixkitError as error:
            of.refused(trial.number, str(error).split("\n")[0])
            return False
        key = candidate.key
        of.note(trial.number, key=key, lines=[*candidate.lines], recipe=candidate.base, costs=as_values(found))
        if why := over(found, asked.limits):
            of.refused(trial.number, why)
            return False
        if same := next((one for one in self._others(of, trial) if one.facts.get("key") == key), None):
            of.copy(trial.number, same, self._toward(found))
            return False
        self._run(key, candidate)
        self.running[key] = _Running(of, trial, candidate, found, time.monotonic())
        return True

    def _others(self, of: Trials, trial: Trial) -> list[Trial]:
        """All trials but one."""
        own = [one for one in of.all() if one.number != trial.number]
        return [*own, *(self.trials if of is self.shipped else self.shipped).all()]

    def _toward(self, found: Costs) -> float | None:
        return None if self.asked.toward is None else as_values(found)[self.asked.toward]

    def _run(self, key: str, candidate: Candidate) -> None:
        folder = self.asked.folder
        recipe = folder / "recipes" / f"{key}.gin"
        write_whole(recipe, candidate.run.recipe.encode())
        plugins = tuple(word for plugin in self.asked.plugins for word in ("--plugin", plugin))
        arguments = ("train", str(recipe), "--runs", str(folder / RUNS), "--name", key, "--resume", "auto", "--no-test")
        job = Job(key, (*arguments, "--device", self.device, *plugins), log_of(folder, key))
        append_line(job.log, f"{STARTED}{shlex.join(job.arguments)}")
        self.engine.start(job)

    def _look(self, running: _Running) -> None:
        """Reports the epochs that are new; a trial that fell behind is given up."""
        key = running.candidate.key
        records = Run(self.asked.folder / RUNS / key).metrics()
        for place in range(running.seen, len(records)):
            value = best_of(records[: place + 1], self.asked.best)
            running.seen = place + 1
            if value is not None and running.of.report(running.trial.number, records[place]["epoch"], value):
                self._give_up(key, running, f"not among the best by epoch {records[place]['epoch']}")
                return

    def _give_up(self, key: str, running: _Running, why: str) -> None:
        if not running.given_up:
            running.given_up = why
            self.engine.kill(key)

    def _end(self, ended: Ended) -> None:
        running = self.running.pop(ended.key)
        if not running.given_up:
            self._look(running)
        of, number, seconds = running.of, running.trial.number, time.monotonic() - running.began
        value = best_of(Run(self.asked.folder / RUNS / ended.key).metrics(), self.asked.best)
        if ended.code == 0 and value is not None and not running.given_up:
            self.took.append(seconds)
            of.done(number, value, self._toward(running.costs))
        elif running.given_up:
            of.pruned(number, running.given_up)
        else:
            of.failed(number, ended.why or reason(ended.code, log_of(self.asked.folder, ended.key)))
        trial = next(one for one in of.all() if one.number == number)
        self.display.ended(trial, _what(running), seconds, self._left())


def best_of(records: list[dict[str, object]], name: str) -> float | None:
    """The best value of a figure on validation in the records of a run."""
    values = [record["valid"][name] for record in records if isinstance(record.get("valid"), dict)]  # type: ignore[index]
    known = [float(value) for value in values if isinstance(value, int | float)]
    if not known:
        return None
    return min(known) if figure(name).lower_is_better else max(known)


def log_of(folder: Path, key: str) -> Path:
    """The file with what a run printed."""
    return folder / "logs" / f"{key}.txt"


def _what(running: _Running) -> str:
    if "recipe" in running.trial.chosen and len(running.trial.chosen) == 1:
        return f"{Path(str(running.trial.chosen['recipe'])).stem} as it is"
    return told(running.trial.chosen, running.candidate.lines)
