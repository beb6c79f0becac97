"""Run folders and studies with plausible results, made without training."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mixkit.recipe.gin_file import load_recipe
from mixkit.runs.folder import Run
from mixkit.study.record import Arm, ArmRun, Record, write_study

LABELS = ("air_conditioner", "car_horn", "dog_bark", "siren")
CLIPS = 40  # of test


def fake_results(
    seed: int = 0, accuracy: float = 0.8, labels: tuple[str, ...] = LABELS, **other: Any
) -> dict[str, Any]:
    """What a run may have ended with; the confusion matrix adds up to the accuracy."""
    dice = np.random.default_rng(seed)
    each = CLIPS // len(labels)
    right = round(accuracy * CLIPS)
    confusion = np.diag([each] * len(labels))
    for wrong in range(CLIPS - right):
        row = wrong % len(labels)
        other_class = (row + 1 + int(dice.integers(len(labels) - 1))) % len(labels)
        confusion[row, row] -= 1
        confusion[row, other_class] += 1
    recall = (np.diag(confusion) / each).tolist()
    figures = {
        "clips": CLIPS,
        "loss": float(0.4 + dice.random()),
        "accuracy": float(np.float32(right / CLIPS)),
        "auc": float(np.float32(0.5 + accuracy / 2 - 0.02 * dice.random())),
        "f1": accuracy,
        "recall": accuracy,
        "per_class": dict(zip(labels, recall, strict=True)),
        "confusion": confusion.tolist(),
    }
    results = {
        "recipe": "asm_rh",
        "task": "demo",
        "protocol": "recorders held out",
        "fold": None,
        "labels": list(labels),
        "seed": seed,
        "epochs": 12,
        "best_epoch": 9,
        "chosen_by": "highest accuracy on valid; at a tie the lower loss",
        "parameters": 412_858,
        "valid": figures,
        "test": figures,
    }
    return {**results, **other}


def fake_run(folder: Path, results: Mapping[str, Any], recipe: str = "asm_rh", settings: tuple[str, ...] = ()) -> Path:
    """A run folder that was never trained."""
    loaded = load_recipe(recipe, (), (*settings, f"train.seed = {results.get('seed', 0)}"))
    command = ["train", recipe, "--set", f"train.seed = {results.get('seed', 0)}"]
    started = {"mixkit": "0.1.0", "torch": "2.14.1", "device": "cpu", "threads": 1, "command": command}
    run = Run.create(loaded, folder.parent, folder.name, started)
    dice = np.random.default_rng(results.get("seed", 0))
    lines, times = [], []
    for epoch in range(1, 13):
        loss = 2.0 * 0.8**epoch + 0.05 * dice.random()
        valid = {"loss": loss + 0.3, "accuracy": 1 - loss / 2.5, "auc": 0.9, "f1": 0.8, "recall": 0.8}
        lines.append({"epoch": epoch, "train": {"loss": loss}, "valid": valid, "best": True})
        times.append({"epoch": epoch, "seconds": 4.0, "clips_per_second": 100.0 + epoch})
    for name, records in (("metrics.jsonl", lines), ("times.jsonl", times)):
        (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records))
    run.write_json("results.json", dict(results))
    return folder


def fake_study(
    folder: Path,
    arms: Mapping[str, Callable[[int], float]],
    seeds: tuple[int, ...] = (0, 1, 2),
    *,
    failed: tuple[tuple[str, int], ...] = (),
    describe: Mapping[str, Mapping[str, Any]] | None = None,
    quick: bool = False,
    **results: Any,
) -> Path:
    """A study; an arm gives the accuracy of each seed, the first one is the base."""
    trials = []
    for place, (name, accuracy) in enumerate(arms.items()):
        for seed in seeds:
            run = folder / "runs" / f"{place}-{seed}"
            command = f"mixkit train asm_rh --set 'model.depth = {4 - place % 3}' --seed {seed}"
            broken = (name, seed) in failed
            if not broken:
                facts = {"parameters": 412_858 - 40_000 * place, **results}
                fake_run(run, fake_results(seed, accuracy(seed), **facts), settings=(f"model.depth = {4 - place % 3}",))
            error = "epoch 3, batch 7: the loss is nan. Lower train.learning_rate." if broken else None
            trials.append(ArmRun(name, seed, None, run, "failed" if broken else "done", error, command))
    facts = describe or {}
    listed = tuple(Arm(name, (f"model.depth = {place + 1}",), **facts.get(name, {})) for place, name in enumerate(arms))
    first = next(iter(arms))
    write_study(Record(folder.name, folder, "asm_rh", (), (), first, listed, tuple(trials), quick, "Made up."))
    return folder
