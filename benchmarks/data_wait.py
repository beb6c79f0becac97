r"""How long training waits for its next batch: cold, warm from disk, warm from memory; with 0 and 2 workers.

    python benchmarks/data_wait.py
    python benchmarks/data_wait.py --root path/to/esc10 --pattern '\d+ - (?P<label>.+)/(?P<fold>\d)-(?P<group>\d+)-.+'

Without --root, a set of FLAC and MP3 recordings of 44.1 kHz is made up. Of each row, `wait` is the share of an epoch in
which the network had nothing to do; an epoch is one pass over the training split at tiny size, steps and all.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import torch

import mixkit
from mixkit.audio import cache
from mixkit.data import waveforms
from mixkit.data.batches import Batch, Batches, Order
from mixkit.recipe.schema import Recipe
from mixkit.training.prepare import Prepared, prepare
from mixkit.training.step import Step

RATE = 44_100


def make_up(root: Path, clips: int, seconds: float) -> None:
    """Coloured noise in two classes, half FLAC and half MP3: costly to decode, and resampled."""
    dice = np.random.default_rng(0)
    for number in range(clips):
        label = ("dark", "bright")[number % 2]
        (root / label).mkdir(exist_ok=True)
        noise = dice.standard_normal(int(seconds * RATE))
        sound = np.diff(noise) if label == "bright" else np.convolve(noise, np.ones(8) / 8, "valid")
        soundfile.write(root / label / f"{number:04d}.{('flac', 'mp3')[number // 2 % 2]}", 0.05 * sound, RATE)


def recipe(root: Path, seconds: float, pattern: str | None) -> Recipe:
    """The flagship at tiny size on a folder."""
    named = [f"task.folder.pattern = {pattern!r}", "task.folder.fold = 1"] if pattern else []
    return mixkit.load_recipe(
        "asm_rh",
        layers=["task/folder"],
        settings=[f"task.folder.root = {str(root)!r}", f"task.folder.seconds = {seconds}", *named],
    )


def epoch(prepared: Prepared, step: Step, batches: Batches, number: int) -> tuple[float, float]:
    """Seconds of an epoch, and those spent waiting."""
    waited, began = 0.0, time.perf_counter()
    passing: Iterator[Batch] = batches.epoch(number)
    while True:
        asked = time.perf_counter()
        batch = next(passing, None)
        waited += time.perf_counter() - asked
        if batch is None:
            return time.perf_counter() - began, waited
        step(batch, number * len(batches))


def measure(plan: Recipe, workers: int, budget: int) -> list[tuple[float, float]]:
    """Two epochs after everything is prepared."""
    waveforms.MEMORY_BUDGET = budget
    prepared = prepare(plan, "cpu")
    prepared.model.features.needs_measuring = False
    step = Step(prepared)
    audio = prepared.splits.audio("train", plan.train.seed)
    batches = Batches(audio, Order(len(audio), plan.train.batch_size, 0), torch.device("cpu"), workers)
    return [epoch(prepared, step, batches, number) for number in range(2)]


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="folder of recordings, one folder for each class")
    parser.add_argument("--pattern", help="task.folder.pattern, with a fold")
    parser.add_argument("--seconds", type=float, default=5.0, help="of a clip")
    parser.add_argument("--clips", type=int, default=240, help="made up")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MIXKIT_DATA"] = f"{folder}/data"
        root = chosen.root or Path(folder) / "noise"
        if chosen.root is None:
            root.mkdir()
            make_up(root, chosen.clips, chosen.seconds)
            time.sleep(cache.SETTLED + 0.1)
        plan = recipe(root, chosen.seconds, chosen.pattern)
        print(f"{root.name}, load {os.getloadavg()[0]:.1f}, {torch.get_num_threads()} threads")  # noqa: T201
        print(f"{'audio':<34} workers  epoch   wait")  # noqa: T201
        for title, gib, budget in (
            ("decoded each time", "0", 0),
            ("from disk, while it is filled", "20", 0),
            ("from disk", "20", 0),
            ("from memory", "20", 2**30),
        ):
            for workers in (0, 2):
                os.environ[cache.VARIABLE] = gib
                began = time.perf_counter()
                (seconds, waited), (second, second_waited) = measure(plan, workers, budget)
                total = time.perf_counter() - began - seconds - second
                print(  # noqa: T201
                    f"{title:<34} {workers:>7} {second:>5.1f} s {second_waited / second:>6.1%}   "
                    f"(first epoch {waited / seconds:.1%}; before it {total:.1f} s)",
                    flush=True,
                )


if __name__ == "__main__":
    main()
