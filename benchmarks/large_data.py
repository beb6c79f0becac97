"""What it costs to begin with a large set, and to read it: does the cost grow as the number of clips does?

    python benchmarks/large_data.py
    python benchmarks/large_data.py --clips 1000 10000 100000
    python benchmarks/large_data.py --clips 1000000 --tasks sections --listing

Tiny recordings of noise are made up; each row is measured in a process of its own, so that its memory is its own. The
tasks: `folder`, a folder for each class; `table`, a CSV of the same files; `shards`, the same files packed, at most
1,000 to an archive; `sections`, a CSV of stretches of few long recordings. Times are the processor's for 1,000 clips,
in milliseconds, so that others on the machine do not count:

    list        the task lists its clips and divides them
    guard       no file and no group in two splits, no clip twice
    decode      every clip once, to find those that cannot be used
    leaks       no audio in two splits
    keep        names and digests of all clips, for the run folder
    read        an epoch of batches
    start       all of it until the first batch is there, in seconds by the clock
    memory      the most that the process had above what Python and torch take, in megabytes

`--listing` stops after the guard.
"""

import argparse
import csv
import multiprocessing
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch

import mixkit
from mixkit import registry
from mixkit.audio.cache import SETTLED
from mixkit.data import waveforms
from mixkit.data.batches import Batches, Order
from mixkit.data.leaks import refuse_leaks
from mixkit.data.pack import pack
from mixkit.data.run_split import faults_of, list_splits, source_of, usable_splits
from mixkit.model.classifier import build

RATE = 16_000
SECONDS = 0.1
CLASSES = 4
PER_RECORDING = 50
TASKS = ("folder", "table", "shards", "sections")
PER_SHARD = 1000
STAGES = ("list", "guard", "decode", "leaks", "keep", "read")


def make_up(root: Path, clips: int, sections: bool) -> None:
    """Noise, each clip another; with tables that list them."""
    dice = np.random.default_rng(clips)
    rows: list[tuple[object, ...]] = []
    for number in range(CLASSES):
        (root / f"class_{number}").mkdir(parents=True)
    per_file = PER_RECORDING if sections else 1
    for number in range(0, clips, per_file):
        path = f"class_{number // per_file % CLASSES}/{number:07d}.wav"
        noise = dice.integers(-3000, 3000, int(per_file * SECONDS * RATE), dtype=np.int16)
        soundfile.write(root / path, noise, RATE)
        begins = (round(SECONDS * place, 3) for place in range(min(per_file, clips - number)))
        rows += [(path, path.split("/")[0], begin, round(begin + SECONDS, 3)) for begin in begins]
    with (root / "clips.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "label", "start", "stop"))
        table.writerows(rows if sections else [(path, label, "", "") for path, label, *_ in rows])


def measure(root: Path, task: str, listing: bool) -> dict[str, float]:
    """Seconds of each stage and of the start, clips, and megabytes."""
    name = "shards" if task == "shards" else "folder"
    table = ["task.folder.table = 'clips.csv'"] if task in ("table", "sections") else []
    settings = [f"task.{name}.root = {str(root)!r}", f"task.{name}.seconds = {SECONDS}", *table, "train.workers = 0"]
    recipe = mixkit.load_recipe("asm_rh", layers=[f"task/{name}"], settings=settings)
    network = build(recipe, CLASSES)
    waveforms.MEMORY_BUDGET = 0  # which is the same for every set
    before, took = memory(), {}
    began, clock = time.perf_counter(), time.process_time()

    def done(stage: str) -> None:
        nonlocal clock
        took[stage], clock = time.process_time() - clock, time.process_time()

    source = source_of(recipe)
    listed = list_splits(source)
    done("list")
    for fault in faults_of(name, source, listed):
        raise fault
    done("guard")
    start = time.perf_counter() - began
    clips = sum(map(len, listed.values()))
    if not listing:
        network.labels = tuple(source.labels)
        splits, checked = usable_splits(network, source, listed, lambda line: None)
        done("decode")
        refuse_leaks(checked, splits.protocol)
        done("leaks")
        assert len(splits.kept) == clips
        done("keep")
        audio = splits.audio("train", 0)
        passing = Batches(audio, Order(len(audio), 100, 0), torch.device("cpu")).epoch(0)
        first = next(passing)
        start = time.perf_counter() - began
        heard = len(first.items) + sum(len(batch.items) for batch in passing)
        done("read")
        took["read"] *= clips / heard  # of the training split only
    return {"clips": clips, "start": start, **took, "memory": memory() - before}


def memory() -> float:
    """The most that this process had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
    """Makes sets, measures each in a process of its own, prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, nargs="+", default=[1000, 4000])
    parser.add_argument("--tasks", choices=TASKS, nargs="+", default=TASKS)
    parser.add_argument("--listing", action="store_true", help="stop before audio is opened")
    chosen = parser.parse_args()
    print(f"| task | clips | {' | '.join(STAGES)} | start | memory |\n|{'---|' * (len(STAGES) + 4)}")  # noqa: T201
    for clips in chosen.clips:
        for task in chosen.tasks:
            with tempfile.TemporaryDirectory() as folder:
                os.environ["MIXKIT_DATA"] = f"{folder}/data"
                root = Path(folder) / "set"
                make_up(root, clips, task == "sections")
                if task == "shards":
                    root = Path(folder) / "shards"
                    spec = registry.task.spec("folder", root=f"{folder}/set")
                    pack(spec, root, -(-clips // PER_SHARD), lambda *_: None)
                time.sleep(0 if chosen.listing else SETTLED + 0.1)
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    row = pool.apply(measure, (root, task, chosen.listing))
            cells = [f"{1e6 * row[stage] / row['clips']:,.1f}" if stage in row else "" for stage in STAGES]
            print(  # noqa: T201
                f"| {task} | {clips:,} | {' | '.join(cells)} | {row['start']:,.1f} s | {row['memory']:,.0f} MB |",
                flush=True,
            )


if __name__ == "__main__":
    main()
