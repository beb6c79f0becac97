"""An epoch over a data set that is larger than the memory which the process may have.

    python benchmarks/larger_than_memory.py
    python benchmarks/larger_than_memory.py --clips 2000 --megabytes 300 --workers 2

A set of FLAC recordings of half a minute is made up, and trained on with no more memory than --megabytes above what
Python and torch take for themselves; the system enforces it (RLIMIT_DATA). --keep-all is the control: without a budget
for decoded audio the same epoch runs out of memory.
"""

import argparse
import os
import resource
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch

import mixkit
from mixkit.audio import cache
from mixkit.data import waveforms
from mixkit.data.batches import Batches, Order
from mixkit.errors import MixkitError
from mixkit.training.prepare import prepare
from mixkit.training.step import Step

RATE, SECONDS = 22_050, 30
HEARD = 16_000  # Hz
MEGA = 10**6
BUDGET = 0.2  # share of the allowed memory for decoded audio

SETTINGS = (
    "task.folder.seconds = 1.0",
    "block.branches = [@operator.channel()]",
    "model.width = 16",
    "model.depth = 1",
    "train.batch_size = 8",
)


def make_up(root: Path, clips: int) -> None:
    """Noise, each recording another."""
    for number in range(clips):
        folder = root / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(-2000, 2000, RATE * SECONDS, dtype=np.int16)
        soundfile.write(folder / f"{number:05d}.flac", noise, RATE)


def used() -> int:
    """Bytes of writable memory that this process has for itself."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmData"))


def peak() -> float:
    """The most memory that this process or one of its workers had, in megabytes; shared code included."""
    who = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    return max(resource.getrusage(one).ru_maxrss for one in who) * 1024 / MEGA


def train(root: Path, workers: int) -> int:
    """One epoch from the beginning, statistics and all: how many clips were heard."""
    plan = mixkit.load_recipe(
        "asm_rh", layers=["task/folder"], settings=[f"task.folder.root = {str(root)!r}", *SETTINGS]
    )
    prepared = prepare(plan, "cpu")
    audio = prepared.splits.audio("train", plan.train.seed)
    prepared.model.features.measure(audio.unpadded(item) for item in range(len(audio)))
    step = Step(prepared)
    heard = 0
    for batch in Batches(audio, Order(len(audio), plan.train.batch_size, 0), torch.device("cpu"), workers).epoch(0):
        step(batch, 0)
        heard += len(batch.items)
    return heard


def main() -> None:
    """Makes the set, limits the memory, trains, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--megabytes", type=int, default=150, help="that training may have")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--keep-all", action="store_true", help="the control")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MIXKIT_DATA"] = folder
        size = chosen.clips * SECONDS * HEARD * 4 / MEGA
        os.environ[cache.VARIABLE] = str(size / 2 * MEGA / 2**30)  # of which half fits into the cache
        waveforms.MEMORY_BUDGET = sys.maxsize if chosen.keep_all else int(BUDGET * chosen.megabytes * MEGA)
        make_up(Path(folder) / "noise", chosen.clips)
        make_up(Path(folder) / "few", 16)
        torch.set_num_threads(1)
        train(Path(folder) / "few", 0)  # so that all code is loaded
        before = peak()
        limit = used() + chosen.megabytes * MEGA
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        try:
            heard = train(Path(folder) / "noise", chosen.workers)
        except MixkitError as error:
            sys.exit(str(error))
        print(  # noqa: T201
            f"{chosen.clips} clips, of which {heard} trained; {size:.0f} MB decoded, {chosen.megabytes} MB "
            f"were allowed; peak {before:.0f} MB before, {peak():.0f} MB after, {chosen.workers} workers"
        )


if __name__ == "__main__":
    main()
