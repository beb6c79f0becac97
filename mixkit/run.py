"""The run folder: everything about one training, and the only writer of it."""

import json
import os
import platform
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mixkit import __version__
from mixkit.errors import RunError
from mixkit.recipe.schema import Recipe
from mixkit.recipe.writer import to_gin, to_json

COMPLETE = "results.json"


class Run:
    """A run folder. It explains itself, and is complete when `results.json` exists.

    `recipe.gin` (resolved, loads again), `recipe.json`, `environment.json`, `metrics.jsonl` (a line an epoch),
    `best.safetensors`, `last/` (training state), `figures/`, `results.json`. Every file is whole or absent.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    @classmethod
    def create(
        cls, recipe: Recipe, runs: Path, name: str | None = None, environment: dict[str, Any] | None = None
    ) -> "Run":
        """A new folder `runs/NAME`, or `runs/RECIPE/001` and on, with recipe and environment in it.

        Raises:
            RunError: the name is taken or no name for a folder, or the folder cannot be made.
        """
        folder = cls.place(recipe, runs, name)
        with writing(folder):
            folder.mkdir(parents=True)
        run = cls(folder)
        run.write("recipe.gin", to_gin(recipe).encode())
        run.write_json("recipe.json", to_json(recipe))
        run.write_json("environment.json", environment or {})
        return run

    @staticmethod
    def place(recipe: Recipe, runs: Path, name: str | None = None) -> Path:
        """Where a new run will stand; nothing is written.

        Raises:
            RunError: the name is taken or no name for a folder.
        """
        if name is None:
            parent = runs / recipe.name
            taken = [int(path.name) for path in parent.glob("[0-9]*") if path.name.isdigit()]
            return parent / f"{max(taken, default=0) + 1:03d}"
        if not re.fullmatch(r"[\w][\w .+-]{0,99}", name):
            raise RunError(f"--name {name!r} is no name for a folder. Use letters, digits, '.', '-' and '_'.")
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
        if not (folder / "recipe.gin").is_file():
            inside = sorted(path.parent for path in folder.glob("**/recipe.gin"))
            hint = f" Did you mean {inside[-1]}?" if inside else ""
            raise RunError(f"{folder} is no run: it has no recipe.gin.{hint}")
        return cls(folder)

    @property
    def complete(self) -> bool:
        """Whether training ended and was tested."""
        return (self.folder / COMPLETE).is_file()

    def metrics(self) -> list[dict[str, Any]]:
        """The records of all epochs; a torn last line is left out."""
        path = self.folder / "metrics.jsonl"
        lines = path.read_text().split("\n")[:-1] if path.is_file() else []
        return [json.loads(line) for line in lines]

    def results(self) -> dict[str, Any]:
        """What the run ended with.

        Raises:
            RunError: it has not ended.
        """
        if not self.complete:
            raise RunError(f"{self.folder} has no {COMPLETE}: training has not ended there.")
        results: dict[str, Any] = json.loads((self.folder / COMPLETE).read_text())
        return results

    def keep_epochs(self, epochs: int) -> None:
        """Drops the records of later epochs, so that they can be trained again."""
        kept = [record for record in self.metrics() if record["epoch"] <= epochs]
        self.write("metrics.jsonl", "".join(json.dumps(record) + "\n" for record in kept).encode())

    def environment(self) -> dict[str, Any]:
        """Where the run was started."""
        path = self.folder / "environment.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
        return found

    def log(self, record: dict[str, Any]) -> None:
        """Adds a line to `metrics.jsonl`."""
        with writing(self.folder), (self.folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def write(self, name: str, content: bytes) -> None:
        """Writes a file whole: to a temporary one beside it, made durable, then renamed.

        Raises:
            RunError: the disk is full, or the folder cannot be written; what was there before is still there.
        """
        path = self.folder / name
        temporary = path.with_name(f".{path.name}.part")
        try:
            with writing(self.folder):
                path.parent.mkdir(parents=True, exist_ok=True)
                with temporary.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
                _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Writes a JSON document whole."""
        self.write(name, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def _sync_folder(folder: Path) -> None:
    """Makes a rename durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turns a fault of the disk into an error that names the folder."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{error.filename or folder} cannot be written: {error.strerror}. "
            "Free the disk, or name another folder with --runs."
        ) from None


def environment(device: str, precision: str) -> dict[str, Any]:
    """What a result depends on beside the recipe: versions, machine, command."""
    import torch

    return {
        "mixkit": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "device": device,
        "device_name": torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.machine(),
        "precision": precision,
        "threads": torch.get_num_threads(),
        "command": sys.argv[1:],
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
