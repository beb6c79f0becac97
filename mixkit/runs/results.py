"""What a run folder says was measured, looked at value by value: the folder of a stranger is data, and may be wrong."""

import json
import shlex
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixkit.errors import DamagedError, printable
from mixkit.recipe.schema import FIGURES
from mixkit.runs.folder import COMPLETE
from mixkit.values import Count, NotNegative, Share, Whole, fit

LARGEST = 64 * 2**20  # bytes of a file that is read: a confusion matrix of 1,000 classes has a third of it
LONGEST = 300  # characters of a text that is shown
EPOCHS = 10_000  # records of a run that are drawn
CLASSES = 2_000
METRICS = 40


@dataclass(frozen=True)
class Measured:
    """What a complete run ended with, on test. All text in it is safe to print.

    Args:
        recipe: name of the recipe.
        task: name of the task.
        protocol: by what rule clips came into the splits.
        fold: that was tested, or None.
        seed: of the run.
        labels: of the classes.
        epochs: trained.
        best_epoch: the one that was tested.
        chosen_by: how it was chosen.
        parameters: trained numbers.
        clips: tested.
        figures: `accuracy`, `map`, `auc`, `f1`, `recall` as shares, and `loss`; None where there is no such figure.
        confusion: rows are the right classes, columns the answers; None in a multi-label set.
        precision: in a multi-label set, the average precision of each class; None where the split lacks it.
        metrics: those that the recipe asked for, by name, in units of their own.
    """

    recipe: str
    task: str
    protocol: str
    fold: int | None
    seed: int
    labels: tuple[str, ...]
    epochs: int
    best_epoch: int
    chosen_by: str
    parameters: int
    clips: int
    figures: dict[str, float | None]
    confusion: tuple[tuple[int, ...], ...] | None
    precision: tuple[float | None, ...]
    metrics: dict[str, float | None]

    def value(self, name: str) -> float | None:
        """A figure or a metric; None where the run has none of that name."""
        return self.figures[name] if name in self.figures else self.metrics.get(name)


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


def read_measured(folder: Path) -> Measured:
    """What the `results.json` of a run holds.

    Raises:
        DamagedError: it is not what mixkit wrote.
    """
    path = folder / COMPLETE
    try:
        return _measured(json.loads(_content(path)))
    except Exception as error:  # whatever is in the file, the other runs are still to be shown
        reason = text(f"{error} is missing" if isinstance(error, KeyError) else str(error)).rstrip(".")
        raise DamagedError(
            f"{printable(str(path))} is not what mixkit wrote ({reason}). Leave the run out, or train it again."
        ) from None


def read_epochs(folder: Path, figure: str) -> tuple[Epoch, ...]:
    """The learning curves of a run, with a figure on validation; records that are not whole are left out."""
    found = []
    for record in _lines(folder / "metrics.jsonl"):
        try:
            valid = record["valid"]
            point = (record["epoch"], record["train"]["loss"], valid["loss"], valid[figure])
            found.append(Epoch(*fit(point, tuple[Count, NotNegative, NotNegative, Share], "metrics.jsonl")))
        except Exception:  # a record may be anything
            continue
    return tuple(found)


def read_pace(folder: Path) -> Pace:
    """How fast a run was."""
    records = [*_lines(folder / "times.jsonl")] or [*_lines(folder / "metrics.jsonl")]
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
        return _content(folder / "recipe.gin").decode("utf-8", "replace")
    except (OSError, DamagedError):
        return ""


def text(value: str, longest: int = LONGEST) -> str:
    """Text that is safe to print and of a bearable length."""
    safe = printable(value[: longest + 1])
    return safe if len(value) <= longest else f"{safe[: longest - 1]}…"


def _measured(data: Any) -> Measured:
    labels = fit(data["labels"], tuple[str, ...], "labels")
    if not 1 <= len(labels) <= CLASSES:
        raise ValueError(f"{len(labels)} labels")
    test = data["test"]
    confusion = fit(test["confusion"], tuple[tuple[Whole, ...], ...] | None, "test.confusion")
    if confusion is not None and [len(row) for row in confusion] != [len(labels)] * len(labels):
        raise ValueError(f"test.confusion is not {len(labels)} x {len(labels)}")
    shares = ("accuracy", "map", "auc", "f1", "recall")
    figures = {key: _rounded(fit(test.get(key), Share | None, f"test.{key}")) for key in shares}
    if figures["accuracy"] is None:
        raise ValueError("test.accuracy is None")
    precision = test.get("average_precision") or {}
    return Measured(
        recipe=text(fit(data["recipe"], str, "recipe"), 80),
        task=text(fit(data["task"], str, "task"), 80),
        protocol=text(fit(data["protocol"], str, "protocol")),
        fold=fit(data["fold"], int | None, "fold"),
        seed=fit(data["seed"], Whole, "seed"),
        labels=tuple(text(label, 80) for label in labels),
        epochs=fit(data["epochs"], Count, "epochs"),
        best_epoch=fit(data["best_epoch"], Count, "best_epoch"),
        chosen_by=text(fit(data["chosen_by"], str, "chosen_by")),
        parameters=fit(data["parameters"], Whole, "parameters"),
        clips=fit(test["clips"], Count, "test.clips"),
        figures={**figures, "loss": _rounded(fit(test["loss"], NotNegative, "test.loss"))},
        confusion=confusion,
        precision=tuple(_rounded(fit(precision.get(label), Share | None, "average_precision")) for label in labels),
        metrics={text(key, 40): value for key, value in [*_metrics(test)][:METRICS]},
    )


def _metrics(test: dict[str, Any]) -> Iterator[tuple[str, float | None]]:
    """What stands in the results beside what every run is measured by; a number, or null where there was none."""
    for key, value in test.items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
        if key not in FIGURES and (number or value is None):
            yield key, None if value is None else float(value)


def _rounded(value: float | None) -> float | None:
    """A float32 keeps seven digits; 40 right of 50 is 0.8 again."""
    return None if value is None else round(value, 7)


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise DamagedError("no such file")  # nor a pipe, which nobody may ever write to
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise DamagedError(f"more than {LARGEST:,} bytes")
    return content


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_content(path))
    except (ValueError, OSError, RecursionError, DamagedError):
        return {}
    return found if isinstance(found, dict) else {}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = _content(path).split(b"\n")[:EPOCHS]
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
