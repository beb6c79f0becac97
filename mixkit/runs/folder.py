"""The run folder: everything about one training, and the only writer of it."""

import json
import os
import re
import shlex
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixkit.errors import DamagedError, RunError, printable
from mixkit.markup import paragraph, picture
from mixkit.recipe.identity import what
from mixkit.recipe.schema import Recipe
from mixkit.recipe.writer import to_gin, to_json
from mixkit.runs.curves import curves
from mixkit.runs.pretrained import MARK, Pretrained
from mixkit.runs.records import content, epochs_csv, flat, read_best
from mixkit.runs.results import Results, text
from mixkit.storage.atomic import append_line, new_folder, remove_parts, write_whole, writing
from mixkit.storage.lock import holder, locked

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COMPLETE = "results.json"
RECIPE = "recipe.gin"
METRICS = "metrics.jsonl"
TABLE = "metrics.csv"
TIMES = "times.jsonl"
REFIT = "refit"
EVENTS = "events.jsonl"
LARGEST = 2**21  # bytes of a picture that is shown in a notebook


class Run:
    """A run folder. It explains itself, and is complete when `results.json` exists.

    `recipe.gin` (resolved, loads again), `recipe.json`, `environment.json`, `clips.jsonl`, `metrics.jsonl` and
    `metrics.csv` (a line an epoch), `times.jsonl` (how long each took), `events.jsonl` (starts, saves, stops),
    `best.safetensors`, `last/` (training state), `figures/`, `results.json`; of a refit, `refit.safetensors` and
    `refit/` (its records and states). Every file is whole or absent. Two runs of one recipe differ in times, events
    and environment only.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def __fspath__(self) -> str:
        """Its folder: a run can stand where a path is asked for."""
        return os.fspath(self.folder)

    def __repr__(self) -> str:
        return f"<Run {self.folder}: {self._told()}>"

    def _repr_html_(self) -> str:
        drawn = self.folder / "figures" / "curves.png"
        parts = [paragraph(self.folder, strong=True), paragraph(self._told())]
        parts += [] if (results := self._results) is None else [results._repr_html_()]
        if drawn.is_file() and drawn.stat().st_size < LARGEST:
            parts.append(picture(drawn.read_bytes(), "loss and figures over the epochs"))
        return "".join(parts)

    @property
    def _results(self) -> Results | None:
        """What it ended with, if it has, and has figures of classes."""
        ended = self.ended() if self.complete else None
        return ended if isinstance(ended, Results) else None

    def _told(self) -> str:
        try:
            ended = self.ended() if self.complete else self.state
            return ended.summary(read_best(self.folder)) if isinstance(ended, Results) else str(ended)
        except DamagedError as error:
            return str(error)

    @classmethod
    def create(
        cls,
        recipe: Recipe,
        runs: Path,
        name: str | None = None,
        environment: Mapping[str, Any] | None = None,
        fill: "Callable[[Run], None]" = lambda run: None,
    ) -> "Run":
        """A new folder `runs/NAME`, or `runs/RECIPE/001` and on, with recipe and environment in it.

        Args:
            recipe: of the run.
            runs: folder of run folders.
            name: of the new one.
            environment: in which it is started.
            fill: writes what else it begins with, before it has its name.

        Raises:
            RunError: the name is taken or no name for a folder, or the folder cannot be made.
        """
        while True:
            folder = cls.place(recipe, runs, name)
            try:
                # Its name is given to it when it is whole, so that a kill leaves no folder that is half a run.
                with writing(folder), new_folder(folder) as fresh:
                    run = cls(fresh)
                    run.write_recipe(recipe)
                    run.write_json("environment.json", {"id": uuid.uuid4().hex, **(environment or {})})
                    fill(run)
            except RunError:
                if folder.is_dir():
                    continue  # another process was first: `place` names the next number, or refuses
                raise
            return cls(folder)

    @staticmethod
    def place(recipe: Recipe, runs: Path, name: str | None = None) -> Path:
        """Where a new run will stand; nothing is written.

        Raises:
            RunError: the name is taken or no name for a folder.
        """
        if name is None:
            return runs / recipe.name / f"{max(_numbers(recipe, runs), default=0) + 1:03d}"
        expect_name(name)
        if (runs / name).exists():
            raise RunError(f"{runs / name} is already there. Choose another --name, or remove it.")
        return runs / name

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """A run that is there.

        Raises:
            RunError: the folder is missing, or is no run.
        """
        if not folder.is_dir():
            raise RunError(f"{folder} is no folder. Name a run, such as runs/asm_rh/001.")
        if not (folder / RECIPE).is_file():
            # no deeper than RUNS/RECIPE/001: below / or a home folder a search would take for ever
            inside = sorted(path.parent for depth in ("*", "*/*") for path in folder.glob(f"{depth}/{RECIPE}"))
            hint = f" Did you mean {inside[-1]}?" if inside else ""
            raise RunError(f"{folder} is no run: it has no recipe.gin.{hint}")
        return cls(folder)

    @classmethod
    def started(cls, recipe: Recipe, runs: Path, name: str | None = None) -> "Run | None":
        """The run of that name, or without one the latest of the same recipe; None where there is none.

        Raises:
            RunError: the folder of that name is no run.
        """
        if name is not None:
            expect_name(name)
            return cls.open(runs / name) if (runs / name).exists() else None
        for number in sorted(_numbers(recipe, runs), reverse=True):
            folder = runs / recipe.name / f"{number:03d}"
            written = folder / RECIPE
            if written.is_file() and what(written.read_text(), where=True) == what(to_gin(recipe), where=True):
                return cls(folder)
        return None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Be the only writer; leftovers of a killed one are removed.

        Raises:
            RunError: another process writes here; it is named.
        """

        def refuse(holder: str) -> None:
            raise RunError(f"{self.folder} is in use by {holder}. Wait for it, or choose another --name.")

        with locked(self.folder / ".lock", refuse):
            remove_parts(self.folder)
            yield

    @cached_property
    def identity(self) -> str:
        """What tells its files from those of another run of the same recipe; empty for a folder without."""
        identity = self.environment().get("id", "")
        return identity if isinstance(identity, str) else ""

    @property
    def complete(self) -> bool:
        """Whether training ended and was tested."""
        return (self.folder / COMPLETE).is_file()

    @property
    def state(self) -> str:
        """`complete`, `running`, or `stopped`, which can go on."""
        return "complete" if self.complete else "running" if holder(self.folder / ".lock") else "stopped"

    def frame(self) -> Any:
        """The epochs as a data frame of pandas, a row each: `epoch`, `train.loss`, `valid.accuracy` and so on.

        Raises:
            RunError: pandas is not installed.
        """
        try:
            import pandas  # type: ignore[import-untyped, unused-ignore]
        except ImportError:
            fix = "pip install pandas, or take run.metrics(), a list of the same."
            raise RunError(f"run.frame() needs pandas, which is not installed. {fix}") from None
        return pandas.DataFrame(flat(self.metrics()))

    def plot(self) -> "Figure":
        """Loss and figures over the epochs, also of a run that has not ended.

        Raises:
            RunError: no epoch has ended.
        """
        records = self.metrics()
        if not records:
            raise RunError(f"{self.folder} has nothing to plot: no epoch has ended there.")
        return curves(records, self._results, read_best(self.folder))

    def metrics(self) -> list[dict[str, Any]]:
        """The records of all epochs; a torn last line is left out."""
        return self._lines(METRICS)

    def times(self) -> list[dict[str, Any]]:
        """What each epoch took: `seconds`, `clips_per_second`, `waiting` (seconds, for data), `memory` (bytes)."""
        return self._lines(TIMES)

    def events(self) -> list[dict[str, Any]]:
        """What happened, in order: starts, saves, stops, steps left out, damaged files."""
        return self._lines(EVENTS)

    def seconds(self) -> float:
        """Time spent in training, all epochs together, those of a refit too."""
        return sum(record["seconds"] for record in (*self.times(), *self._lines(f"{REFIT}/{TIMES}")))

    def results(self) -> Results:
        """What the run ended with.

        Raises:
            RunError: it has not ended, or is a pretraining, which has no figures of classes.
            DamagedError: the file is not what mixkit wrote.
        """
        if isinstance(found := self.ended(), Results):
            return found
        raise RunError(
            f"{self.folder} is pretrained on recordings without labels, and has no figures of classes. "
            f"Fine-tune it: mixkit train RECIPE --from {shlex.quote(str(self.folder))}"
        )

    def ended(self) -> Results | Pretrained:
        """What the run ended with, be it a training or a pretraining.

        Raises:
            RunError: it has not ended.
            DamagedError: the file is not what mixkit wrote.
        """
        if not self.complete:
            raise RunError(f"{self.folder} has no {COMPLETE}: training has not ended there.")
        path = self.folder / COMPLETE
        try:
            said = json.loads(content(path))
            return (Pretrained if said.get(MARK) is True else Results).from_json(said)
        except Exception as error:  # whatever is in the file, the other runs are still to be shown
            reason = text(f"{error} is missing" if isinstance(error, KeyError) else str(error)).rstrip(".")
            raise DamagedError(
                f"{printable(str(path))} is not what mixkit wrote ({reason}). Leave the run out, or train it again."
            ) from None

    def environment(self) -> dict[str, Any]:
        """Where the run was started.

        Raises:
            DamagedError: the file cannot be read.
        """
        path = self.folder / "environment.json"
        if not path.is_file():
            return {}
        try:
            found = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise DamagedError(f"{path} cannot be read: {printable(str(error))}.") from None
        if not isinstance(found, dict):
            raise DamagedError(f"{path} was not written by mixkit: it holds no JSON object.")
        return found

    def keep_epochs(self, epochs: int) -> None:
        """Drops the records of later epochs, so that they can be trained again; the table follows."""
        for name in (METRICS, TIMES):
            kept = [record for record in self._lines(name) if record["epoch"] <= epochs]
            self.write(name, "".join(json.dumps(record) + "\n" for record in kept).encode())
        if self.metrics() or (self.folder / TABLE).exists():
            self.write(TABLE, epochs_csv(self.metrics()).encode())

    def log(self, record: Mapping[str, Any], times: Mapping[str, Any]) -> None:
        """Adds an epoch to `metrics.jsonl`, `metrics.csv` and `times.jsonl`."""
        append_line(self.folder / TIMES, json.dumps(times))
        append_line(self.folder / METRICS, json.dumps(record))
        self.write(TABLE, epochs_csv(self.metrics()).encode())

    def event(self, kind: str, **facts: Any) -> None:
        """Adds a line to `events.jsonl`."""
        record = {"event": kind, **facts, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        append_line(self.folder / EVENTS, json.dumps(record))

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Writes a file whole, in the folder or below it.

        Raises:
            RunError: the disk is full, or the folder cannot be written; what was there before is still there.
        """
        path = self.folder / name
        with writing(path):
            for part in reversed(path.relative_to(self.folder).parents[:-1]):
                (self.folder / part).mkdir(exist_ok=True)  # not its own folder: where that has gone, it stays away
        write_whole(path, content)

    def write_recipe(self, recipe: Recipe) -> None:
        """Writes `recipe.gin` and `recipe.json`."""
        self.write(RECIPE, to_gin(recipe).encode())
        self.write_json("recipe.json", to_json(recipe))

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Writes a JSON document whole."""
        self.write(name, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode(errors="backslashreplace"))

    def _lines(self, name: str) -> list[dict[str, Any]]:
        path = self.folder / name
        records = []
        try:
            text = path.read_text(errors="replace") if path.is_file() else ""
        except OSError as error:
            raise DamagedError(f"{path} cannot be read: {printable(str(error))}.") from None
        for line in text.split("\n")[:-1]:
            try:
                records.append(json.loads(line))
            except ValueError:
                continue  # torn by a kill, and closed by the next writer
        return records


def expect_name(name: str) -> None:
    """Refuse a name that is none for a folder.

    Raises:
        RunError: it has signs that a folder should not have, or none at all.
    """
    if not re.fullmatch(r"[\w][\w .+-]{0,99}", name):
        raise RunError(f"--name {name!r} is no name for a folder. Use letters, digits, '.', '-' and '_'.")


def _numbers(recipe: Recipe, runs: Path) -> list[int]:
    return [int(path.name) for path in (runs / recipe.name).glob("[0-9]*") if path.name.isdigit()]
