"""What a run ended with: written by training, read by all else. The file of a stranger is looked at value by value."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from mixkit.errors import printable
from mixkit.markup import folded, table
from mixkit.recipe.figures import KEYS, LOSS, columns, figure, pair, standard
from mixkit.values import Count, NotNegative, Share, Whole, fit

LONGEST = 300  # characters of a text that is shown
CLASSES = 2_000  # of a run: a confusion matrix has a number for each pair
METRICS = 40

_CLASS_KEYS = {"recall": "per_class", "map": "average_precision"}
"""Where the values of each class stand; those of another metric under its name and `_per_class`."""


@dataclass(frozen=True)
class Figures:
    """How well the classes of a split were told apart.

    Args:
        clips: how many.
        loss: mean loss.
        values: of the metrics that every run has and of those that the recipe asks for, by name; None where the split
            does not determine one.
        per_class: of the metrics that have one, the value of each class that the split determines.
        confusion: rows are the right classes, columns the answers; None in a multi-label set.
        threshold: a score above it is an answer; None where the highest score is.
    """

    clips: int
    loss: float
    values: Mapping[str, float | None]
    per_class: Mapping[str, Mapping[str, float]]
    confusion: tuple[tuple[int, ...], ...] | None = None
    threshold: float | None = None

    @property
    def several(self) -> bool:
        """Whether a clip may have several labels, or none."""
        return self.confusion is None

    @property
    def asked(self) -> tuple[str, ...]:
        """The metrics that the recipe asks for beside those that every run has."""
        return tuple(name for name in self.values if name not in standard())

    def value(self, name: str) -> float | None:
        """A metric, or the loss; None where the run has none of that name."""
        return self.loss if name == LOSS else self.values.get(name)

    def headline(self) -> dict[str, float | None]:
        """A number for each, by which a best epoch can be chosen."""
        return {LOSS: self.loss, **self.values}

    def shown(self) -> dict[str, str]:
        """The figures as tables show them, by their headings."""
        names = dict.fromkeys((*columns(self.several), *self.asked))
        named = {one.title: one.show(self.value(one.name)) for one in (figure(name, self.several) for name in names)}
        return {"clips": f"{self.clips:,}", **named, LOSS: f"{self.loss:.3f}"}

    def _repr_html_(self) -> str:
        shown = self.shown()
        each = {figure(name).per_class or name: found for name, found in self.per_class.items()}
        labels = dict.fromkeys(label for found in each.values() for label in found)
        rows = [(label, *(f"{of[label]:.1%}" if label in of else "-" for of in each.values())) for label in labels]
        return table((*shown,), [(*shown.values(),)]) + folded("each class", table(("class", *each), rows))

    def to_json(self) -> dict[str, Any]:
        """Plain data, one level of it: metrics stand beside the others."""
        plain = asdict(self)
        values, per_class = plain.pop("values"), plain.pop("per_class")
        return {**plain, **values, **{_class_key(name): each for name, each in per_class.items()}}

    @classmethod
    def from_json(cls, data: Any, labels: tuple[str, ...], where: str) -> "Figures":
        """What a file says of a split.

        Args:
            data: as `to_json` gave it; what an older version did not know may be missing.
            labels: of the classes, as they stand in the file.
            where: the name of the split, for errors.

        Raises:
            Exception: it is something else.
        """
        confusion = fit(data["confusion"], tuple[tuple[Whole, ...], ...] | None, f"{where}.confusion")
        if confusion is not None and [len(row) for row in confusion] != [len(labels)] * len(labels):
            raise ValueError(f"{where}.confusion is not {len(labels)} x {len(labels)}")
        values = {name: fit(data.get(name), Share | None, f"{where}.{name}") for name in standard()}
        if values["accuracy"] is None:
            raise ValueError(f"{where}.accuracy is None")
        keys = {_class_key(name): name for name in (*standard(), *data)}
        each = {keys[key]: found for key, found in data.items() if key in keys and isinstance(found, dict)}
        return cls(
            clips=fit(data["clips"], Count, f"{where}.clips"),
            loss=fit(data["loss"], NotNegative, f"{where}.loss"),
            values={**values, **_asked(data)},
            per_class={text(name, 40): _of_classes(name, found, labels) for name, found in each.items()},
            confusion=confusion,
            threshold=fit(data.get("threshold"), Share | None, f"{where}.threshold"),
        )


@dataclass(frozen=True)
class Refit:
    """What the tested network was trained on once more, after the epoch was chosen: `train.refit`.

    Args:
        clips: of training and validation together.
        steps: updates.
    """

    clips: int
    steps: int

    def __str__(self) -> str:
        return f"refitted on training and validation together ({self.clips:,} clips, {self.steps:,} updates)"


@dataclass(frozen=True)
class Results:
    """What a complete run ended with. Read from a file, all text in it is safe to print.

    Args:
        recipe: name of the recipe.
        task: name of the task.
        protocol: by what rule clips came into the splits.
        fold: that was tested, or None.
        labels: of the classes.
        seed: of the run.
        epochs: trained.
        best_epoch: the one that was tested; with a refit, the one that it is as long as.
        chosen_by: how it was chosen, in words.
        parameters: trained numbers.
        valid: figures of the best epoch on validation.
        test: and on test; with a refit, those of the refitted network.
        skipped: recordings that were left out, with split and reason.
        refit: how the tested network was trained once more; None if it is that of the best epoch.
        teacher: the run whose answers it learned beside the labels, and its recipe; None without one.
    """

    recipe: str
    task: str
    protocol: str
    fold: int | str | None
    labels: tuple[str, ...]
    seed: int
    epochs: int
    best_epoch: int
    chosen_by: str
    parameters: int
    valid: Figures
    test: Figures
    skipped: tuple[Mapping[str, str], ...] = field(default=())
    refit: Refit | None = None
    teacher: str | None = None

    def summary(self, best: str) -> str:
        """The run in a line; the figure by which its recipe chooses is named first."""
        shown = [figure(name, self.test.several) for name in pair(best, self.test.several)]
        more = f", taught by {self.teacher}" if self.teacher else ""
        more += f", {self.refit}" if self.refit else ""
        return (
            f"{self.recipe} on {self.task} ({self.protocol}): "
            f"test {', '.join(f'{one.title} {one.show(self.test.value(one.name))}' for one in shown)}, "
            f"from epoch {self.best_epoch} of {self.epochs} ({self.chosen_by}){more}; "
            f"{self.parameters:,} parameters"
        )

    def _repr_html_(self) -> str:
        splits = {"valid": self.valid.shown(), "test": self.test.shown()}
        rows = [(split, *shown.values()) for split, shown in splits.items()]
        title = f"{self.recipe} on {self.task} ({self.protocol}), epoch {self.best_epoch} of {self.epochs}"
        return table(("split", *splits["test"]), rows, title)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        own = {name: getattr(self, name) for name in self.__dataclass_fields__}
        refit = None if self.refit is None else asdict(self.refit)
        return {**own, "refit": refit, "valid": self.valid.to_json(), "test": self.test.to_json()}

    @classmethod
    def from_json(cls, data: Any) -> "Results":
        """What a file says.

        Raises:
            Exception: it is not what `to_json` gave.
        """
        labels = fit(data["labels"], tuple[str, ...], "labels")
        if not 1 <= len(labels) <= CLASSES:
            raise ValueError(f"{len(labels)} labels")
        test, valid = (Figures.from_json(data[split], labels, split) for split in ("test", "valid"))
        return cls(
            recipe=text(fit(data["recipe"], str, "recipe"), 80),
            task=text(fit(data["task"], str, "task"), 80),
            protocol=text(fit(data["protocol"], str, "protocol")),
            fold=fit(data["fold"], int | str | None, "fold"),
            labels=tuple(text(label, 80) for label in labels),
            seed=fit(data["seed"], Whole, "seed"),
            epochs=fit(data["epochs"], Count, "epochs"),
            best_epoch=fit(data["best_epoch"], Count, "best_epoch"),
            chosen_by=text(fit(data["chosen_by"], str, "chosen_by")),
            parameters=fit(data["parameters"], Whole, "parameters"),
            valid=valid,
            test=test,
            refit=_refit(data.get("refit")),
            teacher=_teacher(data.get("teacher")),
            skipped=tuple({text(key): text(value) for key, value in one.items()} for one in data.get("skipped", ())),
        )


def _refit(data: Any) -> Refit | None:
    if data is None:
        return None
    return Refit(*(fit(data[key], Count, f"refit.{key}") for key in ("clips", "steps")))


def _teacher(data: Any) -> str | None:
    return None if data is None else text(fit(data, str, "teacher"))


def text(value: str, longest: int = LONGEST) -> str:
    """Text that is safe to print and of a bearable length."""
    safe = printable(value[: longest + 1])
    return safe if len(value) <= longest else f"{safe[: longest - 1]}…"


def _class_key(name: str) -> str:
    return _CLASS_KEYS.get(name, f"{name}_per_class")


def _asked(data: Mapping[str, Any]) -> dict[str, float | None]:
    """What stands in a split beside what every run has: a number, or null where there was none."""
    known, found = (*KEYS, *standard()), {}
    for key, value in data.items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
        if key not in known and (number or value is None):
            found[text(key, 40)] = None if value is None else float(value)
    return dict([*found.items()][:METRICS])


def _of_classes(name: str, found: Mapping[str, Any], labels: tuple[str, ...]) -> dict[str, float]:
    kind = Share if name in standard() else float
    return {text(key, 80): fit(found[key], kind, name) for key in labels if found.get(key) is not None}
