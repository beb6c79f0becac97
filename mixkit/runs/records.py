"""What a run folder says beside its results: epochs, pace, environment. The folder of a stranger may hold anything."""

import csv
import json
import shlex
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from mixkit.errors import DamagedError
from mixkit.recipe.figures import LOSS, figure
from mixkit.recipe.train import Train
from mixkit.runs.results import text
from mixkit.values import Count, NotNegative, Share, fit

LARGEST = 128 * 2**20  # bytes of a file that is read: two confusion matrices of 2,000 classes have 90 MB
EPOCHS = 10_000  # records of a run that are drawn


@dataclass(frozen=True)
class Pace:
    """How fast a run was, and how large; None where it is not recorded.

    Args:
        seconds: of training.
        clips_per_second: median over the epochs, in training.
        memory: highest use of the device, in bytes.
    """

    seconds: float | None = None
    clips_per_second: float | None = None
    memory: float | None = None


@dataclass(frozen=True)
class Epoch:
    """A point of the learning curves."""

    epoch: int
    train_loss: float
    valid_loss: float
    valid: float


def read_epochs(folder: Path, name: str) -> tuple[Epoch, ...]:
    """The learning curves of a run, with a figure on validation; records that are not whole are left out."""
    found = []
    kind: Any = Share if figure(name).percent else float
    for record in _lines(folder / "metrics.jsonl"):
        try:
            valid = record["valid"]
            point = (record["epoch"], record["train"]["loss"], valid["loss"], valid[name])
            found.append(Epoch(*fit(point, tuple[Count, NotNegative, NotNegative, kind], "metrics.jsonl")))
        except Exception:  # a record may be anything
            continue
    return tuple(found)


def flat(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records with nested figures as `valid.accuracy`."""
    rows: list[dict[str, Any]] = []
    for record in records:
        row: dict[str, Any] = {}
        for key, part in record.items():
            row |= {f"{key}.{inner}": value for inner, value in part.items()} if isinstance(part, dict) else {key: part}
        rows.append(row)
    return rows


def epochs_csv(records: Sequence[dict[str, Any]]) -> str:
    """The records as CSV."""
    rows = flat(records)
    written = StringIO()
    table = csv.DictWriter(written, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return written.getvalue()


def read_pace(folder: Path) -> Pace:
    """How fast a run was."""
    times = [*_lines(folder / "times.jsonl"), *_lines(folder / "refit" / "times.jsonl")]
    records = times or [*_lines(folder / "metrics.jsonl")]
    seconds, speeds, memory = ([*_numbers(records, key)] for key in ("seconds", "clips_per_second", "memory"))
    return Pace(
        sum(seconds) if seconds else None,
        statistics.median(speeds) if speeds else None,
        max(memory) if memory else None,
    )


def read_environment(folder: Path) -> dict[str, str]:
    """Where a run was trained, as text; without what is told elsewhere or differs from run to run by nature."""
    found = _object(folder / "environment.json")
    conditions = found.pop("conditions", None)
    if isinstance(conditions, dict):
        found = {**found, **conditions}
    left_out = {"command", "started", "id", "recipe"}
    return {text(str(key), 60): text(str(found[key])) for key in [*found][:60] if key not in left_out}


def read_command(folder: Path) -> str | None:
    """The command line that made a run, as it can be typed again."""
    words = _object(folder / "environment.json").get("command")
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        return None
    return text(f"mixkit {shlex.join(words)}", 4_000)


def read_recipe(folder: Path) -> str:
    """The text of `recipe.gin`; empty where it cannot be read."""
    try:
        return content(folder / "recipe.gin").decode("utf-8", "replace")
    except (OSError, DamagedError):
        return ""


def content(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        DamagedError: it is no plain file, or too large.
        OSError: it cannot be read.
    """
    if not path.is_file():
        raise DamagedError("no such file")  # nor a pipe, which nobody may ever write to
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise DamagedError(f"more than {LARGEST:,} bytes")
    return content


def read_best(folder: Path) -> str:
    """The figure by which the recipe of a run chooses its best epoch; the default where its file cannot be read."""
    recipe = _object(folder / "recipe.json")
    if recipe.get("pretrain") is not None:
        return LOSS
    train = recipe.get("train")
    best = train.get("best") if isinstance(train, dict) else None
    return text(best, 40) if isinstance(best, str) else Train.best


@dataclass(frozen=True)
class RunFacts:
    """What a run is, in a word each; empty or None where its files do not say.

    Args:
        recipe: name of the recipe.
        task: name of the task.
        seed: of the run.
        fold: that is tested.
        started: when, as ISO 8601.
        parent: folder of the run that it goes on from.
    """

    recipe: str = ""
    task: str = ""
    seed: int | None = None
    fold: int | str | None = None
    started: str = ""
    parent: str = ""


def read_facts(folder: Path) -> RunFacts:
    """What a run is, from `recipe.json` and `environment.json`."""
    recipe, environment = _object(folder / "recipe.json"), _object(folder / "environment.json")
    task, train, parent = _inside(recipe, "task"), _inside(recipe, "train"), _inside(environment, "extends")
    seed, fold = train.get("seed"), _inside(task, "params").get("fold")
    return RunFacts(
        _word(recipe.get("name")),
        _word(task.get("name")),
        seed if isinstance(seed, int) else None,
        _word(fold) or None if isinstance(fold, str) else fold if isinstance(fold, int) else None,
        _word(environment.get("started")),
        _word(parent.get("run"), 300),
    )


def _inside(found: Mapping[str, Any], key: str) -> dict[str, Any]:
    part = found.get(key)
    return part if isinstance(part, dict) else {}


def _word(value: object, longest: int = 80) -> str:
    return text(value, longest) if isinstance(value, str) else ""


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(content(path))
    except (ValueError, OSError, RecursionError, DamagedError):
        return {}
    return found if isinstance(found, dict) else {}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = content(path).split(b"\n")[:EPOCHS]
    except (OSError, DamagedError):
        return
    for line in lines:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            yield record


def _numbers(records: Sequence[dict[str, Any]], key: str) -> Iterator[float]:
    for record in records:
        value = record.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e18:
            yield float(value)
