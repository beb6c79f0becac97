"""The runs that a report is about, sorted into arms: those of a study, or any runs by their recipe."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from mixkit.errors import MixkitError, RunError
from mixkit.recipe.figures import columns, pair
from mixkit.recipe.gin_file import recipe_from_text
from mixkit.recipe.identity import what
from mixkit.recipe.writer import to_gin
from mixkit.runs.folder import Run
from mixkit.runs.records import Pace, read_best, read_command, read_pace, read_recipe
from mixkit.runs.results import Results, text
from mixkit.study.record import Record, is_study, read_study

Split = Literal["valid", "test"]
KEY = re.compile(r"(?m)^(?:train\.seed|task\.\w+\.fold|recipe\.name) = .*$")


@dataclass(frozen=True)
class RunEntry:
    """One run of an arm. All text in it is safe to print.

    Args:
        arm: name of the arm.
        seed: of the run.
        fold: that is tested, or None.
        folder: where it lies.
        state: `done`, `failed`, `running`, `waiting`, `stopped` (training has not ended), `damaged` or `double`.
        error: why it does not count, or None.
        command: what to type to make it again, or None.
        results: what it ended with; None unless it is done.
        pace: how fast it was.
        best: the figure by which its recipe chooses.
    """

    arm: str
    seed: int
    fold: int | str | None
    folder: Path
    state: str
    error: str | None = None
    command: str | None = None
    results: Results | None = None
    pace: Pace = field(default_factory=Pace)
    best: str = ""

    @property
    def key(self) -> tuple[int, int | str | None]:
        """What pairs it with a run of another arm."""
        return self.seed, self.fold

    def value(self, figure: str, split: Split = "test") -> float | None:
        """A figure on a split, to the seven digits that a float32 keeps: 40 right of 50 is 0.8 again."""
        if self.results is None:
            return None
        value = (self.results.test if split == "test" else self.results.valid).value(figure)
        return None if value is None else round(value, 7)


@dataclass(frozen=True)
class ComparedArm:
    """One network or setting that is compared.

    Args:
        name: in tables, safe to print.
        entries: its runs.
        lines: `--set` lines over the base.
        paper: figures that a paper gives for it, in per cent.
        note: what a reader has to know of it.
    """

    name: str
    entries: tuple[RunEntry, ...]
    lines: tuple[str, ...] = ()
    paper: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    @property
    def done(self) -> tuple[RunEntry, ...]:
        """The runs that count."""
        return tuple(entry for entry in self.entries if entry.results)

    def values(self, figure: str, split: Split = "test") -> dict[tuple[int, int | str | None], float]:
        """A figure or metric of every run that has it, by seed and fold."""
        found = {entry.key: entry.value(figure, split) for entry in self.entries if entry.results}
        return {key: value for key, value in found.items() if value is not None}


@dataclass(frozen=True)
class RunsByArm:
    """What a report is about.

    Args:
        name: of the study, or of its only recipe.
        arms: the base first.
        quick: whether it is a short study, whose figures prove nothing.
        note: a sentence for the caption.
        others: figures that a paper gives for networks that are no arm, in per cent, by name.
    """

    name: str
    arms: tuple[ComparedArm, ...]
    quick: bool = False
    note: str = ""
    others: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def results(self) -> tuple[Results, ...]:
        """What the runs that count ended with."""
        return tuple(entry.results for entry in self.entries if entry.results)

    @property
    def several(self) -> bool:
        """Whether a clip may have several labels, or none."""
        return all(results.test.several for results in self.results)

    @cached_property
    def figures(self) -> tuple[str, str]:
        """The two that are compared first: the one by which the base's recipe chooses, and one beside it."""
        known = (entry.best for entry in self.entries if entry.value(entry.best) is not None)
        return pair(next(known, columns(self.several)[0]), self.several)

    @property
    def further(self) -> tuple[str, ...]:
        """The others that every run has."""
        return tuple(name for name in columns(self.several) if name not in self.figures)

    @property
    def asked(self) -> tuple[str, ...]:
        """What recipes ask for beside what every run has, in the order of the runs."""
        return tuple(dict.fromkeys(name for results in self.results for name in results.test.asked))

    @property
    def metrics(self) -> tuple[str, ...]:
        """Those of them that are not compared first."""
        return tuple(name for name in self.asked if name not in self.figures)

    @property
    def base(self) -> ComparedArm:
        """The arm that the others are compared with."""
        return self.arms[0]

    @property
    def entries(self) -> tuple[RunEntry, ...]:
        """The runs of all arms."""
        return tuple(entry for arm in self.arms for entry in arm.entries)


def gather(folders: Sequence[Path]) -> RunsByArm:
    """Reads studies and runs.

    Args:
        folders: of studies or runs; the first arm of the first is the base.

    Raises:
        RunError: a folder is neither a run nor a study, or no run of them all has ended.
        DamagedError: the record of a study is not what mixkit wrote.
    """
    studies = [read_study(folder) for folder in folders if is_study(folder)]
    loose = _by_recipe([_loose(Run.open(folder).folder) for folder in folders if not is_study(folder)])
    planned = [arm for record in studies for arm in _of_study(record, alone=len(studies) == 1)]
    arms = planned + loose if studies and is_study(folders[0]) else loose + planned
    arms = [replace(arm, entries=_once(arm.entries)) for arm in _distinct(arms)]
    if not any(arm.done for arm in arms):
        first = next((entry.error for arm in arms for entry in arm.entries if entry.error), "training has not ended")
        raise RunError(f"none of these runs has figures: {first}. Name a run that is complete.")
    names = [text(record.name, 80) for record in studies] or sorted({arm.name.partition(" (")[0] for arm in arms})
    notes = " ".join(text(record.note) for record in studies if record.note)
    others = {name: figures for record in studies for name, figures in _others(record, len(studies) == 1).items()}
    return RunsByArm(" and ".join(names[:4]), tuple(arms), any(record.quick for record in studies), notes, others)


def _of_study(record: Record, alone: bool) -> list[ComparedArm]:
    """The arms of a study, the base first."""
    prefix = _prefix(record, alone)
    arms = sorted(record.arms, key=lambda arm: arm.name != record.base)
    found = []
    for arm in arms:
        name = prefix + text(arm.name, 80)
        entries = []
        for run in [run for run in record.trials if run.arm == arm.name]:
            error, command = text(run.error) if run.error else None, text(run.command, 4_000)
            entries.append(_entry(RunEntry(name, run.seed, run.fold, run.folder, run.state, error, command)))
        lines = tuple(text(line) for line in arm.lines)
        found.append(ComparedArm(name, tuple(entries), lines, _figures(arm.value or {}), text(arm.note)))
    return found


def _others(record: Record, alone: bool) -> dict[str, dict[str, float]]:
    """What a paper gives for networks that are no arm."""
    return {_prefix(record, alone) + text(name, 80): _figures(found) for name, found in record.others.items()}


def _prefix(record: Record, alone: bool) -> str:
    """With several studies, each arm says of which it is."""
    return "" if alone else f"{text(record.name, 40)}: "


def _figures(found: Mapping[str, float]) -> dict[str, float]:
    return {text(key, 40): value for key, value in found.items()}


def _loose(folder: Path) -> RunEntry:
    """A run that is named by itself; its arm is found later."""
    state = "done" if Run(folder).complete else "stopped"
    error = None if state == "done" else "training has not ended"
    entry = _entry(RunEntry("", 0, None, folder, state, error, read_command(folder)))
    if entry.results is None:
        seed = re.search(r"(?m)^train\.seed = (\d{1,18})$", read_recipe(folder))
        return replace(entry, seed=int(seed[1]) if seed else 0)
    return replace(entry, seed=entry.results.seed, fold=entry.results.fold)


def _entry(entry: RunEntry) -> RunEntry:
    """With what was measured; a run whose figures cannot be read is told apart and does not count."""
    if entry.state != "done":
        return entry
    try:
        return replace(
            entry, results=Run(entry.folder).results(), pace=read_pace(entry.folder), best=read_best(entry.folder)
        )
    except MixkitError as error:
        return replace(entry, state="damaged", error=text(str(error), 600))


def _by_recipe(entries: Iterable[RunEntry]) -> list[ComparedArm]:
    """Runs of one recipe are an arm: all that is resolved in it is the same, but for seed and fold."""
    groups: dict[tuple[str, str], list[RunEntry]] = defaultdict(list)
    for entry in entries:
        recipe = read_recipe(entry.folder)
        named = re.search(r"(?m)^recipe\.name = '(.*)'$", recipe)
        name = entry.results.recipe if entry.results else text(named[1], 80) if named else entry.folder.name
        settings = what(KEY.sub("", _of_today(recipe)), where=True)
        groups[name, settings].append(entry)
    arms = []
    for (name, settings), found in groups.items():
        others = [other.splitlines() for alike, other in groups if alike == name and other != settings]
        own = [line for line in settings.splitlines() if line and any(line not in other for other in others)]
        shown = f"{name} ({text(', '.join(own[:2]), 80)})" if own else name
        arms.append(ComparedArm(shown, tuple(replace(entry, arm=shown) for entry in found)))
    return arms


def _of_today(recipe: str) -> str:
    """A resolved recipe with the settings that came after it was written, at defaults that change nothing of it."""
    try:
        return to_gin(recipe_from_text(recipe, "recipe"))
    except MixkitError:  # it needs a plugin, say
        return recipe


def _distinct(arms: Sequence[ComparedArm]) -> list[ComparedArm]:
    """No two arms of one name: what is shown would not say which."""
    seen: Counter[str] = Counter()
    found = []
    for arm in arms:
        seen[arm.name] += 1
        name = arm.name if seen[arm.name] == 1 else f"{arm.name} #{seen[arm.name]}"
        found.append(replace(arm, name=name, entries=tuple(replace(entry, arm=name) for entry in arm.entries)))
    return found


def _once(entries: Sequence[RunEntry]) -> tuple[RunEntry, ...]:
    """One run for each seed and fold: a second one is shown and does not count."""
    seen: set[tuple[int, int | str | None]] = set()
    found = []
    for entry in entries:
        if entry.results and entry.key in seen:
            entry = replace(entry, state="double", results=None, error="the same arm, seed and fold as a run before")
        elif entry.results:
            seen.add(entry.key)
        found.append(entry)
    return tuple(found)
