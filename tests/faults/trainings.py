"""What the tests of faults train: recordings and a recipe so small that a run takes a second, and what its bits are."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from mixkit.checkpoints.state import load_state, states
from mixkit.runs.folder import Run
from tests.nursery import Nursery

SPLITS = {"train": 25, "valid": 7, "test": 5}
"""Batches of 8 leave one clip of the training split for the last, and odd numbers for validation and test."""

LINES = (
    "block.branches = [@operator.roll_time()]",
    "operator.roll_time.bands = 1",
    "block.drop_path = 0.2",
    "head.linear.dropout = 0.1",
    "model.width = 16",
    "model.depth = 1",
    "features.log_mel.bins = 32",
    "task.folder.pattern = r'(?P<split>train|valid|test)/(?P<label>low|high)-.*'",
    "task.folder.seconds = 0.25",
    "task.folder.sample_rate = 16000",
    "train.augmentations = [@augmentation.mixup(), @augmentation.power_mixup(), @augmentation.cutmix()]",
    "train.epochs = 3",
    "train.batch_size = 8",
    "train.learning_rate = 0.01",
    "train.precision = 'float32'",
    "train.save_every_steps = 1",
)
BATCHES = 4
EPOCHS = 3
STEPS = EPOCHS * BATCHES


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """37 recordings of two classes, a quarter of a second and a bit each."""
    return make_sounds(tmp_path_factory.mktemp("sounds"))


@pytest.fixture(scope="session")
def arguments(sounds: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """`train RECIPE --device cpu` for the small recipe."""
    return training(sounds, tmp_path_factory.mktemp("recipe") / "small.gin")


@pytest.fixture(scope="session")
def undisturbed(nursery: Nursery, arguments: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the small recipe that nothing happened to."""
    runs = tmp_path_factory.mktemp("undisturbed")
    ended = nursery.run(*arguments, "--runs", runs, "--name", "run")
    assert ended.code == 0, ended.err
    return runs / "run"


def make_sounds(root: Path, suffix: str = ".wav", rate: int = 16_000) -> Path:
    """Writes the recordings."""
    dice = np.random.default_rng(0)
    for split, count in SPLITS.items():
        (root / split).mkdir(parents=True)
        for number in range(count):
            label, pitch = (("low", 300.0), ("high", 1500.0))[number % 3 == 0]
            sound = 0.3 * np.sin(2 * np.pi * pitch * dice.uniform(0.8, 1.2) * np.arange(int(0.28 * rate)) / rate)
            sound += 0.1 * dice.standard_normal(len(sound))
            soundfile.write(root / split / f"{label}-{number:02d}{suffix}", sound, rate)
    return root


def training(sounds: Path, recipe: Path, *lines: str) -> tuple[str, ...]:
    """Writes a recipe, the small one with more lines, and gives the arguments that train it."""
    recipe.write_text("\n".join(recipe_lines(sounds, *lines)) + "\n")
    return "train", str(recipe), "--device", "cpu"


def recipe_lines(sounds: Path, *lines: str) -> Sequence[str]:
    """The lines of the small recipe, with others in their place or after them."""
    told = {line.partition(" = ")[0]: line for line in LINES}
    told |= {"recipe.task": "recipe.task = @task.folder()", "task.folder.root": f"task.folder.root = {str(sounds)!r}"}
    told |= {line.partition(" = ")[0]: line for line in lines}
    if "roll_time" not in told["block.branches"]:
        del told["operator.roll_time.bands"]
    if "recipe.features" in told:
        del told["features.log_mel.bins"]
    if "train.steps" in told:
        del told["train.epochs"]
    if "model.stages" in told:
        del told["model.width"], told["model.depth"]
    if "model.head" in told:
        del told["head.linear.dropout"]
    return tuple(told.values())


def bits(folder: Path) -> dict[str, str]:
    """Digests of all that two runs of one recipe have in common: weights, states, records and results, but no times."""
    return {
        "weights": digest(load_file(folder / "best.safetensors")),
        "state": digest(timeless(load_state(states(Run(folder))[0]))),
        **{
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in ("metrics.jsonl", "metrics.csv", "results.json", "recipe.gin")
        },
    }


def timeless(state: dict[str, Any]) -> dict[str, Any]:
    """A state without what is another in every run."""
    kept = {key: value for key, value in state.items() if key not in ("run", "progress")}
    best, record, _ = json.loads(state["progress"]["records"])
    numbers = {key: state["progress"][key] for key in ("epochs", "batches", "losses")}
    return {**kept, "progress": {**numbers, "best": best, "record": record}}


def saved_at(folder: Path) -> list[int]:
    """The steps of the states in a run, the latest first."""
    return [int(path.name.split("-")[1]) for path in states(Run(folder))]


def digest(tree: Any) -> str:
    """Of all tensors and values in a tree, with their names."""
    found = hashlib.sha256()

    def add(name: str, node: Any) -> None:
        found.update(name.encode())
        if isinstance(node, torch.Tensor):
            found.update(f"{node.dtype}{list(node.shape)}".encode())
            found.update(node.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        elif isinstance(node, dict):
            for key in sorted(node, key=str):
                add(f"{name}.{key}", node[key])
        elif isinstance(node, list | tuple):
            for number, inner in enumerate(node):
                add(f"{name}.{number}", inner)
        else:
            found.update(repr(node).encode())

    add("", tree)
    return found.hexdigest()
