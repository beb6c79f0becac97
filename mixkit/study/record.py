"""The record of a study: its arms and how far each of their runs is, in `study.json`."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_type_hints

from mixkit.errors import DamagedError, MixkitError, RunError, printable
from mixkit.runs.folder import COMPLETE
from mixkit.storage.atomic import write_whole
from mixkit.values import fit

RECORD = "study.json"
RUNS = "runs"

State = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True)
class Arm:
    """One network or setting that is compared.

    Args:
        name: in tables.
        lines: `--set` lines over the base recipe; empty for the base itself.
        value: the figures that a paper gives for it, `{"accuracy": 97.6, "valid accuracy": 98.1}` in per cent; None if
            there are none.
        note: what a reader has to know about the arm, such as what makes the paper's figure not comparable.
    """

    name: str
    lines: tuple[str, ...]
    value: Mapping[str, float] | None = None
    note: str = ""


@dataclass(frozen=True)
class ArmRun:
    """One run of an arm.

    Args:
        arm: name of the arm.
        seed: `train.seed`.
        fold: of the task; None if the study leaves it as the recipe has it.
        folder: the run folder; it is there once the run has begun.
        state: `done` means that the run folder is complete.
        error: why it failed.
        command: what to type to make the run by hand.
    """

    arm: str
    seed: int
    fold: int | str | None
    folder: Path
    state: State
    error: str | None
    command: str


@dataclass(frozen=True)
class Record:
    """A study: what is compared, and how far it is.

    Args:
        name: of the study.
        folder: where the record and, in `runs/`, the run folders are.
        recipe: the base recipe, as it was named.
        layers: fragments laid over it, by name.
        settings: `--set` lines over it that every arm has.
        base: name of the arm that the others are compared with.
        arms: in the order of the tables; the base is one of them.
        trials: by seed, then fold, then arm: the order in which they are run.
        quick: whether it is a short one, whose figures prove nothing.
        note: a sentence for captions, such as what a paper did otherwise.
        others: figures that a paper gives for networks that are no arm, by name.
    """

    name: str
    folder: Path
    recipe: str
    layers: tuple[str, ...]
    settings: tuple[str, ...]
    base: str
    arms: tuple[Arm, ...]
    trials: tuple[ArmRun, ...]
    quick: bool
    note: str = ""
    others: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def is_study(folder: Path) -> bool:
    """Whether the folder is that of a study."""
    return (folder / RECORD).is_file()


def read_study(folder: Path) -> Record:
    """The record of a study, with what is true of its runs by now.

    Whether a `running` one still runs is not looked at.

    Raises:
        RunError: there is no study.
        DamagedError: the record is not what mixkit wrote.
    """
    path, shown = folder / RECORD, printable(folder)
    if not folder.is_dir():
        raise RunError(f"{shown} is no folder. Name a study, such as runs/asm_rh-ablation.")
    if not path.is_file():
        inside = sorted(found.parent for found in folder.glob(f"*/{RECORD}"))
        hint = f" Did you mean {printable(inside[0])}?" if inside else ""
        raise RunError(f"{shown} is no study: it has no {RECORD}.{hint}")
    try:
        record = _record(json.loads(path.read_bytes()), folder)
    except (ValueError, KeyError, TypeError, RecursionError, AttributeError, OSError, MixkitError):
        raise DamagedError(
            f"{printable(path)} is not what mixkit wrote. Run `mixkit ablate` again: finished runs are kept."
        ) from None
    return replace(record, trials=tuple(map(as_it_is, record.trials)))


def write_study(record: Record) -> None:
    """Writes the record whole, into a folder that is there.

    Raises:
        RunError: the disk is full, or the folder cannot be written; what was there before is still there.
    """
    data = asdict(record)
    del data["folder"]
    for trial in data["trials"]:
        trial["folder"] = trial["folder"].relative_to(record.folder).as_posix()
    content = (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode(errors="backslashreplace")
    write_whole(record.folder / RECORD, content)


def _record(data: Any, folder: Path) -> Record:
    arms = tuple(Arm(**{**arm, "lines": tuple(arm["lines"])}) for arm in data["arms"])
    trials = tuple(ArmRun(**{**trial, "folder": _inside(folder, trial["folder"])}) for trial in data["trials"])
    lists = {key: tuple(data[key]) for key in ("layers", "settings")}
    record = Record(**{**data, **lists, "folder": folder, "arms": arms, "trials": trials})
    names = [arm.name for arm in arms]
    kinds: dict[type, tuple[object, ...]] = {Record: (record,), Arm: arms, ArmRun: trials}
    for kind, parts in kinds.items():
        annotations = get_type_hints(kind)
        for part in parts:
            for key, annotation in annotations.items():
                fit(getattr(part, key), annotation, RECORD)
    for figures in (*(arm.value or {} for arm in arms), *record.others.values()):
        for figure, value in figures.items():
            fit((figure, value), tuple[str, float], RECORD)
    if record.base not in names or len(set(names)) < len(names) or not {trial.arm for trial in trials} <= set(names):
        raise ValueError
    return record


def _inside(folder: Path, text: str) -> Path:
    """The run folder, which a record that was tampered with must not move elsewhere."""
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError
    return folder / path


def as_it_is(trial: ArmRun) -> ArmRun:
    """The run with what is true by now: it is `done` if its folder is complete, and only then."""
    if (trial.folder / COMPLETE).is_file():
        return replace(trial, state="done", error=None)
    return replace(trial, state="waiting") if trial.state == "done" else trial
