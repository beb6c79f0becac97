"""Carries out a study: what is not done yet, several runs at once, with the record true at every moment."""

import shlex
import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from mixkit.errors import DamagedError, RunError
from mixkit.runs.folder import COMPLETE, RECIPE, Run
from mixkit.storage.atomic import append_line, write_whole, writing
from mixkit.study.engine import STARTED, THREADS, Ended, Engine, Job, reason
from mixkit.study.folder import held, remarks, set_aside, stoppable
from mixkit.study.plan import Plan
from mixkit.study.record import RUNS, ArmRun, Record, as_it_is, write_study

LOOK = 0.2  # seconds between two looks at the runs
SHOW = 1.0  # seconds between two drawings


class StudyFailed(RunError):
    """Some runs of a study failed; all others are done."""

    exit_code = 1


@dataclass(frozen=True)
class Progress:
    """How far a study is.

    Args:
        record: the study.
        left: seconds until it is done, as far as one can tell.
    """

    record: Record
    left: float | None


class Display(Protocol):
    """What a study tells while it goes on."""

    def say(self, text: str) -> None:
        """A sentence for the user."""

    def ended(self, trial: ArmRun, seconds: float, progress: Progress) -> None:
        """A run is done or has failed."""

    def show(self, progress: Progress) -> None:
        """Time has passed."""


def drive(
    plan: Plan,
    engine: Engine,
    display: Display,
    device: str = "auto",
    minutes: float | None = None,
    allow_changes: bool = False,
) -> Record:
    """Carries out all runs of a study that are not done.

    Args:
        plan: the study.
        engine: what carries out its runs; it is closed at the end.
        display: is told how it goes.
        device: for every run.
        minutes: a run that takes longer is ended, and has failed; None for no limit.
        allow_changes: go on with half-done runs although versions, data or machine differ.

    Returns:
        The record: every trial done.

    Raises:
        RunError: another process works on the study, or its folder cannot be written.
        StudyFailed: runs have failed.
        Stopped: a signal came; runs had time to save, and the same study goes on from there.
    """
    with held(plan.record.folder), stoppable():
        options = ("--device", device, *(["--allow-changes"] if allow_changes else []))
        work = _Drive(plan, engine, display, options, minutes, plan.record)
        try:
            record = work.all()
        finally:
            engine.close()
            work.leave()
    failed = sum(trial.state == "failed" for trial in record.trials)
    if failed:
        what = "1 run has" if failed == 1 else f"{failed} runs have"
        raise StudyFailed(f"{what} failed of {len(record.trials)}. The same command again runs what is missing.")
    return record


@dataclass
class _Drive:
    plan: Plan
    engine: Engine
    display: Display
    options: tuple[str, ...]
    minutes: float | None
    record: Record
    began: dict[str, float] = field(default_factory=dict)
    late: set[str] = field(default_factory=set)
    to_do: float = 0.0  # work of all runs that are to be made
    worked: float = 0.0  # that of runs that ended

    def all(self) -> Record:
        self._prepare()
        waiting = [trial.folder.name for trial in self.record.trials if trial.state == "waiting"]
        start = shown = time.monotonic()
        while waiting or self.began:
            while waiting and len(self.began) < self.engine.slots:
                self._start(waiting.pop(0))
            for ended in self.engine.ended():
                self._end(ended, start)
            self._end_late_ones()
            if time.monotonic() - shown > SHOW:
                shown = time.monotonic()
                self.display.show(Progress(self.record, self._left(start)))
            if self.began:
                time.sleep(LOOK)
        return self.record

    def leave(self) -> None:
        """Nothing runs any more."""
        for key in self.began:
            self._change(key, state="waiting")

    def _prepare(self) -> None:
        folder = self.record.folder
        for name in (RUNS, "recipes", "logs"):
            with writing(folder / name):
                (folder / name).mkdir(exist_ok=True)
        for key, run in self.plan.runs.items():
            write_whole(folder / "recipes" / f"{key}.gin", run.recipe.encode())
            if place := set_aside(folder / RUNS / key, run.code):
                self.display.say(f"A run of other plugin code is kept as {place}, and does not count.")
        trials = tuple(map(as_it_is, self.record.trials))
        self.record = replace(self.record, trials=trials)
        write_study(self.record)
        done = sum(trial.state == "done" for trial in trials)
        if done:
            self.display.say(f"{done} of {len(trials)} runs are done already and are not repeated.")
        for remark in remarks(self.record):
            self.display.say(remark)
        self.to_do = sum(self._work(t.folder.name) for t in trials if t.state != "done")

    def _start(self, key: str) -> None:
        folder = self.record.folder
        run = folder / RUNS / key
        plugins = tuple(word for plugin in self.plan.plugins for word in ("--plugin", plugin))
        if run.exists() and not (run / RECIPE).is_file():  # killed before its first file was there
            with writing(run):
                shutil.rmtree(run)
        recipe = str(folder / "recipes" / f"{key}.gin")
        arguments = ("train", recipe, "--runs", str(run.parent), "--name", key, "--resume", "auto")
        job = Job(key, (*arguments, *self.options, *plugins), log_of(folder, key), _as_begun(run))
        append_line(job.log, f"{STARTED}{shlex.join(job.arguments)}")
        self.engine.start(job)
        self.began[key] = time.monotonic()
        self._change(key, state="running", error=None)

    def _end(self, ended: Ended, start: float) -> None:
        key = ended.key
        seconds = time.monotonic() - self.began.pop(key)
        run = self.record.folder / RUNS / key
        if place := set_aside(run, self.plan.runs[key].code):
            error: str | None = f"a plugin was edited meanwhile; what came of it is {place}"
        elif (run / COMPLETE).is_file():
            error = None
        elif key in self.late:
            error = f"took longer than {self.minutes:g} min and was ended"
        else:
            error = ended.why or reason(ended.code, log_of(self.record.folder, key))
        trial = self._change(key, state="failed" if error else "done", error=error)
        self.worked += self._work(key)
        self.display.ended(trial, seconds, Progress(self.record, self._left(start)))

    def _end_late_ones(self) -> None:
        for key, began in self.began.items():
            if self.minutes is not None and time.monotonic() - began > self.minutes * 60 and key not in self.late:
                self.late.add(key)
                self.engine.kill(key)

    def _change(self, key: str, **changes: str | None) -> ArmRun:
        """Writes what has become of a run."""
        place = next(i for i, trial in enumerate(self.record.trials) if trial.folder.name == key)
        trial = replace(self.record.trials[place], **changes)  # type: ignore[arg-type]
        trials = (*self.record.trials[:place], trial, *self.record.trials[place + 1 :])
        self.record = replace(self.record, trials=trials)
        write_study(self.record)
        return trial

    def _left(self, start: float) -> float | None:
        """Seconds, by the work that was done since the start."""
        done = self.worked + sum(self._share(key) * self._work(key) for key in self.began)
        return (time.monotonic() - start) * (self.to_do - done) / done if done else None

    def _work(self, key: str) -> float:
        """Of a run: its epochs, or its updates; where some say the one and some the other, or none, a run is a run."""
        runs, length = self.plan.runs.values(), self.plan.runs[key].length
        alike = len({run.unit for run in runs}) == 1 and all(run.length for run in runs)
        return length if alike and length else 1.0

    def _share(self, key: str) -> float:
        """How much of a run is trained."""
        planned, records = self.plan.runs[key], Run(self.record.folder / RUNS / key).metrics()
        return records[-1][planned.unit] / planned.length if records and planned.length else 0.0


def log_of(folder: Path, key: str) -> Path:
    """The file with what a run printed."""
    return folder / "logs" / f"{key}.txt"


def _as_begun(run: Path) -> dict[str, str]:
    """The environment that a run goes on in: another number of threads would change the last bits of its figures."""
    try:
        threads = Run(run).environment().get("threads")
    except DamagedError:
        return {}
    return {THREADS: str(threads)} if isinstance(threads, int) else {}
